package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// TestExitCodes holds the codes that pipelines branch on, and that only the answer
// goes to the output.
func TestExitCodes(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	curl, plain := registry.Push("run:curl", lifecycletest.Debian("curl")), registry.Push("run:plain", lifecycletest.Debian())
	const demo = "../../testdata/demo"
	resolve := "resolve --order " + demo + "/order.toml --plans " + demo + "/plans --generated " + demo + "/generated --run-image "
	for _, tt := range []struct {
		args string
		want int
	}{
		{"provides " + curl + " curl", cli.Enough},
		{"provides " + plain + " curl", cli.NotEnough},
		{"provides " + registry.Name + "/run:none curl", cli.Failure},
		{"provides", cli.Failure},
		{"select --run " + curl + " --requires curl", cli.Enough},
		{"select --run " + plain + " --requires curl", cli.NotEnough},
		{resolve + curl, cli.Enough},
		{resolve + plain, cli.NotEnough},
		{resolve + plain + " --order none.toml", cli.Failure},
		{"check " + demo + "/generated/acme_curl/run.Dockerfile --run-image " + curl, cli.Enough},
		{"check " + demo + "/generated/acme_curl/run.Dockerfile --run-image " + plain, cli.NotEnough},
		{"sbom show " + plain, cli.Enough},
		{"sbom find " + plain, cli.NotEnough},
		{"sbom attach " + curl + " --sbom none.json", cli.Failure},
		{"sbom attach " + curl, cli.Enough},
		{"sbom find " + curl + " --verify", cli.Enough},
		{"sbom find " + curl + " --output json --key none.pub", cli.Failure},
		{"sbom verify " + curl, cli.Failure},
		{"sbom", cli.Enough},
		{"completion bash", cli.Enough},
		{"--version", cli.Enough},
		{"--help", cli.Enough},
	} {
		var out, errs bytes.Buffer
		if got := cli.Run(t.Context(), strings.Fields(tt.args), &cli.Console{Out: &out, Err: &errs}); got != tt.want {
			t.Errorf("baseplan %s: exit code %d, want %d\n%s%s", tt.args, got, tt.want, &out, &errs)
		}
		if failed := tt.want == cli.Failure; failed != (out.Len() == 0) || failed != (strings.HasPrefix(errs.String(), "error: ") || strings.HasPrefix(errs.String(), `{"version":"1.0","kind":"error"`)) {
			t.Errorf("baseplan %s: output %q, errors %q", tt.args, &out, &errs)
		}
	}
}

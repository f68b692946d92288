package platform_test

import (
	"crypto"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
)

func TestRunImageReport(t *testing.T) {
	created := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	signed := attach.Signature{SignedBy: "SHA256:abc"}
	digest := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("3", 64)}
	want := platform.RunImageReport{Version: sbom.FileVersion, Image: "registry.example/run:noble", Digest: "sha256:01", Config: &extensions.Config{
		User: "1000:1000", WorkingDir: "/workspace", Env: []string{"A=b"}, Shell: []string{"/bin/bash", "-c"}, Labels: map[string]string{"l": "v"}, Created: created,
		ExposedPorts: []string{"80/tcp"}, Volumes: []string{"/data"}, StopSignal: "SIGINT", Healthcheck: "{}", Author: "me",
	}}
	found := attach.Finding{
		Carrier: attach.Referrer, Result: attach.Found, Reference: "registry.example/run@sha256:02", Signature: signed,
		Document: &sbom.Document{Format: sbom.CycloneDX, Created: created, Packages: make([]sbom.Package, 132)},
	}
	want.SetResult(&attach.Result{
		Found:       &found,
		Searched:    []attach.Finding{{Carrier: attach.Layer, Result: attach.Stale, Digest: digest, Detail: "the layer is followed by 2 others"}, found},
		Declaration: &attach.Declaration{Data: []byte("{}"), Reference: "label x", Signature: signed},
	})
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden := `version = "1.0"
image = "registry.example/run:noble"
digest = "sha256:01"

[sbom]
carrier = "referrer"
format = "cyclonedx"
reference = "registry.example/run@sha256:02"
packages = 132
signed-by = "SHA256:abc"
created = 2026-11-01T00:00:00Z

[[searched]]
carrier = "layer"
result = "stale"
digest = "sha256:` + digest.Hex + `"
detail = "the layer is followed by 2 others"

[[searched]]
carrier = "referrer"
result = "found"

[declaration]
reference = "label x"
signed-by = "SHA256:abc"
data = "{}"

[config]
user = "1000:1000"
working-dir = "/workspace"
env = ["A=b"]
shell = ["/bin/bash", "-c"]
created = 2026-11-01T00:00:00Z
exposed-ports = ["80/tcp"]
volumes = ["/data"]
stop-signal = "SIGINT"
healthcheck = "{}"
author = "me"
[config.labels]
l = "v"
`
	if diff := cmp.Diff(golden, string(data)); diff != "" {
		t.Errorf("encoded (-want +got):\n%s", diff)
	}
	got, err := platform.DecodeRunImageReport(data, "run-image.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	bare := platform.RunImageReport{Image: "a", Config: &extensions.Config{}}
	bare.SetResult(&attach.Result{})
	if data, err = bare.Encode(); err != nil || string(data) != "version = \"1.0\"\nimage = \"a\"\n\n[config]\nuser = \"\"\n" {
		t.Errorf("with nothing known: %s, %v", data, err)
	}
}

func TestDecodeRunImageReport(t *testing.T) {
	for text, want := range map[string]string{
		"version = \"1.7\"\nnew = true\n[sbom]\nnew = 1\n": "",
		"version = \"2.0\"\n":                              "not supported",
		"image = \"x\"\n":                                  "missing: want",
		"version = \"1.0\n":                                "run-image.toml, line 1",
		"version = \"latest\"":                             "is not a version",
		"version = 1\n":                                    "run-image.toml",
		"version = \"1.0\"\nsearched = 3\n":                "run-image.toml",
	} {
		_, err := platform.DecodeRunImageReport([]byte(text), "run-image.toml")
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// TestTrustRecorded: what another phase found counts only under the keys of this one.
func TestTrustRecorded(t *testing.T) {
	key := func() (public crypto.PublicKey, by attach.Signature) {
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		fingerprint, err := attach.Fingerprint(public)
		if err != nil {
			t.Fatal(err)
		}
		return public, attach.Signature{SignedBy: fingerprint}
	}
	public, ours := key()
	_, theirs := key()
	trust := attach.Trust{Keys: []crypto.PublicKey{public}}
	unbound := attach.Trust{Keys: trust.Keys, Unbound: true}
	for name, c := range map[string]struct {
		trust  attach.Trust
		source platform.SBOMSource
		counts bool
	}{
		"no keys":           {attach.Trust{}, platform.SBOMSource{Carrier: attach.Layer}, true},
		"unsigned":          {trust, platform.SBOMSource{Carrier: attach.Layer}, false},
		"ours":              {trust, platform.SBOMSource{Carrier: attach.Referrer, Signature: ours}, true},
		"another's":         {trust, platform.SBOMSource{Carrier: attach.Referrer, Signature: theirs}, false},
		"platform's":        {trust, platform.SBOMSource{Carrier: attach.Platform}, true},
		"generated here":    {trust, platform.SBOMSource{Carrier: attach.Generated}, true},
		"generated before":  {trust, platform.SBOMSource{Carrier: attach.Cache}, true},
		"unbound":           {trust, platform.SBOMSource{Carrier: attach.CosignSBOM, Signature: ours, Unbound: true}, false},
		"unbound, no keys":  {attach.Trust{}, platform.SBOMSource{Carrier: attach.CosignSBOM, Unbound: true}, true},
		"unbound, unsigned": {unbound, platform.SBOMSource{Carrier: attach.CosignSBOM, Unbound: true}, false},
		"unbound, allowed":  {unbound, platform.SBOMSource{Carrier: attach.CosignSBOM, Signature: ours, Unbound: true}, true},
	} {
		if err := c.source.Check(c.trust); (err == nil) != c.counts {
			t.Errorf("%s: got %v, want that it counts: %t", name, err, c.counts)
		}
	}
}

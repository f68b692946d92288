package base_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/attach"
)

// TestResolutionIsTheFormat writes what FORMATS.md shows, reads it again, and
// writes the same bytes.
func TestResolutionIsTheFormat(t *testing.T) {
	app := resolver.Module{Kind: resolver.Buildpack, ID: "acme/app", Version: "1.2.3"}
	curl := resolver.Module{Kind: resolver.Extension, ID: "acme/curl", Version: "0.1.0"}
	j := base.Judgement{Resolution: &resolver.Resolution{Requirements: []resolver.Requirement{{
		Name: "curl", By: app, Version: ">= 7", Contexts: []resolver.Context{resolver.Launch}, Providers: []resolver.Module{curl},
		Run: provides.Answer{Met: true, By: []provides.Provide{{Rule: provides.Deb, Evidence: []provides.Evidence{{Pattern: "pkg:deb/debian/curl"}}}}},
	}}}, Result: extensions.Result{RunImage: "registry.example/run:noble", Verdicts: []extensions.Verdict{{
		Dockerfile: &extensions.Dockerfile{Extension: curl, Image: extensions.Run, Path: "generated/acme_curl/run.Dockerfile"},
		Outcome:    extensions.NoEffect, Reasons: []string{"no instruction would change the image"},
		Instructions: []extensions.Instruction{{Line: 4, Reason: "apt-get install: curl is installed"}},
	}}},
		Policy:  platform.Policy{RunSBOM: platform.Auto, Proof: extensions.ByPlan},
		Run:     base.Image{Reference: "registry.example/run:noble", Digest: "sha256:0123", Carrier: attach.Referrer},
		Mapping: []provides.Mapping{{Name: "jre", Packages: []string{"pkg:deb/*/openjdk-*-jre-headless"}}},
	}
	r := j.Record()
	want := `version = "1.0"

[policy]
run-sbom = "auto"
proof = "plan"

[run-image]
image = "registry.example/run:noble"
digest = "sha256:0123"
inventory = "referrer"

[[requirements]]
name = "curl"
required-by = "acme/app@1.2.3"
version = ">= 7"
contexts = ["launch"]
met-by = ["run-image", "acme/curl@0.1.0"]
rule = "deb"
evidence = ["pkg:deb/debian/curl"]
[requirements.by]
kind = "buildpack"
id = "acme/app"
version = "1.2.3"

[[requirements.providers]]
kind = "extension"
id = "acme/curl"
version = "0.1.0"

[[verdicts]]
extension = "acme/curl"
image = "run"
dockerfile = "generated/acme_curl/run.Dockerfile"
verdict = "no-effect"
reasons = ["no instruction would change the image"]

[[verdicts.instructions]]
line = 4
effect = false
reason = "apt-get install: curl is installed"

[[mapping]]
name = "jre"
packages = ["pkg:deb/*/openjdk-*-jre-headless"]

[result]
run-image = "registry.example/run:noble"
extend-run = false
extend-build = false
`
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	again, err := platform.DecodeResolution(append(data, "\n[future]\nkey = 1\n"...), "resolution.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&r, again); diff != "" {
		t.Errorf("read again: -want +got:\n%s", diff)
	}
}

package main

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// policied returns images with an operator's policy: builder and lifecycle, and badbuilder, whose policy is not
// valid.
func policied(t *testing.T) map[string]v1.Image {
	t.Helper()
	const key = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfQYM/3h5BPRfb31qXU+yUYH01lAG\nZgmVZ9qnDifZJt/H13L5YJvZdTtnWfpOgQ9VH8eFtIV/YfXKXtdUBgTYFA==\n-----END PUBLIC KEY-----\n"
	builder := lifecycletest.With(lifecycletest.Debian("curl"),
		lifecycletest.Layer{"cnb/": "", "cnb/baseplan.toml": "version = \"0.9\"\n", "cnb/run.pub": "an old key"},
		lifecycletest.Layer{"cnb/.wh.baseplan.toml": "", "cnb/.wh.run.pub": "", "etc/policy/baseplan.toml": `version = "1.0"
[policy]
proof = "effect"
max-image-age = "30d"
keys = ["/etc/policy/run.pub", "/cnb/run.pub"]
trusted-root = "/cnb/root.json"
unbound = false
[[extensions]]
id = "acme/jre"
proof = "plan"
[[provides]]
name = "client"
packages = ["pkg:deb/curl"]
[[provides]]
name = "node"
packages = []
`, "etc/policy/run.pub": key},
		lifecycletest.Layer{"cnb/baseplan.toml": "-> ../etc/policy/baseplan.toml"})
	lifecycle := lifecycletest.Image(lifecycletest.Layer{"cnb/": "", "cnb/baseplan.toml": `version = "1.0"
[policy]
run-sbom = "attached"
proof = "strict"
max-image-age = "60d"
[[extensions]]
id = "acme/tools"
proof = "plan"
`})
	bad := lifecycletest.Image(lifecycletest.Layer{"cnb/baseplan.toml": "version = \"1.0\"\n[policy]\nproof = \"faith\"\n"})
	return map[string]v1.Image{"builder": environment(t, builder, "CNB_EXTEND_NETWORK=none", "CNB_EXTEND_MEMORY=1G"), "lifecycle": lifecycle, "badbuilder": bad}
}

// environment returns an image with variables in its configuration.
func environment(t *testing.T, img v1.Image, env ...string) v1.Image {
	t.Helper()
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.DeepCopy()
	cfg.Config.Env = append(cfg.Config.Env, env...)
	if img, err = mutate.ConfigFile(img, cfg); err != nil {
		t.Fatal(err)
	}
	return img
}

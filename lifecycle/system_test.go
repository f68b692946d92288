package lifecycle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/reference"
)

// detects is a detector for buildpacks that all pass.
func detects(t *testing.T, modules ...lifecycletest.Module) *lifecycle.Detector {
	t.Helper()
	dir := t.TempDir()
	for _, m := range modules {
		if m.Files == nil {
			m.Files = map[string]string{"bin/detect": "#!/bin/sh\n", "bin/build": "#!/bin/sh\n"}
		}
		m.Write(t, filepath.Join(dir, map[bool]string{true: "extensions", false: "buildpacks"}[m.Extension]))
	}
	return &lifecycle.Detector{
		API: version(t, "0.15"), Host: buildpack.Host{App: dir, Platform: dir, Environ: os.Environ()},
		Store: buildpack.Store{Buildpacks: filepath.Join(dir, "buildpacks"), Extensions: filepath.Join(dir, "extensions")},
	}
}

func group(ids ...string) resolver.Group {
	var g resolver.Group
	for _, id := range ids {
		g = append(g, resolver.Element{Module: resolver.Module{Kind: resolver.Buildpack, ID: id, Version: "1"}})
	}
	return g
}

func chosen(t *testing.T, d *lifecycle.Detector) []string {
	t.Helper()
	found, err := d.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range found.Group {
		ids = append(ids, c.Module.ID)
	}
	return ids
}

// TestSystemBuildpacks: platform.md, "detector" and "system.toml".
func TestSystemBuildpacks(t *testing.T) {
	system, err := platform.DecodeSystem([]byte("[[system.pre.buildpacks]]\nid = \"first\"\nversion = \"1\"\n[[system.pre.buildpacks]]\nid = \"app\"\nversion = \"1\"\n[[system.post.buildpacks]]\nid = \"last\"\nversion = \"1\"\noptional = true\n"), "system.toml")
	if err != nil {
		t.Fatal(err)
	}
	d := detects(t, lifecycletest.Module{ID: "first", Version: "1"}, lifecycletest.Module{ID: "app", Version: "1"}, lifecycletest.Module{ID: "last", Version: "1"})
	d.Order.Order, d.System = resolver.Order{group("app")}, system
	if diff := gocmp.Diff([]string{"first", "app", "last"}, chosen(t, d)); diff != "" {
		t.Error(diff)
	}
	if _, err := platform.DecodeSystem([]byte("[[system.post.buildpacks]]\nid = \"x\"\n"), "system.toml"); err == nil || !strings.Contains(err.Error(), "system.post.buildpacks") {
		t.Errorf("%v", err)
	}
}

// TestExecEnvExcludesModules: platform.md, "detector".
func TestExecEnvExcludesModules(t *testing.T) {
	only := func(id, execEnv string) lifecycletest.Module {
		return lifecycletest.Module{ID: id, Version: "1", API: "0.12", TOML: "[[buildpack.exec-env]]\nname = \"" + execEnv + "\"\n"}
	}
	d := detects(t, only("prod", "production"), only("test", "test"), lifecycletest.Module{ID: "any", Version: "1"})
	d.Order.Order = resolver.Order{group("prod"), group("test", "prod", "any")}
	for execEnv, want := range map[string][]string{"production": {"prod"}, "test": {"test", "any"}} {
		d.Host.ExecEnv = execEnv
		if diff := gocmp.Diff(want, chosen(t, d)); diff != "" {
			t.Errorf("%s: %s", execEnv, diff)
		}
	}
}

// TestGeneratorRefuses what an extension must not leave beside its Dockerfile, and names
// that are one directory.
func TestGeneratorRefuses(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "secret")
	for name, body := range map[string]string{
		"a link to a file":      `ln -s ` + secret + ` "$CNB_OUTPUT_DIR/context.run"`,
		"a link to a directory": `ln -s / "$CNB_OUTPUT_DIR/context"`,
		"a link as its config":  `ln -s ` + secret + ` "$CNB_OUTPUT_DIR/extend-config.toml"`,
	} {
		t.Run(name, func(t *testing.T) {
			d := detects(t, lifecycletest.Module{ID: "app", Version: "1", Files: map[string]string{"bin/detect": "#!/bin/sh\nprintf '[[requires]]\\nname = \"x\"\\n' > \"$2\"\n", "bin/build": ""}},
				lifecycletest.Module{Extension: true, ID: "ext", Version: "1", Files: map[string]string{
					"bin/detect": "#!/bin/sh\nprintf '[[provides]]\\nname = \"x\"\\n' > \"$2\"\n", "bin/generate": "#!/bin/sh\necho 'FROM x' > \"$CNB_OUTPUT_DIR/run.Dockerfile\"\n" + body + "\n",
				}})
			d.Order = resolver.OrderFile{Order: resolver.Order{group("app")}, Extensions: resolver.Order{{{Module: resolver.Module{Kind: resolver.Extension, ID: "ext", Version: "1"}}}}}
			found, err := d.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			g := lifecycle.Generator{API: d.API, Host: d.Host, Detection: found, Generated: filepath.Join(t.TempDir(), "generated")}
			if _, err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "neither a file nor a directory") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestReliancesOfSkippedDockerfilesAreKept: another extension may have taken it away.
func TestReliancesOfSkippedDockerfilesAreKept(t *testing.T) {
	r := &platform.Resolution{Relies: []platform.RunImageRequirement{{Name: "curl", Rule: "deb", Evidence: []string{"pkg:deb/debian/curl"}, RequiredBy: "acme/app"}}}
	if !base.FromRecord(r).Promised() {
		t.Error("nothing is promised")
	}
	if err := base.FromRecord(r).Recheck(base.Image{Reference: reference.Parse("final")}); err == nil || !strings.Contains(err.Error(), "curl") {
		t.Errorf("an image of which nothing is known keeps the promise: %v", err)
	}
}

// TestDeclaredNamesSurviveAnExtension: the extended image has no declaration, but what that named as evidence.
func TestDeclaredNamesSurviveAnExtension(t *testing.T) {
	r := &platform.Resolution{Requirements: []platform.Requirement{{
		Name: "tls-runtime", RequiredBy: "acme/app@1", By: &platform.ResolvedModule{Kind: "buildpack", ID: "acme/app", Version: "1"}, MetBy: []string{platform.RunImageProvider}, Evidence: []string{"pkg:deb/debian/openssl"},
	}}}
	set, _ := provides.From(&sbom.Document{
		Distro:   sbom.Distro{ID: "debian", Version: "12"},
		Packages: []sbom.Package{{Type: sbom.Deb, Name: "openssl", Version: "3.0.15-1", PURL: "pkg:deb/debian/openssl@3.0.15-1"}},
	}, nil, nil)
	if err := base.FromRecord(r).Recheck(base.Image{Reference: reference.Parse("extended"), Set: set, Extended: true}); err != nil {
		t.Errorf("openssl is there: %v", err)
	}
	if err := base.FromRecord(r).Recheck(base.Image{Reference: reference.Parse("another"), Set: set}); err == nil {
		t.Error("another image does not declare tls-runtime")
	}
	r.Requirements[0].Evidence = []string{"pkg:deb/debian/gnutls-bin"}
	if err := base.FromRecord(r).Recheck(base.Image{Reference: reference.Parse("extended"), Set: set, Extended: true}); err == nil {
		t.Error("gnutls-bin is not there")
	}
}

package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// newCreator returns a creator of an app that needs curl, with an extension that installs it.
func newCreator(t *testing.T, packages ...string) *lifecycle.Creator {
	t.Helper()
	d := newDetectedBuild(t)
	run := d.push("run:1", lifecycletest.Debian(packages...))
	user, ext := d.user(needsCurl), extension("acme/curl", "curl", installCurl)
	user.Write(t, filepath.Join(d.dir, "buildpacks"))
	ext.Write(t, filepath.Join(d.dir, "extensions"))
	layers, launcher := filepath.Join(d.dir, "layers"), filepath.Join(d.dir, "launcher")
	check(t, os.Mkdir(layers, 0o755))
	check(t, os.WriteFile(launcher, nil, 0o755))
	order := resolver.OrderFile{
		Order:      resolver.Order{{{Module: resolver.Module{ID: user.ID, Version: user.Version}}}},
		Extensions: resolver.Order{{{Module: resolver.Module{Kind: resolver.Extension, ID: ext.ID, Version: ext.Version}, Optional: true}}},
	}
	store := buildpack.Store{Buildpacks: filepath.Join(d.dir, "buildpacks"), Extensions: filepath.Join(d.dir, "extensions")}
	host := buildpack.Host{App: filepath.Join(d.dir, "buildpacks"), Platform: d.dir, Environ: []string{"PATH=/usr/bin:/bin"}}
	opener, v := amd64(), version(t, "0.15")
	images, names := &image.Writer{Opener: opener}, refs(d.door.name+"/app:1")
	return &lifecycle.Creator{
		Analyzer: lifecycle.Analyzer{
			API: v, Images: images, Names: names, RunImage: reference.Parse(run), Layers: layers,
			Reader: &base.Reader{Images: opener, Finder: &attach.Finder{}, Scan: scanned},
		},
		Detector:  lifecycle.Detector{API: v, Store: store, Host: host, Order: order, Experimental: "silent"},
		Generator: lifecycle.Generator{API: v, Host: host, Generated: filepath.Join(layers, "generated")},
		Restorer:  lifecycle.Restorer{API: v, Layers: layers},
		Builder:   lifecycle.Builder{API: v, Store: store, Host: host, Layers: layers},
		Exporter:  lifecycle.Exporter{API: v, Writer: images, Names: names, App: host.App, Layers: layers, Launcher: launcher},
	}
}

// TestCreator: the run image has curl, so nothing is left to apply. The phases follow one another, each with what the
// earlier ones made, and the inputs stay as they are.
func TestCreator(t *testing.T) {
	c := newCreator(t, "curl")
	var steps []string
	c.Begin = func(p platform.Phase) error { steps = append(steps, p.String()); return nil }
	c.End = func(p platform.Phase, made *lifecycle.Creation) error {
		steps = append(steps, fmt.Sprint(made.Analysis != nil, made.Generation != nil, made.Build != nil, made.Report != nil))
		if p == platform.Build {
			data, err := made.Build.Encode(c.Builder.API)
			check(t, err)
			check(t, os.MkdirAll(filepath.Join(c.Builder.Layers, "config"), 0o755))
			check(t, os.WriteFile(filepath.Join(c.Builder.Layers, "config/metadata.toml"), data, 0o644))
		}
		return nil
	}
	before := fmt.Sprintf("%+v", *c)
	made, err := c.Run(t.Context())
	check(t, err)
	want := []string{
		"analyzer", "true false false false", "detector", "true true false false", "restorer", "true true false false",
		"builder", "true true true false", "exporter", "true true true true",
	}
	if diff := gocmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
	if got := made.Generation.Resolution.Verdicts[0].Verdict; got != "satisfied" {
		t.Errorf("the extension is %s", got)
	}
	if got := made.Report.Image.Tags; len(got) != 1 || got[0] != c.Exporter.Names[0].String() {
		t.Errorf("the report has %q", got)
	}
	if after := fmt.Sprintf("%+v", *c); after != before {
		t.Errorf("the inputs were changed from\n%s\nto\n%s", before, after)
	}
}

// TestCreatorCannotExtend: the run image has no curl. That the extension cannot be applied is said before any buildpack
// builds, and after the files are written from which it can be seen why.
func TestCreatorCannotExtend(t *testing.T) {
	for _, tt := range []struct{ name, policy, want string }{
		{"no way", "", "the reason"},
		{"no extender", "", "this creator has no extender"},
		{"not wanted", "never", "CNB_EXTEND_IN_CREATOR is never"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCreator(t)
			c.Generator.Policy.ExtendInCreator = tt.policy
			if tt.name != "no extender" {
				c.MayExtend = func(context.Context, *lifecycle.Generation) error { return errors.New("the reason") }
				c.Extend = func(context.Context, *lifecycle.Generation, buildpack.Host) (*lifecycle.Extension, error) {
					panic("not permitted")
				}
			}
			var last platform.Phase
			c.End = func(p platform.Phase, made *lifecycle.Creation) error { last = p; return nil }
			_, err := c.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "acme/curl") || fail.CodeOf(err) != fail.DetectOther {
				t.Errorf("code %d: %v", fail.CodeOf(err), err)
			}
			if last != platform.Detect {
				t.Errorf("the last phase was the %s", last)
			}
		})
	}
}

// TestCreatorHooksFail: an error of a hook has the code of the phase.
func TestCreatorHooksFail(t *testing.T) {
	for phase, code := range map[platform.Phase]fail.Code{
		platform.Analyze: fail.Analyze, platform.Detect: fail.DetectOther, platform.Restore: fail.Restore, platform.Build: fail.Build,
	} {
		for _, hook := range []string{"begin", "end", "provides"} {
			c := newCreator(t, "curl")
			broken := errors.New("the disk is full")
			fails := func(p platform.Phase) error {
				if p == phase {
					return broken
				}
				return nil
			}
			switch {
			case hook == "begin":
				c.Begin = fails
			case hook == "end":
				c.End = func(p platform.Phase, _ *lifecycle.Creation) error { return fails(p) }
			case phase != platform.Detect:
				continue
			default:
				c.Provides = func(base.Image) (string, string, error) { return "", "", broken }
			}
			if _, err := c.Run(t.Context()); !errors.Is(err, broken) || fail.CodeOf(err) != code {
				t.Errorf("%s, %s: code %d: %v", phase, hook, fail.CodeOf(err), err)
			}
		}
	}
}

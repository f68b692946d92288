package lifecycle_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/reference"
)

// undetectable is a detector for one group of buildpacks, given as id and bin/detect.
func undetectable(t *testing.T, modules ...string) lifecycle.Detector {
	t.Helper()
	dir := t.TempDir()
	var group resolver.Group
	for i := 0; i < len(modules); i += 2 {
		id, optional := strings.CutSuffix(modules[i], "?")
		lifecycletest.Module{ID: id, Version: "1", Files: map[string]string{
			"bin/detect": "#!/bin/sh\nplan=\"$2\"\n" + modules[i+1] + "\n", "bin/build": "#!/bin/sh\n",
		}}.Write(t, filepath.Join(dir, "buildpacks"))
		group = append(group, resolver.Element{Module: resolver.Module{Kind: resolver.Buildpack, ID: id, Version: "1"}, Optional: optional})
	}
	return lifecycle.Detector{
		API: version(t, "0.15"), Host: buildpack.Host{App: dir, Platform: filepath.Join(dir, "platform")},
		Store: buildpack.Store{Buildpacks: filepath.Join(dir, "buildpacks")}, Order: resolver.OrderFile{Order: resolver.Order{group}},
		RunImage: base.Image{Reference: reference.Parse("registry/run:1")},
	}
}

const (
	requires = `printf '[[requires]]\nname = "curl"\n' > "$plan"`
	unused   = `printf '[[provides]]\nname = "curl"\n' > "$plan"`
)

// TestInventoryIsReadOnlyIfNeeded: reading the run image's packages can take a download, so it is done only where
// a requirement is unmet and nothing else is in the way.
func TestInventoryIsReadOnlyIfNeeded(t *testing.T) {
	for _, test := range []struct {
		name    string
		modules []string
		want    bool
	}{
		{"not this app", []string{"acme/a", "exit 100"}, false},
		{"a breakdown", []string{"acme/a", "exit 3"}, false},
		{"an unused provide", []string{"acme/a", unused}, false},
		{"an unmet requirement", []string{"acme/a", requires}, true},
		{"of an optional buildpack, which leaves none", []string{"acme/a?", requires}, true},
		{"an unmet requirement in a group that fails anyway", []string{"acme/a", requires, "acme/b", "exit 100"}, false},
		{"an unmet requirement beside an unused provide", []string{"acme/a", requires, "acme/b", strings.ReplaceAll(unused, "curl", "tree")}, false},
		{"an optional buildpack without which a provide is unused",
			[]string{"acme/a", strings.ReplaceAll(unused, "curl", "tree"), "acme/b?", requires + ` && printf '[[requires]]\nname = "tree"\n' >> "$plan"`}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, asked := undetectable(t, test.modules...), false
			d.Inventory = func(context.Context) (base.Image, error) {
				asked = true
				return base.Image{}, errors.New("the registry does not answer")
			}
			_, err := d.Run(t.Context())
			if code := fail.CodeOf(err); code != fail.Detect && code != fail.DetectBuildpack || asked != test.want {
				t.Errorf("asked for an inventory: %t, want %t (%v)", asked, test.want, err)
			}
		})
	}
}

// TestRemedies: whoever reads nothing but the error learns why nothing is known of the run image, and what to do.
func TestRemedies(t *testing.T) {
	const (
		none    = "No buildpack groups passed detection. "
		reason  = none + "acme/a@1 requires curl, which no module before it provides."
		unknown = reason + " The packages of the run image registry/run:1 are unknown: the analyzer found no SBOM attached to it."
		attach  = " If it has what is missing, attach an SBOM to it (baseplan sbom attach)"
	)
	for _, test := range []struct {
		name   string
		change func(*lifecycle.Detector)
		want   string
	}{
		{"auto", func(*lifecycle.Detector) {}, unknown + attach + ", or set CNB_RUN_SBOM=generate for the analyzer."},
		{"generate, in the builder only", func(d *lifecycle.Detector) { d.Policy.RunSBOM = platform.Generate },
			unknown + attach + ", set CNB_RUN_SBOM=generate for the analyzer too, or use a lifecycle image that has this policy (make dist SETTINGS=FILE)."},
		{"attached, in the builder only", func(d *lifecycle.Detector) { d.Policy.RunSBOM = platform.Attached }, unknown + attach + "."},
		{"off", func(d *lifecycle.Detector) { d.Policy.RunSBOM = platform.Off }, reason},
		{"the creator", func(d *lifecycle.Detector) {
			d.Inventory = func(context.Context) (base.Image, error) {
				return base.Image{}, errors.New("the registry does not answer")
			}
		}, reason + " The packages of the run image registry/run:1 are unknown: generating an inventory failed." + attach + "."},
		{"no run image yet", func(d *lifecycle.Detector) { d.RunImage.Why = base.NotInDaemon },
			reason + " The packages of the run image registry/run:1 are unknown: the analyzer did not find it in the docker daemon. If it has what is missing, pull it before the build."},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := undetectable(t, "acme/a", requires)
			d.RunImage.Why = "the analyzer found no SBOM attached to it"
			test.change(&d)
			if _, err := d.Run(t.Context()); err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
	d := undetectable(t, "acme/a", "exit 100")
	if _, err := d.Run(t.Context()); err == nil || strings.Contains(err.Error(), "run image") {
		t.Errorf("the run image is named where it is not to blame: %v", err)
	}
}

// TestErrorExplainsUnstartableDetect: bin/detect that env cannot start is no breakdown of its own.
func TestErrorExplainsUnstartableDetect(t *testing.T) {
	for first, want := range map[string]string{
		"#!/usr/bin/env bash\r\n":         `bin/detect ends in \r; save it with Unix line endings`,
		"#!/usr/bin/env no-such-bash\n":   "bin/detect, no-such-bash, is not in PATH (",
		"#!/no/such/bash\n":               "bin/detect, /no/such/bash, does not exist",
		"#!/usr/bin/env bash\nexit 127\n": "acme/a@1: bin/detect exited with 127, see its output.",
	} {
		d := undetectable(t)
		module := resolver.Module{Kind: resolver.Buildpack, ID: "acme/a", Version: "1"}
		lifecycletest.Module{ID: module.ID, Version: module.Version, Files: map[string]string{"bin/detect": first, "bin/build": "#!/bin/sh\n"}}.Write(t, d.Store.Buildpacks)
		d.Order = resolver.OrderFile{Order: resolver.Order{{{Module: module}}}}
		d.Host.Environ = []string{"PATH=/usr/bin:/bin"}
		var all record
		d.Log = all.log(slog.LevelInfo)
		_, err := d.Run(t.Context())
		if fail.CodeOf(err) != fail.DetectBuildpack || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: code %d: %v", first, fail.CodeOf(err), err)
		}
		if strings.HasPrefix(first, "#!/usr/bin") && !strings.Contains(all.String(), "acme/a@1 (127)") {
			t.Errorf("%q: the status is not told:\n%s", first, &all)
		}
	}
}

// TestDetectOutputIsLoggedOnce: a group that is tried again does not run, and its output is not told again.
func TestDetectOutputIsLoggedOnce(t *testing.T) {
	d := undetectable(t, "acme/a", "echo looking\n"+requires)
	d.Inventory = func(context.Context) (base.Image, error) {
		set, _ := provides.From(&sbom.Document{}, nil, nil)
		return base.Image{Reference: reference.Parse("registry/run:1"), Set: set}, nil
	}
	var all record
	d.Log = all.log(slog.LevelDebug)
	if _, err := d.Run(t.Context()); fail.CodeOf(err) != fail.Detect {
		t.Fatalf("got %v", err)
	}
	if n := strings.Count(all.String(), "looking"); n != 1 {
		t.Errorf("the output is told %d times:\n%s", n, &all)
	}
}

package buildpack_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// detected is the environment that a module's bin/detect sees.
func detected(t *testing.T, m lifecycletest.Module, h buildpack.Host) []string {
	t.Helper()
	dir := t.TempDir()
	m.Files = map[string]string{"bin/detect": "#!/bin/sh\nenv\nfor a; do echo \"arg=$a\"; done\n"}
	m.Write(t, dir)
	kind := resolver.Buildpack
	if m.Extension {
		kind = resolver.Extension
	}
	d, err := buildpack.Store{Buildpacks: dir, Extensions: dir}.Open(resolver.Module{Kind: kind, ID: m.ID, Version: m.Version})
	if err != nil {
		t.Fatal(err)
	}
	h.App, h.Platform = t.TempDir(), "/platform"
	got, err := d.Detect(t.Context(), h)
	if err != nil || got.Exit != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	return slices.Collect(strings.Lines(string(got.Output)))
}

// Where the run image's target is not known, modules see that of the container.
func TestTargetVariables(t *testing.T) {
	container := &platform.Target{OS: "linux", Arch: "arm64", Distro: &platform.Distro{Name: "alpine", Version: "3.20"}}
	run := &platform.Target{OS: "linux", Arch: "amd64"}
	for _, tt := range []struct {
		name, api string
		target    *platform.Target
		want      []string
	}{
		{"run image", "0.10", run, []string{"CNB_TARGET_ARCH=amd64\n", "CNB_TARGET_OS=linux\n"}},
		{"run image that says nothing", "0.10", &platform.Target{}, []string{"CNB_TARGET_ARCH=arm64\n", "CNB_TARGET_DISTRO_NAME=alpine\n", "CNB_TARGET_DISTRO_VERSION=3.20\n", "CNB_TARGET_OS=linux\n"}},
		{"no target data", "0.12", nil, []string{"CNB_TARGET_ARCH=arm64\n", "CNB_TARGET_DISTRO_NAME=alpine\n", "CNB_TARGET_DISTRO_VERSION=3.20\n", "CNB_TARGET_OS=linux\n"}},
		{"before Buildpack API 0.10", "0.9", run, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := detected(t, lifecycletest.Module{ID: "acme/app", Version: "1", API: tt.api}, buildpack.Host{Target: tt.target, Container: container})
			got = slices.DeleteFunc(got, func(line string) bool { return !strings.HasPrefix(line, "CNB_TARGET_") })
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A published extension of the UBI family has api = "0.7" and reads the variables of 0.8.
func TestOldExtensionHasVariables(t *testing.T) {
	for _, tt := range []struct {
		extension bool
		want      int
	}{{true, 2}, {false, 0}} {
		got := detected(t, lifecycletest.Module{ID: "acme/old", Version: "1", API: "0.7", Extension: tt.extension}, buildpack.Host{})
		n := 0
		for _, line := range got {
			if strings.HasPrefix(line, "CNB_BUILD_PLAN_PATH=/") || line == "CNB_PLATFORM_DIR=/platform\n" {
				n++
			}
		}
		if n != tt.want || !slices.Contains(got, "arg=/platform\n") {
			t.Errorf("extension %t: got %q", tt.extension, got)
		}
	}
}

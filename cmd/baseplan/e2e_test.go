//go:build e2e

package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// TestDaemonImage finds what is attached to an image that a docker daemon, at
// DOCKER_HOST, has pulled: its SBOM layer, else what the registry has.
func TestDaemonImage(t *testing.T) {
	if os.Getenv("DOCKER_HOST") == "" {
		t.Fatal("DOCKER_HOST is not set: start a docker daemon and set it to its socket (unix:///…)")
	}
	registry := lifecycletest.Registry()
	defer registry.Close()
	baseplan := func(args string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := cli.Run(t.Context(), strings.Fields(args), &cli.Console{Out: &out, Err: &errs, Getenv: os.Getenv}); code != cli.Enough {
			t.Errorf("baseplan %s: exit code %d\n%s%s", args, code, &out, &errs)
		}
		return out.String() + errs.String()
	}
	docker := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput(); err != nil {
			t.Fatalf("docker %v: %v\n%s", args, err, out)
		}
	}
	run := registry.Push("run:base", lifecycletest.Debian("curl"))
	layered := registry.Name + "/run:layered"
	baseplan("sbom attach " + run + " --as layer --tag " + layered)
	baseplan("sbom attach " + run)
	for ref, want := range map[string][]string{
		run:     {"├─ layer: none", "referrer: found  ← used", "matches the image"},
		layered: {"├─ layer: found  ← used", "matches the image"},
	} {
		docker("pull", "-q", ref)
		defer docker("rmi", "-f", ref)
		got := baseplan("sbom find docker://" + ref + " --verify")
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: want %q in\n%s", ref, w, got)
			}
		}
	}
	if got := baseplan("sbom show docker://" + run); !strings.Contains(got, "inventory  referrer, cyclonedx") {
		t.Errorf("got\n%s", got)
	}
	app := registry.Push("app:1", explained(t, lifecycletest.Debian())["app1"])
	docker("pull", "-q", app)
	defer docker("rmi", "-f", app)
	if got := baseplan("explain docker://" + app); !strings.Contains(got, "app image  docker://"+app) || !strings.Contains(got, "The run image is enough") {
		t.Errorf("got\n%s", got)
	}
	registry.Close()
	if got := baseplan("sbom show docker://" + layered); !strings.Contains(got, "inventory  layer, cyclonedx") {
		t.Errorf("without the registry: got\n%s", got)
	}
	if got := baseplan("sbom show docker://" + run); !strings.Contains(got, "inventory  generated") || !strings.Contains(got, "referrer: unreachable") {
		t.Errorf("without the registry: got\n%s", got)
	}
}

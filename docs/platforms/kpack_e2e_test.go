//go:build e2e

package platforms_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// TestKpack runs the phases as kpack does: at Platform API 0.9 without an extender, as the CNB user, to a registry
// with credentials in docker's configuration. The builder is that of the ClusterBuilder.
func TestKpack(t *testing.T) {
	s := newSite(t)
	k := kpack(t)
	policy := read(t, "kpack/baseplan.toml")
	settings := filepath.Join(t.TempDir(), "baseplan.toml")
	if err := os.WriteFile(settings, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	lifecycle := s.pushLifecycle(t, "-settings", settings)
	if want := strings.ReplaceAll(k.lifecycle, "registry.example", s.registry); lifecycle != want {
		t.Errorf("the ClusterLifecycle has the image %s, the release %s", want, lifecycle)
	}
	// The Dockerfile is built as its comment says, on an image with the lifecycle's user.
	base := s.Image(s.registry+"/build:bookworm", "FROM "+platformtest.Debian(s.Docker)+"\n", nil)
	build := s.registry + "/build:bookworm-baseplan"
	s.Do(nil, "build", "-q", "--build-arg", "build="+base, "--tag", build, "--file", "kpack/build.Dockerfile", "kpack")
	t.Cleanup(func() { s.Try(nil, "rmi", "-f", build) })
	builder := s.made("builder:kpack", build, k.builder)

	// The pod's containers may have either image for the phases that need no buildpacks.
	for _, phases := range []string{lifecycle, builder} {
		part := phases[strings.LastIndex(phases, "/")+1:]
		p := &platformtest.Platform{
			Docker: s.Docker, API: "0.9", Builder: builder, Lifecycle: phases, Publish: true, User: "1000:1000", UID: 1000, GID: 1000,
			Config: s.Volume(platformtest.Files{"config.json": s.config()}), Name: s.registry + "/kpack:" + strings.ReplaceAll(part, ":", "-"),
		}
		p.RunImage = s.lacking
		b := p.FivePhases(source())
		if b.Failed != "detector" || b.Exit != 20 {
			t.Errorf("%s: on a run image without curl, %q fails with the exit code %d\n%s", part, b.Failed, b.Exit, b.Log)
		}
		contains(t, b.Log, "sample/app@1.0.0 requires curl, which no module before it provides; the run image has no curl")
		if digest, err := lifecycletest.DigestOf(p.Name); err == nil {
			t.Errorf("%s: %s was pushed", part, digest)
		}
		p.RunImage = s.enough
		b = p.FivePhases(source())
		if b.Failed != "" {
			t.Fatalf("%s: %s fails with the exit code %d\n%s", part, b.Failed, b.Exit, b.Log)
		}
		if want := []string{"analyzer", "detector", "restorer", "builder", "exporter"}; strings.Join(b.Phases, " ") != strings.Join(want, " ") {
			t.Errorf("%s: the phases %q ran, want %q", part, b.Phases, want)
		}
		contains(t, b.Log, "inventory: generated", "curl, required by sample/app@1.0.0: provided by the run image")
		s.prints(t, p.Name, "/usr/bin/curl")
	}
}

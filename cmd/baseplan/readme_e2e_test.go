//go:build e2e

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// TestReadmeDocker runs the README's commands that make a release, install it, and put the lifecycle into a builder, in a
// copy of the tree. Packages are installed in a container.
func TestReadmeDocker(t *testing.T) {
	d := platformtest.New(t)
	registry := lifecycletest.Registry()
	t.Cleanup(registry.Close)
	builder := registry.Name + "/builder"
	d.Image(builder, "FROM "+platformtest.Debian(d)+"\nRUN mkdir -p /cnb/lifecycle && ln -s /bin/false /cnb/lifecycle/analyzer\n", nil)
	tree := filepath.Join(t.TempDir(), "baseplan")
	inShell(t, "../..", fmt.Sprintf("mkdir %[1]q; git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --ignore-failed-read | tar -xf - -C %[1]q", tree))
	for _, command := range readmeCommands(t, t.Name()) {
		command := strings.NewReplacer("amd64", runtime.GOARCH, "registry.example", registry.Name, "BUILDER", builder).Replace(command)
		if strings.HasPrefix(command, "dpkg ") {
			out := d.Do(nil, "run", "--rm", "--network", "none", "-v", tree+":/src:ro", "-w", "/src", "--entrypoint", "sh", platformtest.Debian(d), "-euc", command+" >&2; baseplan version")
			if !strings.HasSuffix(out, "\n"+build.Version) {
				t.Errorf("%s: the installed baseplan says\n%s", command, out)
			}
			continue
		}
		t.Log(inShell(t, tree, command, "DOCKER_BUILDKIT=0"))
	}
	ours := builder + "-baseplan"
	t.Cleanup(func() { d.Try(nil, "rmi", "-f", ours, registry.Name+"/lifecycle:"+build.Version) })
	if out := d.Do(nil, "run", "--rm", "-e", "CNB_PLATFORM_API=0.15", "--entrypoint", "/cnb/lifecycle/analyzer", ours, "-version"); out != build.Version {
		t.Errorf("the builder's analyzer calls itself %q", out)
	}
	policy, err := os.ReadFile("../../docs/platforms/builder/baseplan.toml")
	if err != nil {
		t.Fatal(err)
	}
	if out := d.Do(nil, "run", "--rm", "--entrypoint", "cat", ours, "/cnb/baseplan.toml"); out != strings.TrimSpace(string(policy)) {
		t.Errorf("the builder's policy is\n%s", out)
	}
}

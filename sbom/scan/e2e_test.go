//go:build e2e

package scan_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/scan"
)

// TestRealDebian compares scan with Syft on whole Debian images, read from a registry. It needs mmdebstrap,
// root and a Debian mirror, unless BASEPLAN_E2E_CACHE has the tar files of an earlier run.
func TestRealDebian(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	for name, least := range map[string]int{lifecycletest.Minimal: 80, "debian-large": 200} {
		t.Run(name, func(t *testing.T) {
			ref := host.Push("debian:"+name, rootfsImage(t, name))
			img, err := (&image.Opener{}).Open(t.Context(), reference.Parse(ref))
			if err != nil {
				t.Fatal(err)
			}
			defer img.Close()
			doc, err := scan.Image(t.Context(), img.Image, scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(doc.Packages) < least {
				t.Errorf("%d packages, want at least %d", len(doc.Packages), least)
			}
			want, err := bySyft(t.Context(), "oci-registry", ref)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, identities(doc)); diff != "" {
				t.Errorf("Syft finds otherwise (-Syft +scan):\n%s", diff)
			}
		})
	}
}

// TestDaemon reads an image of a docker daemon, at DOCKER_HOST, and expects what is found in the same image
// elsewhere, and no container left behind.
func TestDaemon(t *testing.T) {
	if os.Getenv("DOCKER_HOST") == "" {
		t.Fatal("DOCKER_HOST is not set: start a docker daemon and set it to its socket (unix:///…)")
	}
	for name, l := range map[string]lifecycletest.Layer{
		"debian":                      lifecycletest.DebianLayer("curl"),
		"debian without curl's files": debianWith(layer{curlFile: "-", curlLib: "-"}),
		"suse":                        lifecycletest.SUSELayer(),
		"usr-merged alpine": {
			"usr/lib/apk/db/installed": apk("a", "b"), "lib": "-> usr/lib",
			"etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": "ID=alpine\nVERSION_ID=3.23\n",
		},
		"scratch": {"app": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			tag := "baseplan-e2e:" + strings.NewReplacer(" ", "-", "'", "").Replace(name)
			importImage(t, tag, l)
			want, err := scan.Image(t.Context(), lifecycletest.Image(l), scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			img, err := (&image.Opener{}).Open(t.Context(), reference.Parse("docker://"+tag))
			if err != nil {
				t.Fatal(err)
			}
			got, err := scan.Tree(t.Context(), img.Files)
			if err != nil {
				t.Error(err)
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-registry +daemon:\n%s", diff)
			}
			if left := docker(t, "ps", "-aq", "--filter", "ancestor="+tag); left != "" {
				t.Errorf("containers left behind: %s", left)
			}
		})
	}
}

// importImage makes an image of the layer in the daemon.
func importImage(t *testing.T, tag string, l lifecycletest.Layer) {
	t.Helper()
	cmd := exec.Command("docker", "import", "-", tag)
	cmd.Stdin = strings.NewReader(string(l.Bytes()))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("importing %s: %v\n%s", tag, err, out)
	}
	t.Cleanup(func() { docker(t, "rmi", "-f", tag) })
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return string(out)
}

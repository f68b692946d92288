package platformtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// Version is the version of the release under test.
const Version = "1.0.0"

// released caches the release's directory.
var released struct {
	sync.Mutex
	dir string
}

// Release returns the directory of a distribution of the test's module for this machine, as
// `make dist` builds it. It is built once per process, or once for all processes that have the
// same BASEPLAN_E2E_RELEASE, the path of a directory that does not exist yet.
func Release(t testing.TB) string {
	t.Helper()
	released.Lock()
	defer released.Unlock()
	if released.dir != "" {
		return released.dir
	}
	dir := os.Getenv("BASEPLAN_E2E_RELEASE")
	if dir != "" {
		defer lifecycletest.Exclusive(t, dir)()
		if _, err := os.Stat(dir); err == nil {
			released.dir = dir
			return dir
		}
	} else {
		// Each package has its own directory, and reuses that of its last run.
		dir = filepath.Join(lifecycletest.Cache(), "release-"+filepath.Base(os.Args[0]))
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatalf("finding the module: %v", err)
	}
	dist := exec.Command("go", "run", "./cmd/dist", "-out", dir, "-version", Version, "-platforms", "linux/"+runtime.GOARCH)
	dist.Dir = string(module[:len(module)-1])
	if out, err := dist.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		t.Fatalf("making a release: %v\n%s", err, out)
	}
	released.dir = dir
	return dir
}

// Tarball returns the lifecycle's tarball in a release.
func Tarball(release string) string {
	return filepath.Join(release, "lifecycle-"+Version+"-linux-"+runtime.GOARCH+".tgz")
}

// Lifecycle loads the release's lifecycle image into the daemon, for phases that need no build
// image. It stays there, until another one gets its tag.
func Lifecycle(d Docker, tag string) string {
	d.T.Helper()
	file := filepath.Join(d.T.TempDir(), "lifecycle.tar")
	img, err := lifecycleImage(Release(d.T))
	if err != nil {
		d.T.Fatalf("reading the lifecycle image: %v", err)
	}
	ref, err := name.ParseReference(tag)
	if err == nil {
		err = tarball.WriteToFile(file, ref, img)
	}
	if err != nil {
		d.T.Fatalf("writing the lifecycle image: %v", err)
	}
	d.Do(nil, "load", "-q", "-i", file)
	return tag
}

func lifecycleImage(release string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(filepath.Join(release, "lifecycle-image"))
	if err != nil {
		return nil, err
	}
	for { // the layout's index refers to the image's index, which refers to the images
		manifest, err := index.IndexManifest()
		if err != nil {
			return nil, err
		}
		first := manifest.Manifests[0]
		if first.MediaType.IsImage() {
			return index.Image(first.Digest)
		}
		if index, err = index.ImageIndex(first.Digest); err != nil {
			return nil, err
		}
	}
}

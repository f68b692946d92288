//go:build e2e

package image_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A spy stands before the daemon and counts what is sent to it.
type spy struct {
	address string

	mu    sync.Mutex
	saves int
	loads int
	bytes int64 // of loads
}

func newSpy(t *testing.T) *spy {
	t.Helper()
	daemon(t)
	socket := strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	s := &spy{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if strings.HasSuffix(r.URL.Path, "/images/get") {
			s.saves++
		}
		if strings.HasSuffix(r.URL.Path, "/images/load") {
			s.loads++
			r.Body = counted{r.Body, s}
		}
		s.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.address = "tcp://" + strings.TrimPrefix(server.URL, "http://")
	return s
}

type counted struct {
	io.ReadCloser
	*spy
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += int64(n)
	return n, err
}

func (s *spy) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves, s.loads, s.bytes = 0, 0, 0
}

// containerd says whether the daemon has containerd's store of images, which wants all layers.
func containerd(t *testing.T) bool {
	t.Helper()
	return strings.Contains(docker(t, "", "info", "-f", "{{.DriverStatus}}"), "io.containerd.snapshotter")
}

// expect compares what was counted with what may be sent to either kind of daemon.
func (s *spy) expect(t *testing.T, what string, saves, loads int, most int64, containerdSaves, containerdLoads int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if containerd(t) {
		saves, loads, most = containerdSaves, containerdLoads, 1<<30
	}
	if s.saves != saves || s.loads != loads || s.bytes > most {
		t.Errorf("%s: %d saves, %d loads of %d bytes, want %d, %d, at most %d", what, s.saves, s.loads, s.bytes, saves, loads, most)
	}
	s.saves, s.loads, s.bytes = 0, 0, 0
}

// imported makes an image in the daemon, with a first layer of 1 MB.
func imported(t *testing.T, name string, layer lifecycletest.Layer) {
	t.Helper()
	// Another one in every run: the daemon keeps layers of images that lost their names.
	layer["run"] += time.Now().String()
	layer["large"] = strings.Repeat(name, 1<<20/len(name))
	docker(t, string(layer.Bytes()), "import", "-", name)
	t.Cleanup(func() { docker(t, "", "rmi", "-f", name) })
}

// checkLoaded compares the daemon's image with the draft, and saves and validates it.
func checkLoaded(t *testing.T, name string, w *image.Written, d image.Draft) {
	t.Helper()
	img := open(t, &image.Opener{}, "docker://"+name)
	if img.Digest != w.ID {
		t.Errorf("%s is %s, want %s", name, img.Digest, w.ID)
	}
	ids := append([]v1.Hash{}, d.Base.Config.RootFS.DiffIDs...)
	for _, add := range d.Layers {
		ids = append(ids, add.DiffID)
	}
	if diff := cmp.Diff(ids, img.Config.RootFS.DiffIDs); diff != "" {
		t.Errorf("layers: %s", diff)
	}
	if diff := cmp.Diff(d.Config.Config.Labels, img.Config.Config.Labels); diff != "" {
		t.Error(diff)
	}
	file := filepath.Join(t.TempDir(), "saved.tar")
	docker(t, "", "save", "-o", file, name)
	saved, err := tarball.ImageFromPath(file, nil)
	if err == nil {
		err = validate.Image(saved)
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// cached lists the launch cache.
func cached(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(dir + "/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for n := range files {
		files[n] = strings.TrimPrefix(files[n], dir+"/")
	}
	return files
}

func TestWriteToDaemon(t *testing.T) {
	s := newSpy(t)
	imported(t, "baseplan-e2e:run", lifecycletest.Layer{"run": "1"})
	const app, second = "baseplan-e2e/written", "127.0.0.1:5000/baseplan-e2e/written:2"
	t.Cleanup(func() { docker(t, "", "rmi", "-f", app, second) })
	o := &image.Opener{DockerHost: s.address}
	big := strings.Repeat("0123456789", 200_000)
	base := open(t, o, "docker://baseplan-e2e:run")
	for _, cache := range []string{"", t.TempDir()} {
		w := image.Writer{Opener: o, LaunchCache: cache}
		name, saves := "without launch cache", 1 // of an image with a layer that only the daemon has
		if cache != "" {
			name, saves = "with launch cache", 0
		}
		t.Run(name, func(t *testing.T) {
			first := draft(t, base, filesLayer(t, "big", big), filesLayer(t, "two", name))
			written, err := w.Write(t.Context(), first, refs("docker://"+app, "docker://"+second)...)
			if err != nil || written.LaunchCache != nil {
				t.Fatal(err, written)
			}
			if diff := cmp.Diff(refs("docker://"+app, "docker://"+second), written.Names); diff != "" {
				t.Error(diff)
			}
			checkLoaded(t, app, written, first)
			checkLoaded(t, second, written, first)
			s.expect(t, "first build", 0, 1, 2_200_000, 1, 1)

			// Nothing changed: nothing is sent.
			same := draft(t, base, filesLayer(t, "big", big), filesLayer(t, "two", name))
			same.Previous = open(t, o, "docker://"+app)
			same.Layers[0].Layer = nil
			again, err := w.Write(t.Context(), same, refs("docker://"+app)...)
			if err != nil || again.ID != written.ID {
				t.Errorf("again: %v, %v, want %s", again, err, written.ID)
			}
			s.expect(t, "nothing changed", 0, 0, 0, 2*saves, 0)

			// The top changed: what is below is not sent.
			top := draft(t, base, filesLayer(t, "big", big), filesLayer(t, "two", name+" changed"))
			top.Previous = open(t, o, "docker://"+app)
			top.Layers[0].Layer = nil
			written, err = w.Write(t.Context(), top, refs("docker://"+app)...)
			if err != nil {
				t.Fatal(err)
			}
			checkLoaded(t, app, written, top)
			s.expect(t, "top changed", 0, 1, 20_000, 2*saves, 1)

			// A layer below a reused one is new: the reused one has to come from somewhere.
			below := draft(t, base, filesLayer(t, "new", name), filesLayer(t, "big", big))
			below.Previous = open(t, o, "docker://"+app)
			below.Layers[1].Layer = nil
			written, err = w.Write(t.Context(), below, refs("docker://"+app)...)
			if err != nil {
				t.Fatal(err)
			}
			checkLoaded(t, app, written, below)
			s.expect(t, "below changed", saves, 1, 2_200_000, 2*saves, 1)
			if cache == "" {
				return
			}
			var want []string
			for _, add := range below.Layers {
				want = append(want, "committed/"+add.DiffID.String()+".tar")
			}
			if containerd(t) {
				want = append(want, "committed/"+base.Config.RootFS.DiffIDs[0].String()+".tar")
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, cached(t, cache)); diff != "" {
				t.Errorf("launch cache: %s", diff)
			}
		})
	}
}

// TestDaemonLaunchCacheFaults loses and breaks the launch cache between two builds.
func TestDaemonLaunchCacheFaults(t *testing.T) {
	s := newSpy(t)
	imported(t, "baseplan-e2e:run", lifecycletest.Layer{"run": "1"})
	const app = "baseplan-e2e/written"
	t.Cleanup(func() { docker(t, "", "rmi", "-f", app) })
	o := &image.Opener{DockerHost: s.address}
	base := open(t, o, "docker://baseplan-e2e:run")
	for _, tt := range []struct {
		name  string
		fault func(t *testing.T, file string)
	}{
		{"lost", func(t *testing.T, file string) { check(t, os.Remove(file)) }},
		{"truncated", func(t *testing.T, file string) { check(t, os.Truncate(file, 1024)) }},
		{"other content", func(t *testing.T, file string) { check(t, os.WriteFile(file, []byte("no tar"), 0o644)) }},
		{"a directory", func(t *testing.T, file string) { check(t, os.Remove(file)); check(t, os.Mkdir(file, 0o755)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cache := t.TempDir()
			w := image.Writer{Opener: o, LaunchCache: cache}
			first := draft(t, base, filesLayer(t, "kept", tt.name))
			if _, err := w.Write(t.Context(), first, refs("docker://"+app)...); err != nil {
				t.Fatal(err)
			}
			tt.fault(t, filepath.Join(cache, "committed", first.Layers[0].DiffID.String()+".tar"))
			next := draft(t, base, filesLayer(t, "new", tt.name))
			next.Layers = append(next.Layers, image.Add{DiffID: first.Layers[0].DiffID})
			next.Previous = open(t, o, "docker://"+app)
			s.forget()
			written, err := w.Write(t.Context(), next, refs("docker://"+app)...)
			if err != nil {
				t.Fatal(err)
			}
			checkLoaded(t, app, written, next)
			loads := 2
			if tt.name == "lost" || tt.name == "a directory" {
				loads = 1 // seen beforehand
			}
			s.expect(t, "next build", 1, loads, 4_000_000, 1, 1)
			if tt.name == "a directory" {
				if written.LaunchCache == nil {
					t.Error("a launch cache that could not be written is not told of")
				}
				return
			}
			if f, err := (image.LaunchCache{Dir: cache}).Open(first.Layers[0].DiffID); err != nil {
				t.Error(err)
			} else {
				check(t, f.Close())
			}
		})
	}
}

func TestRebaseInDaemon(t *testing.T) {
	s := newSpy(t)
	imported(t, "baseplan-e2e:run", lifecycletest.Layer{"run": "1"})
	imported(t, "baseplan-e2e:run2", lifecycletest.Layer{"run": "2"})
	const app = "baseplan-e2e/written"
	t.Cleanup(func() { docker(t, "", "rmi", "-f", app) })
	o := &image.Opener{DockerHost: s.address}
	w := image.Writer{Opener: o}
	old := open(t, o, "docker://baseplan-e2e:run")
	if _, err := w.Write(t.Context(), draft(t, old, filesLayer(t, "one", "1"), filesLayer(t, "two", "2")), refs("docker://"+app)...); err != nil {
		t.Fatal(err)
	}
	img := open(t, o, "docker://"+app)
	above, err := img.Above(old.Config.RootFS.DiffIDs[0])
	if err != nil {
		t.Fatal(err)
	}
	d := image.Draft{Base: open(t, o, "docker://baseplan-e2e:run2"), Layers: above, Previous: img, Config: *img.Config.DeepCopy()}
	s.forget()
	written, err := w.Write(t.Context(), d, refs("docker://"+app)...)
	if err != nil {
		t.Fatal(err)
	}
	checkLoaded(t, app, written, d)
	s.expect(t, "rebase", 1, 1, 50_000, 2, 1)
}

// TestDaemonImageIsGone: layers that the daemon was said to have are sent if it has them no more.
func TestDaemonImageIsGone(t *testing.T) {
	s := newSpy(t)
	imported(t, "baseplan-e2e:run", lifecycletest.Layer{"run": "1"})
	const app = "baseplan-e2e/written"
	o := &image.Opener{DockerHost: s.address}
	w := image.Writer{Opener: o}
	base := open(t, o, "docker://baseplan-e2e:run")
	d := draft(t, base, filesLayer(t, "one", "gone"), filesLayer(t, "two", "gone"))
	first, err := w.Write(t.Context(), d, refs("docker://"+app)...)
	if err != nil {
		t.Fatal(err)
	}
	next := d
	next.Config.Config.Labels = map[string]string{"other": "label"}
	next.Previous = open(t, o, "docker://"+app)
	docker(t, "", "rmi", "-f", app)
	s.forget()
	written, err := w.Write(t.Context(), next, refs("docker://"+app)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docker(t, "", "rmi", "-f", app) })
	checkLoaded(t, app, written, next)
	s.expect(t, "gone", 0, 2, 4_000_000, 1, 1)
	if first.ID == written.ID {
		t.Errorf("both images are %s", first.ID)
	}
}

func TestDaemonAccess(t *testing.T) {
	daemon(t)
	w := image.Writer{Opener: &image.Opener{}}
	if err := w.CheckWrite(t.Context(), reference.Parse("docker://app")); err != nil {
		t.Error(err)
	}
	w.DockerHost = "unix:///nowhere.sock"
	for _, err := range []error{w.CheckWrite(t.Context(), reference.Parse("docker://app")), w.CheckRead(t.Context(), reference.Parse("docker://app"))} {
		if err == nil || !strings.Contains(err.Error(), "docker daemon at unix:///nowhere.sock") {
			t.Errorf("no daemon: %v", err)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

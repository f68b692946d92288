package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
)

// An exportable is what an exporter needs, without a build.
type exportable struct {
	dir, run string
}

func newExportable(t *testing.T, registry *lifecycletest.Host) exportable {
	t.Helper()
	e := exportable{dir: t.TempDir(), run: registry.Push("run:killed", withUser(t, lifecycletest.Debian()))}
	img, err := (&image.Opener{}).Open(t.Context(), reference.Parse(e.run))
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	for name, text := range map[string]string{
		"layers/analyzed.toml":        fmt.Sprintf("[run-image]\nreference = \"%s@%s\"\nimage = %q\n", strings.TrimSuffix(e.run, ":killed"), img.Digest, e.run),
		"layers/group.toml":           "[[group]]\nid = \"acme/app\"\nversion = \"1\"\napi = \"0.10\"\n",
		"layers/config/metadata.toml": "[[buildpacks]]\nid = \"acme/app\"\nversion = \"1\"\napi = \"0.10\"\n",
		"layers/acme_app/one.toml":    "[types]\nlaunch = true\ncache = true\n",
		"layers/acme_app/one/file":    string(content),
		"layers/acme_app/two.toml":    "[types]\nlaunch = true\ncache = true\n",
		"layers/acme_app/two/file":    string(content[:1<<20]),
		"app/file":                    "app",
		"launcher":                    "launcher",
		"cache/.keep":                 "",
	} {
		path := filepath.Join(e.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// exporter is a command that exports to a name.
func (e exportable) exporter(ctx context.Context, name string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-app", e.dir+"/app", "-layers", e.dir+"/layers", "-cache-dir", e.dir+"/cache", "-launcher", e.dir+"/launcher", name)
	cmd.Args[0] = "exporter"
	cmd.Env = []string{asLifecycle + "=1", "CNB_PLATFORM_API=0.15", "HOME=" + e.dir}
	return cmd
}

// A reaper is a registry that kills a process before a request, which is then lost, or after it.
type reaper struct {
	registry http.Handler
	mu       sync.Mutex
	requests int
	at       int // the request to kill at; 0: none
	after    bool
	kill     func()
	serving  sync.WaitGroup
}

func (r *reaper) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.serving.Add(1)
	defer r.serving.Done()
	r.mu.Lock()
	r.requests++
	now, after := r.requests == r.at, r.after
	r.mu.Unlock()
	if now && !after {
		r.kill()
		return
	}
	r.registry.ServeHTTP(w, req)
	if now && after {
		_ = http.NewResponseController(w).Flush() // so that the process goes on before it ends
		r.kill()
	}
}

// TestKilledExporterLeavesNoImage kills exporters before and after each request: there is no image or a
// whole one, and the cache is what it was or what it is to be.
func TestKilledExporterLeavesNoImage(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	e := newExportable(t, registry)
	r := &reaper{registry: registry.Handler()}
	front := httptest.NewServer(r)
	defer front.Close()
	host := strings.TrimPrefix(front.URL, "http://")
	if out, err := e.exporter(t.Context(), host+"/app:whole").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for n := range 2 * r.requests {
		name := fmt.Sprintf("app:%d", n)
		if n%2 == 0 { // the cache has to change, too
			if err := os.WriteFile(filepath.Join(e.dir, "layers/acme_app/two/file"), fmt.Append(nil, n), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cmd := e.exporter(t.Context(), host+"/"+name)
		started := make(chan struct{})
		r.mu.Lock()
		r.requests, r.at, r.after = 0, 1+n/2, n%2 == 1
		r.kill = func() { <-started; _ = cmd.Process.Kill() }
		r.mu.Unlock()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		close(started)
		_ = cmd.Wait()
		r.serving.Wait()
		img, err := (&image.Opener{}).Open(t.Context(), reference.Parse(registry.Name+"/"+name))
		if err == nil {
			err = validate.Image(img.Image)
		} else if errors.Is(err, image.ErrNotFound) {
			err = nil
		}
		if err != nil {
			t.Errorf("a killed exporter left %s: %v", name, err)
		}
		wholeCache(t, filepath.Join(e.dir, "cache"))
	}
}

// wholeCache reads every layer of a cache.
func wholeCache(t *testing.T, dir string) {
	t.Helper()
	v := &cache.Volume{Dir: dir}
	defer v.Close()
	m, err := v.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids, err := m.DiffIDs()
	if err != nil || len(ids) == 0 {
		t.Fatalf("the cache has %d layers: %v", len(ids), err)
	}
	for _, id := range ids {
		content, err := v.Open(t.Context(), id)
		if err == nil {
			_, err = io.Copy(io.Discard, content)
			err = errors.Join(err, content.Close())
		}
		if err != nil {
			t.Errorf("layer %s of the cache: %v", id, err)
		}
	}
}

package image_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sirupsen/logrus"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/credentials"
)

// quick attempts are as many as by default, but not seconds apart.
var quick = remote.Backoff{Duration: time.Millisecond, Factor: 2, Steps: 4}

// fewerRequests is the opener of a phase that only reads.
func fewerRequests(o *image.Opener) *image.Opener {
	out := *o
	out.Registry = o.Registry.WithFewerRequests()
	return &out
}

// A front is a server before a registry.
type front struct {
	name string // "127.0.0.1:34567"

	mu       sync.Mutex
	requests []string // "METHOD PATH?QUERY"
	serve    func(w http.ResponseWriter, r *http.Request, host http.Handler)
}

func newFront(t testing.TB, host http.Handler) *front {
	t.Helper()
	f := &front{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, r.Method+" "+r.URL.String())
		serve := f.serve
		f.mu.Unlock()
		if serve == nil {
			host.ServeHTTP(w, r)
			return
		}
		serve(w, r, host)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	f.name = strings.TrimPrefix(server.URL, "http://")
	return f
}

// set replaces how requests are served, and forgets those that were.
func (f *front) set(serve func(w http.ResponseWriter, r *http.Request, host http.Handler)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serve, f.requests = serve, nil
}

// count is the number of requests that begin with one of these.
func (f *front) count(prefixes ...string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.requests {
		for _, p := range prefixes {
			if strings.HasPrefix(r, p) {
				n++
			}
		}
	}
	return n
}

// most is how often the one of these requests was made that was made most often; those to a session
// of an upload are taken together.
func (f *front) most(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := map[string]int{}
	for _, r := range f.requests {
		if strings.HasPrefix(r, prefix) {
			if strings.Contains(r, "/uploads/") {
				r = prefix
			}
			counts[r]++
		}
	}
	return slices.Max(append(slices.Collect(maps.Values(counts)), 0))
}

// distribution is the registry that most people run, which unlike go-containerregistry's keeps
// repositories apart.
func distribution() http.Handler {
	logrus.SetOutput(io.Discard)
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	config.Log.AccessLog.Disabled = true
	config.Log.Level = "panic"
	config.HTTP.Secret = "test"
	return handlers.NewApp(context.Background(), config)
}

func push(t testing.TB, ref string, img v1.Image) {
	t.Helper()
	if err := remote.Write(lifecycletest.Reference(ref), img); err != nil {
		t.Fatal(err)
	}
}

// TestUploadsOnce: blobs of other repositories are mounted, those of this one found.
func TestUploadsOnce(t *testing.T) {
	f := newFront(t, distribution())
	push(t, f.name+"/run:1", lifecycletest.Debian())
	o := &image.Opener{Registry: registry.Client{Retry: quick}}
	w := image.Writer{Opener: o}
	base := open(t, o, f.name+"/run:1")
	d := draft(t, base, filesLayer(t, "one", "1"), filesLayer(t, "two", "2"))
	names := []string{f.name + "/app:1", f.name + "/app:2", f.name + "/other/app:1"}
	const uploads, manifests, downloads = "PATCH ", "PUT /v2/app/manifests/", "GET /v2/run/blobs/"
	for _, tt := range []struct {
		name    string
		d       func() image.Draft
		uploads int // two layers and a configuration
		puts    int
	}{
		{"first build", func() image.Draft { return d }, 3 + 1, 2}, // the configuration of each repository
		{"again", func() image.Draft { return d }, 0, 2},
		{"nothing new", func() image.Draft {
			next := d
			next.Previous = open(t, o, names[0])
			return next
		}, 0, 1},
		{"one layer new", func() image.Draft {
			next := draft(t, base, filesLayer(t, "one", "1"), filesLayer(t, "two", "changed"))
			next.Previous = open(t, o, names[0])
			next.Layers[0].Layer = nil
			return next
		}, 2 + 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.d()
			f.set(nil)
			written, err := w.Write(t.Context(), d, refs(names...)...)
			if err != nil {
				t.Fatal(err)
			}
			if u, p, g := f.count(uploads), f.count(manifests), f.count(downloads); u != tt.uploads || p != tt.puts || g != 0 {
				t.Errorf("%d uploads, %d manifests, %d downloads, want %d, %d, 0\n%s", u, p, g, tt.uploads, tt.puts, strings.Join(f.requests, "\n"))
			}
			for _, name := range names {
				checkWritten(t, o, name, written, d)
			}
		})
	}
}

// TestRegistryFaults: each fault ends in one message, after as many attempts as make sense.
func TestRegistryFaults(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	f := newFront(t, host.Handler())
	push(t, f.name+"/run:1", lifecycletest.Alpine())
	const (
		begin    = "POST /v2/app/blobs/uploads/"
		send     = "PATCH /v2/app/blobs/uploads/"
		commit   = "PUT /v2/app/blobs/uploads/"
		manifest = "PUT /v2/app/manifests/"
		exists   = "HEAD /v2/app/blobs/"
	)
	const layer, config = "uploading layer sha256:", "writing manifest of "
	type fault struct {
		on       string
		answer   string // a status, or a word of disaster
		attempts int
		says     string
	}
	var faults []fault
	for _, on := range []string{exists, begin, send, commit, manifest} {
		says := layer
		if on == manifest {
			says = config
		}
		faults = append(faults, fault{on, "401", 1, says}, fault{on, "403", 1, says}, fault{on, "429", 4, says},
			fault{on, "500", 4, says}, fault{on, "503", 4, says}, fault{on, "cut", 4, says})
		if on != exists {
			faults = append(faults, fault{on, "404", 1, says})
		}
	}
	faults = append(faults, fault{send, "other bytes", 1, "DIGEST_INVALID"}, fault{send, "hangs", 1, "the transfer stalled: fewer than 64 bytes a second for 200ms"})
	for _, tt := range faults {
		t.Run(strings.SplitN(tt.on, "/", 2)[0]+tt.on[len("PUT /v2/app/"):]+tt.answer, func(t *testing.T) {
			f.set(nil)
			o := &image.Opener{Registry: registry.Client{Retry: quick}}
			base := open(t, o, f.name+"/run:1")
			d := draft(t, base, filesLayer(t, "one", t.Name()))
			d.Layers[0].Layer = incompressible(t, t.Name())
			d.Layers[0].DiffID = v1.Hash{}
			f.set(disaster(tt.on, tt.answer))
			if tt.answer == "hangs" { // the others may take their time
				o.Registry.Stall = 200 * time.Millisecond
			}
			written, err := (&image.Writer{Opener: o}).Write(t.Context(), d, refs(f.name+"/app:1")...)
			if err == nil {
				t.Fatal("no error")
			}
			for _, says := range []string{"writing image " + f.name + "/app:1: ", "registry " + f.name, tt.says} {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("the message does not say %q: %v", says, err)
				}
			}
			if strings.Contains(err.Error(), "\n") || written != nil {
				t.Errorf("more than one message, or an image: %v, %v", written, err)
			}
			// net/http itself tries again where a connection is cut before it answers.
			if n := f.most(tt.on); tt.answer != "cut" && n != tt.attempts {
				t.Errorf("%d attempts, want %d", n, tt.attempts)
			}
			if _, err := o.Open(t.Context(), reference.Parse(f.name+"/app:1")); !errors.Is(err, image.ErrNotFound) {
				t.Errorf("half an image: %v", err)
			}
		})
	}
}

// TestRegistryRecovers: what goes wrong three times goes right the fourth time.
func TestRegistryRecovers(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	f := newFront(t, host.Handler())
	push(t, f.name+"/run:1", lifecycletest.Alpine())
	o := &image.Opener{Registry: registry.Client{Retry: quick}}
	w := image.Writer{Opener: o}
	base := open(t, o, f.name+"/run:1")
	for _, on := range []string{"POST /v2/app/", "PATCH /v2/app/", "PUT /v2/app/blobs/", "PUT /v2/app/manifests/", "GET /v2/"} {
		for _, answer := range []string{"429", "500", "cut"} {
			t.Run(on+answer, func(t *testing.T) {
				d := draft(t, base)
				d.Layers = []image.Add{{Layer: incompressible(t, t.Name())}}
				var n atomic.Int32
				bad := disaster(on, answer)
				f.set(func(w http.ResponseWriter, r *http.Request, host http.Handler) {
					if strings.HasPrefix(r.Method+" "+r.URL.Path, on) && n.Add(1) > 3 {
						host.ServeHTTP(w, r)
						return
					}
					bad(w, r, host)
				})
				written, err := w.Write(t.Context(), d, refs(f.name+"/app:1")...)
				if err != nil {
					t.Fatal(err)
				}
				f.set(nil)
				d.Layers[0].DiffID = diffID(t, d.Layers[0].Layer)
				checkWritten(t, o, f.name+"/app:1", written, d)
			})
		}
	}
}

// incompressible is a layer of 3 MB.
func incompressible(t *testing.T, seed string) v1.Layer {
	t.Helper()
	return filesLayer(t, "big", random(seed, 3<<20))
}

// disaster serves requests that begin with on badly.
func disaster(on, answer string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, host http.Handler) {
		if !strings.HasPrefix(r.Method+" "+r.URL.Path, on) {
			host.ServeHTTP(w, r)
			return
		}
		switch answer {
		case "cut":
			_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.Close()
			}
		case "other bytes":
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("x"), io.LimitReader(r.Body, r.ContentLength-1)))
			host.ServeHTTP(w, r)
		case "hangs":
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		default:
			var status int
			_, _ = fmt.Sscan(answer, &status)
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
		}
	}
}

func TestRegistryIsNotThere(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	o := &image.Opener{Registry: registry.Client{Retry: quick}}
	d := draft(t, open(t, o, host.Push("run:1", lifecycletest.Alpine())))
	w := image.Writer{Opener: o}
	_, err := w.Write(t.Context(), d, refs("127.0.0.1:1/app:1")...)
	for name, err := range map[string]error{
		"writing": err, "checking write access to": w.CheckWrite(t.Context(), reference.Parse("127.0.0.1:1/app:1")), "checking read access to": w.CheckRead(t.Context(), reference.Parse("127.0.0.1:1/app:1")),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), name+" image 127.0.0.1:1/app:1: ") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCancelWrite(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	f := newFront(t, host.Handler())
	push(t, f.name+"/run:1", lifecycletest.Alpine())
	o := &image.Opener{} // with seconds between attempts: there must not be another
	base := open(t, o, f.name+"/run:1")
	for _, on := range []string{"PATCH ", "PUT /v2/app/manifests/", "GET /v2/"} {
		ctx, cancel := context.WithCancel(t.Context())
		f.set(func(w http.ResponseWriter, r *http.Request, host http.Handler) {
			if strings.HasPrefix(r.Method+" "+r.URL.Path, on) {
				cancel()
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
				return
			}
			host.ServeHTTP(w, r)
		})
		d := draft(t, base)
		d.Layers = []image.Add{{Layer: incompressible(t, on)}}
		_, err := (&image.Writer{Opener: o}).Write(ctx, d, refs(f.name+"/app:1")...)
		if !errors.Is(err, context.Canceled) || f.count(on) != 1 {
			t.Errorf("%s: %v, %d requests", on, err, f.count(on))
		}
	}
}

// TestCredentialsStaySecret: the registry answers with what it was sent.
func TestCredentialsStaySecret(t *testing.T) {
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token?account=hunter2",service="s"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	host := lifecycletest.Registry()
	defer host.Close()
	keychain := credentials.New(`{"`+f.name+`":"Basic dXNlcjpodW50ZXIy"}`, nil)
	for _, k := range []authn.Keychain{keychain, nil} {
		o := &image.Opener{Registry: registry.Client{Retry: quick, Keychain: k}}
		w := image.Writer{Opener: o}
		d := draft(t, open(t, &image.Opener{}, host.Push("run:1", lifecycletest.Alpine())))
		_, err := w.Write(t.Context(), d, refs(f.name+"/app:1")...)
		for _, err := range []error{err, w.CheckRead(t.Context(), reference.Parse(f.name+"/app:1")), w.CheckWrite(t.Context(), reference.Parse(f.name+"/app:1"))} {
			if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "dXNlcjpodW50ZXIy") {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestRegistryAccess(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	f := newFront(t, host.Handler())
	w := image.Writer{Opener: &image.Opener{Registry: registry.Client{Retry: quick}}}
	for _, tt := range []struct {
		on, answer  string
		read, write bool
	}{
		{"none", "", true, true}, // no such image
		{"HEAD ", "401", false, true},
		{"HEAD ", "403", false, true},
		{"HEAD ", "500", false, true},
		{"POST ", "401", true, false},
		{"POST ", "403", true, false},
		{"POST ", "500", true, false},
		{"GET /v2/", "503", false, false},
	} {
		f.set(disaster(tt.on, tt.answer))
		if err := w.CheckRead(t.Context(), reference.Parse(f.name+"/app:1")); (err == nil) != tt.read {
			t.Errorf("%s %s: reading %v", tt.on, tt.answer, err)
		}
		if err := w.CheckWrite(t.Context(), reference.Parse(f.name+"/app:1")); (err == nil) != tt.write {
			t.Errorf("%s %s: writing %v", tt.on, tt.answer, err)
		}
	}
	for _, name := range []string{"Upper", "a/b@sha256:1"} {
		if w.CheckRead(t.Context(), reference.Parse(name)) == nil || w.CheckWrite(t.Context(), reference.Parse(name)) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestWithFewerRequests: the challenge of a registry is asked for once, and again after a failure.
func TestWithFewerRequests(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	f := newFront(t, host.Handler())
	push(t, f.name+"/run:1", lifecycletest.Alpine())
	o := fewerRequests(&image.Opener{Registry: registry.Client{Retry: quick}})
	w := image.Writer{Opener: o}
	f.set(disaster("GET /v2/", "503"))
	if _, err := o.Open(t.Context(), reference.Parse(f.name+"/run:1")); err == nil {
		t.Fatal("opened through a registry that is out of service")
	}
	f.set(nil)
	base := open(t, o, f.name+"/run:1")
	if _, err := o.Open(t.Context(), reference.Parse(f.name+"/app:1")); !errors.Is(err, image.ErrNotFound) {
		t.Error(err)
	}
	if err := w.CheckWrite(t.Context(), reference.Parse(f.name+"/app:1")); err != nil {
		t.Error(err)
	}
	d := draft(t, base, filesLayer(t, "one", "1"))
	written, err := w.Write(t.Context(), d, refs(f.name+"/app:1")...)
	if err != nil {
		t.Fatal(err)
	}
	checkWritten(t, o, f.name+"/app:1", written, d)
	f.mu.Lock()
	defer f.mu.Unlock()
	pings := slices.DeleteFunc(slices.Clone(f.requests), func(r string) bool { return r != "GET /v2/" })
	if len(pings) != 1 {
		t.Errorf("%d of\n%s", len(pings), strings.Join(f.requests, "\n"))
	}
}

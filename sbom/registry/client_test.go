package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

const host = "127.0.0.1:5000"

// pipes connect clients to a server in memory, so that time passes only when all of them wait. A transport may still dial
// after the server is closed: for a request that another connection has served since.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() pipes { return pipes{make(chan net.Conn), make(chan struct{})} }

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A faulty registry fails requests at first.
type faulty struct {
	http.Handler
	fault fault

	mu    sync.Mutex
	armed bool
	first string                 // the first request, without the handshake
	times map[string][]time.Time // of requests, by method and path; those of all uploads are taken together
}

type fault struct {
	status     int // 0: the connection is closed
	retryAfter string
	times      int // of each request; 0: always
}

// ServeHTTP implements [http.Handler].
func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.URL.Path
	if strings.Contains(key, "/blobs/uploads/") && r.Method != http.MethodPost {
		key = "upload"
	}
	f.mu.Lock()
	f.times[key] = append(f.times[key], time.Now())
	if f.first == "" && r.URL.Path != "/v2/" {
		f.first = key
	}
	fails := f.armed && (f.fault.times == 0 || len(f.times[key]) <= f.fault.times)
	f.mu.Unlock()
	switch {
	case !fails || r.URL.Path == "/v2/" && f.fault.status != http.StatusUnauthorized:
		f.Handler.ServeHTTP(w, r)
	case f.fault.status == 0:
		_, _ = io.Copy(io.Discard, r.Body)
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
	default:
		if f.fault.retryAfter != "" {
			w.Header().Set("Retry-After", f.fault.retryAfter)
		}
		if f.fault.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(f.fault.status)
	}
}

// unreadable is a keychain that could not read its credentials.
type unreadable struct{ authn.Keychain }

func (unreadable) Reason(authn.Resource) string { return "docker-credential-x is not installed" }

// users are all ways to a registry, of both libraries.
var users = map[string]func(context.Context, registry.Client, v1.Image) error{
	"opener": func(ctx context.Context, c registry.Client, _ v1.Image) error {
		img, err := (&image.Opener{Registry: c}).Open(ctx, reference.Parse(host+"/run:1"))
		if err != nil {
			return err
		}
		_, err = img.Image.Layers()
		return errors.Join(err, img.Close())
	},
	"writer": func(ctx context.Context, c registry.Client, _ v1.Image) error {
		w := image.Writer{Opener: &image.Opener{Registry: c}}
		return errors.Join(w.CheckRead(ctx, reference.Parse(host+"/app:1")), w.CheckWrite(ctx, reference.Parse(host+"/app:1")))
	},
	"finder": func(ctx context.Context, c registry.Client, run v1.Image) error {
		found, err := (&attach.Finder{Registry: c}).Find(ctx, attach.Subject{Ref: lifecycletest.Reference(host + "/run:1"), Image: run})
		if err != nil {
			return err
		}
		for _, s := range found.Searched {
			if s.Result == attach.Unreachable {
				err = errors.Join(err, errors.New(s.Detail))
			}
		}
		if err == nil && found.Declaration == nil {
			err = errors.New("the declaration was not found")
		}
		return err
	},
	"attacher": func(ctx context.Context, c registry.Client, _ v1.Image) error {
		return attachTo(ctx, c, attach.Options{}, "2.0")
	},
	"attacher of layers": func(ctx context.Context, c registry.Client, _ v1.Image) error {
		return attachTo(ctx, c, attach.Options{As: attach.AsLayer, Tag: must(name.NewTag(host + "/app:1"))}, "1.0")
	},
	"cache image": func(ctx context.Context, c registry.Client, _ v1.Image) error {
		img := &cache.Image{Ref: lifecycletest.Reference(host + "/cache:1"), Registry: c}
		if _, err := img.Metadata(ctx); err != nil {
			return err
		}
		if err := img.Add(ctx, must(random.Layer(1000, types.OCILayer))); err != nil {
			return err
		}
		return img.Commit(ctx, cache.Metadata{})
	},
}

func attachTo(ctx context.Context, c registry.Client, o attach.Options, names string) error {
	o.Material = func(context.Context, attach.Target) (attach.Material, error) {
		return attach.Material{Provides: []byte(`{"version": "1.0", "provides": [], "note": "` + names + `"}`)}, nil
	}
	_, err := (&attach.Attacher{Registry: c}).Attach(ctx, lifecycletest.Reference(host+"/run:1"), o)
	return err
}

// TestFaults: every way to a registry has the same patience, and the same advice.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fault    fault
		keychain authn.Keychain
		waits    []time.Duration // between the attempts at a request, without jitter
		says     string          // empty: it succeeds
	}{
		{"429 once", fault{429, "3", 1}, nil, []time.Duration{3 * time.Second}, ""},
		{"429 once, at once", fault{429, "0", 1}, nil, []time.Duration{0}, ""},
		{"503 twice", fault{503, "", 2}, nil, []time.Duration{time.Second, 2 * time.Second}, ""},
		{"500 once", fault{500, "", 1}, nil, []time.Duration{time.Second}, ""},
		{"reset twice", fault{0, "", 2}, nil, []time.Duration{time.Second, 2 * time.Second}, ""},
		{"429 always", fault{429, "0", 0}, nil, []time.Duration{0, 0, 0}, "429"},
		{"429 for an hour", fault{429, "3600", 0}, nil, nil, "429"},
		{"503 always", fault{503, "", 0}, nil, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, "503"},
		{"501", fault{501, "", 0}, nil, nil, "501"},
		{"401", fault{401, "", 0}, nil, nil, "(credentials are missing or wrong; see CNB_REGISTRY_AUTH and docker's config.json)"},
		{"401 with a reason", fault{401, "", 0}, unreadable{authn.NewMultiKeychain()}, nil, "(no credentials: docker-credential-x is not installed)"},
		{"403", fault{403, "", 0}, nil, nil, "(the credentials do not allow access)"},
		{"403 with a reason", fault{403, "", 0}, unreadable{authn.NewMultiKeychain()}, nil, "(no access without credentials: docker-credential-x is not installed)"},
	} {
		for user, access := range users {
			t.Run(tt.name+"/"+user, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testFault(t, tt.fault, tt.keychain, tt.waits, tt.says, access) })
			})
		}
	}
}

func testFault(t *testing.T, f fault, keychain authn.Keychain, waits []time.Duration, says string, access func(context.Context, registry.Client, v1.Image) error) {
	p := newPipes()
	r := &faulty{Handler: lifecycletest.Handler(), fault: f, times: map[string][]time.Time{}}
	server := &http.Server{Handler: r, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(p) }()
	// Without connections that are used again, since net/http repeats requests over those.
	client := registry.Client{Keychain: keychain, Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}
	run := lifecycletest.Alpine()
	ref := lifecycletest.Reference(host + "/run:1")
	if err := remote.Write(ref, run, (&registry.Client{Transport: client.Transport}).Options(t.Context(), ref.Context())...); err != nil {
		t.Fatal(err)
	}
	if err := attachTo(t.Context(), registry.Client{Transport: client.Transport}, attach.Options{}, "1.0"); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.armed, r.first, r.times = true, "", map[string][]time.Time{}
	r.mu.Unlock()
	err := access(t.Context(), client, run)
	if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want %q in it", err, says)
	}
	checkWaits(t, r, waits)
	_ = server.Close()
	<-served
}

// checkWaits checks the attempts at the first request.
func checkWaits(t *testing.T, r *faulty, waits []time.Duration) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	times := r.times[r.first]
	if len(times) != len(waits)+1 {
		t.Errorf("%s: %d attempts, want %d", r.first, len(times), len(waits)+1)
		return
	}
	for n, want := range waits {
		if got := times[n+1].Sub(times[n]); got < want || got > want+want/9 {
			t.Errorf("%s: attempt %d after %s, want %s", r.first, n+2, got, want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprint("a test's value: ", err))
	}
	return v
}

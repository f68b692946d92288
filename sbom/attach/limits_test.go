package attach

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/registry"
)

// intercept lets a test answer some requests in the registry's stead.
func intercept(base http.Handler, answer func(w http.ResponseWriter, r *http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answer(w, r) {
			base.ServeHTTP(w, r)
		}
	})
}

func isList(r *http.Request) bool { return strings.Contains(r.URL.Path, "/referrers/") }

func serveJSON(w http.ResponseWriter, mediaType string, v any) bool {
	w.Header().Set("Content-Type", mediaType)
	_ = json.NewEncoder(w).Encode(v)
	return true
}

// A blob says that it is small and never ends, or says that it is 5 GB.
func TestHugeSBOM(t *testing.T) {
	const blob = "sha256:3333333333333333333333333333333333333333333333333333333333333333"
	for _, c := range []struct {
		name    string
		claimed int64
		want    string
	}{
		{"by its descriptor", 5 << 30, "over the limit"},
		{"by what is sent", 1000, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sent atomic.Int64
			var w *world
			var manifest []byte
			w = newWorld(t, intercept(ggcrRegistry(true), func(rw http.ResponseWriter, r *http.Request) bool {
				switch {
				case isList(r):
					return serveJSON(rw, ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: []ocispec.Descriptor{{
						MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(manifest), Size: int64(len(manifest)), ArtifactType: sbom.Syft.MediaType()}}})
				case manifest != nil && strings.HasSuffix(r.URL.Path, "/manifests/"+digest.FromBytes(manifest).String()):
					rw.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
					_, _ = rw.Write(manifest)
					return true
				case strings.HasSuffix(r.URL.Path, blob):
					for range 1 << 20 {
						n, err := rw.Write(make([]byte, 4096))
						if sent.Add(int64(n)); err != nil {
							break
						}
					}
					return true
				}
				return false
			}))
			subject := w.subjectDesc(false)
			manifest = must(json.Marshal(ocispec.Manifest{
				MediaType: ocispec.MediaTypeImageManifest, ArtifactType: sbom.Syft.MediaType(), Subject: &subject,
				Config: ocispec.DescriptorEmptyJSON,
				Layers: []ocispec.Descriptor{{MediaType: sbom.Syft.MediaType(), Digest: blob, Size: c.claimed}},
			}))(t)
			r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
			if got := r.Searched[0]; got.Result != Unreadable || !strings.Contains(got.Detail, c.want) {
				t.Errorf("got %s %q, want unreadable", got.Result, got.Detail)
			}
			if n := sent.Load(); n > 64<<20 {
				t.Errorf("%d bytes were taken", n)
			}
		})
	}
}

func descriptors(n int, artifactType string) []ocispec.Descriptor {
	all := make([]ocispec.Descriptor, n)
	for i := range all {
		all[i] = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(fmt.Sprint(i)), Size: 500, ArtifactType: artifactType}
	}
	return all
}

func TestHugeReferrersList(t *testing.T) {
	t.Run("on one page", func(t *testing.T) {
		w := newWorld(t, intercept(ggcrRegistry(true), func(rw http.ResponseWriter, r *http.Request) bool {
			return isList(r) && serveJSON(rw, ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: descriptors(100_000, "application/vnd.example")})
		}))
		r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
		if got := r.Searched[0]; got.Result != Unreadable || got.Detail == "" {
			t.Errorf("got %s %q, want unreadable", got.Result, got.Detail)
		}
	})
	t.Run("on pages without end", func(t *testing.T) {
		var real ocispec.Descriptor
		base := ggcrRegistry(true)
		w := newWorld(t, intercept(base, func(rw http.ResponseWriter, r *http.Request) bool {
			if !isList(r) || real.Digest == "" {
				return false
			}
			page := descriptors(800, "application/vnd.example")
			if r.URL.Query().Get("p") == "xx" {
				page = append(page, real)
			}
			rw.Header().Set("Link", fmt.Sprintf("<%s?p=%sx>; rel=next", r.URL.Path, r.URL.Query().Get("p")))
			return serveJSON(rw, ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: page})
		}))
		desc := w.refer(w.subjectDesc(false), sbom.Syft.MediaType(), sbom.Syft.MediaType(), fixtures(t)[sbom.Syft], nil)
		desc.ArtifactType = sbom.Syft.MediaType()
		real = desc
		r := must((&Finder{Limits: Limits{Pages: 125}}).Find(shortCtx(t), w.subject()))(t) // 100,000 entries
		if r.Found == nil {
			t.Errorf("the SBOM among the first pages was not taken: %v", r.Missing("run"))
		}
		if n := len(w.seen()); n > 130 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("all of them SBOMs", func(t *testing.T) {
		w := newWorld(t, intercept(ggcrRegistry(true), func(rw http.ResponseWriter, r *http.Request) bool {
			return isList(r) && serveJSON(rw, ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: descriptors(10_000, sbom.SPDX.MediaType())})
		}))
		r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
		var last Finding
		for _, f := range r.Searched {
			if f.Carrier == Referrer {
				last = f
			}
		}
		if !strings.Contains(last.Detail, "9984 more artifacts") || len(w.seen()) > 30 {
			t.Errorf("got %q after %d requests", last.Detail, len(w.seen()))
		}
	})
}

// A registry that hangs costs the time that it is given and no more, and what
// hung is reported.
func TestHangingRegistry(t *testing.T) {
	release := make(chan struct{})
	for _, c := range []struct {
		name string
		hang func(*http.Request) bool
	}{
		{"everything", func(*http.Request) bool { return true }},
		{"lists", isList},
		{"blobs", func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var armed atomic.Bool
			w := newWorld(t, intercept(ggcrRegistry(true), func(rw http.ResponseWriter, r *http.Request) bool {
				if !armed.Load() || !c.hang(r) {
					return false
				}
				if strings.Contains(r.URL.Path, "/blobs/") {
					rw.WriteHeader(http.StatusOK) // the head comes, the body never
					rw.(http.Flusher).Flush()
				}
				select {
				case <-r.Context().Done():
				case <-release:
				}
				return true
			}))
			w.refer(w.subjectDesc(false), sbom.Syft.MediaType(), sbom.Syft.MediaType(), fixtures(t)[sbom.Syft], nil)
			armed.Store(true)
			f := &Finder{Limits: Limits{Stage: 100 * time.Millisecond, Total: time.Second}}
			r := must(f.Find(shortCtx(t), w.subject()))(t)
			if got := r.Searched[0]; r.Found != nil || got.Result != Unreachable || got.Detail != "no response within 100ms" {
				t.Errorf("got %s %q", got.Result, got.Detail)
			}
			err := r.Missing("run")
			if err == nil || !strings.Contains(err.Error(), "layer: none") {
				t.Errorf("want everything that was searched, got %v", err)
			}
		})
	}
	close(release)
}

func TestFindEndsWithItsContext(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := new(Finder).Find(ctx, w.subject()); err == nil {
		t.Error("want an error: the search was called off")
	}
}

// Blobs may be kept on another host, which must not learn who asks.
func TestRedirectsCarryNoCredentials(t *testing.T) {
	var got []string
	var mu sync.Mutex
	blobs := map[string][]byte{}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		got = append(got, r.Header.Get("Authorization"))
		mu.Unlock()
		_, _ = w.Write(blobs[r.URL.Path])
	}))
	t.Cleanup(other.Close)
	var redirect atomic.Bool
	w := newWorld(t, intercept(basicAuth(ggcrRegistry(true)), func(rw http.ResponseWriter, r *http.Request) bool {
		if redirect.Load() && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") && r.Header.Get("Authorization") != "" {
			http.Redirect(rw, r, other.URL+"/store?signature=secret", http.StatusTemporaryRedirect)
			return true
		}
		return false
	}), withAuth)
	data := fixtures(t)[sbom.Syft]
	blobs["/store"] = data
	attachAs(t, w, data)
	redirect.Store(true)
	r := must((&Finder{Registry: registry.Client{Keychain: keychain{}}}).Find(shortCtx(t), w.subject()))(t)
	if r.Found == nil {
		t.Fatalf("not found: %v", r.Missing("run"))
	}
	if len(got) != 1 || got[0] != "" {
		t.Errorf("the other host saw %q", got)
	}
	blobs["/store"] = []byte("<html>")
	r = must((&Finder{Registry: registry.Client{Keychain: keychain{}}}).Find(shortCtx(t), w.subject()))(t)
	if f := r.Searched[0]; r.Found != nil || strings.Contains(f.Detail, "secret") {
		t.Errorf("got %s %q", f.Result, f.Detail)
	}
}

// A busy registry is asked again, when it says so and not for ever.
func TestBusyRegistry(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		after  string
		fails  int64 // how many times
		want   Outcome
		asked  int64 // most
	}{
		{"429 once", 429, "0", 1, Found, 2},
		{"503 twice", 503, "0", 2, Found, 3},
		{"503 for ever", 503, "0", 1 << 30, Unreachable, 4},
		{"429 for an hour", 429, "3600", 1 << 30, Unreachable, 1},
		{"403", 403, "", 1 << 30, Unreachable, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var armed atomic.Bool
			var asked atomic.Int64
			w := newWorld(t, intercept(ggcrRegistry(true), func(rw http.ResponseWriter, r *http.Request) bool {
				if !armed.Load() || !isList(r) || asked.Add(1) > c.fails {
					return false
				}
				rw.Header().Set("Retry-After", c.after)
				http.Error(rw, `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`, c.status)
				return true
			}))
			w.refer(w.subjectDesc(false), sbom.Syft.MediaType(), sbom.Syft.MediaType(), fixtures(t)[sbom.Syft], nil)
			armed.Store(true)
			r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
			if f := r.Searched[0]; f.Result != c.want || (c.want == Unreachable && !strings.Contains(f.Detail, fmt.Sprint(c.status))) {
				t.Errorf("got %s %q", f.Result, f.Detail)
			}
			if n := asked.Load(); n > c.asked {
				t.Errorf("asked %d times, want at most %d", n, c.asked)
			}
		})
	}
}

// Registries without the API say so in many ways.
func TestNoReferrersAPI(t *testing.T) {
	for _, status := range []int{400, 404, 405, 406, 501, 200} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			w := newWorld(t, intercept(ggcrRegistry(false), func(rw http.ResponseWriter, r *http.Request) bool {
				if isList(r) {
					rw.Header().Set("Content-Type", "text/html")
					rw.WriteHeader(status)
					_, _ = io.WriteString(rw, "<html>")
				}
				return isList(r)
			}))
			w.refer2(t)
			r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
			if r.Found == nil {
				t.Error(r.Missing("run"))
			}
		})
	}
}

// refer2 pushes the fallback tag without asking the registry what it can.
func (w *world) refer2(t *testing.T) {
	t.Helper()
	repo := w.oras()
	check(t, repo.SetReferrersCapability(false))
	subject := w.subjectDesc(false)
	p := &plan{subject: subject}
	a := must(p.pack(sbom.Syft.MediaType(), blobOf(sbom.Syft.MediaType(), fixtures(t)[sbom.Syft]), time.Time{}, nil))(t)
	for _, b := range a.blobs {
		check(t, repo.Blobs().Push(t.Context(), b.desc, strings.NewReader(string(b.data))))
	}
	check(t, repo.Manifests().Push(t.Context(), a.desc, strings.NewReader(string(a.data))))
}

func basicAuth(base http.Handler) http.Handler {
	return intercept(base, func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, ok := r.BasicAuth(); ok && user == "ada" && password == "lovelace" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		http.Error(w, "{}", http.StatusUnauthorized)
		return true
	})
}

// bearerAuth hands out a token for the right credentials at /token.
func bearerAuth(base http.Handler) http.Handler {
	return intercept(base, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			if user, password, ok := r.BasicAuth(); !ok || user != "ada" || password != "lovelace" {
				http.Error(w, "{}", http.StatusUnauthorized)
				return true
			}
			return serveJSON(w, "application/json", map[string]string{"token": "t-" + r.URL.Query().Get("scope")})
		}
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer t-") {
			return false
		}
		realm := url.URL{Scheme: "http", Host: r.Host, Path: "/token"}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="test",scope="repository:base/run-1:pull,push"`, realm.String()))
		http.Error(w, "{}", http.StatusUnauthorized)
		return true
	})
}

type keychain struct{}

func (keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: "ada", Password: "lovelace"}), nil
}

func withAuth(o *worldOptions) { o.keychain = keychain{} }

// attachAs attaches one SBOM with our own attacher.
func attachAs(t *testing.T, w *world, sboms ...[]byte) {
	t.Helper()
	a := &Attacher{Registry: registry.Client{Keychain: w.keychain}, Settle: 50 * time.Millisecond}
	must(a.Attach(shortCtx(t), w.ref, Options{Material: material(Material{SBOMs: sboms})}))(t)
	w.reset()
}

func material(m Material) func(context.Context, Target) (Material, error) {
	return func(context.Context, Target) (Material, error) { return m, nil }
}

func TestAuthentication(t *testing.T) {
	for name, auth := range map[string]func(http.Handler) http.Handler{"basic": basicAuth, "bearer": bearerAuth} {
		for kind, handler := range registries {
			t.Run(name+"/"+kind, func(t *testing.T) {
				w := newWorld(t, auth(handler()), withAuth)
				attachAs(t, w, fixtures(t)[sbom.Syft])
				r := must((&Finder{Registry: registry.Client{Keychain: keychain{}}}).Find(shortCtx(t), w.subject()))(t)
				if r.Found == nil {
					t.Fatalf("with credentials: %v", r.Missing("run"))
				}
				r = must((&Finder{}).Find(shortCtx(t), w.subject()))(t)
				if f := r.Searched[0]; r.Found != nil || f.Result != Unreachable || !strings.Contains(f.Detail, "401") {
					t.Errorf("without credentials: got %s %q", f.Result, f.Detail)
				}
			})
		}
	}
}

// A registry at a private address may still have TLS.
func TestTLSAtAPrivateAddress(t *testing.T) {
	server := httptest.NewTLSServer(ggcrRegistry(true))
	t.Cleanup(server.Close)
	transport := server.Client().Transport
	ref := must(name.ParseReference(strings.TrimPrefix(server.URL, "https://") + "/base/run:noble"))(t)
	image := newImage(t, worldOptions{})
	check(t, ggcr.Write(ref, image, ggcr.WithTransport(transport)))
	a := &Attacher{Registry: registry.Client{Transport: transport}}
	must(a.Attach(shortCtx(t), ref, Options{Material: material(Material{SBOMs: [][]byte{fixtures(t)[sbom.Syft]}})}))(t)
	r := must((&Finder{Registry: registry.Client{Transport: transport}}).Find(shortCtx(t), Subject{Ref: ref, Image: image}))(t)
	if r.Found == nil {
		t.Error(r.Missing("run"))
	}
}

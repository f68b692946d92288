package lifecycletest

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// A Host is a registry in this process, on the loopback interface.
type Host struct {
	Name   string // "127.0.0.1:34567"
	server *httptest.Server
}

// Registry starts a registry in memory with the referrers API. The caller must close it.
func Registry(options ...registry.Option) *Host {
	server := httptest.NewServer(Handler(options...))
	return &Host{Name: strings.TrimPrefix(server.URL, "http://"), server: server}
}

// Handler returns a registry in memory with the referrers API. Unlike go-containerregistry's, it
// does not keep what it received of an upload that was interrupted.
func Handler(options ...registry.Option) http.Handler {
	options = append([]registry.Option{
		registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true),
	}, options...)
	memory := registry.New(options...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut || r.Method == http.MethodPatch {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		memory.ServeHTTP(w, r)
	})
}

// Guarded starts a server for the same content that requires a password. The caller must close
// it.
func (h *Host) Guarded(user, password string) *Host {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, given, ok := r.BasicAuth(); !ok || name != user || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.server.Config.Handler.ServeHTTP(w, r)
	}))
	return &Host{Name: strings.TrimPrefix(server.URL, "http://"), server: server}
}

// Close stops the registry.
func (h *Host) Close() { h.server.Close() }

// URL returns the registry's address, "http://127.0.0.1:34567".
func (h *Host) URL() string { return h.server.URL }

// Push pushes the image to a repository and tag ("run:noble") and returns its full reference.
func (h *Host) Push(repo string, img v1.Image) string {
	ref := must(name.ParseReference(h.Name + "/" + repo))
	check(remote.Write(ref, img))
	return ref.String()
}

// PushIndex pushes the index and its images, like [Host.Push].
func (h *Host) PushIndex(repo string, index v1.ImageIndex) string {
	ref := must(name.ParseReference(h.Name + "/" + repo))
	check(remote.WriteIndex(ref, index))
	return ref.String()
}

// Reference parses a reference that [Host.Push] returned.
func Reference(ref string) name.Reference { return must(name.ParseReference(ref)) }

// Handler returns the registry's handler, to be wrapped by another server.
func (h *Host) Handler() http.Handler { return h.server.Config.Handler }

// DigestOf returns the digest of an image in a registry.
func DigestOf(ref string) (string, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return "", err
	}
	found, err := remote.Head(parsed)
	if err != nil {
		return "", err
	}
	return found.Digest.String(), nil
}

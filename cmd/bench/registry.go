//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A host is a registry that writes what is uploaded to disk and does little else, since its work
// is in the times.
type host struct {
	*httptest.Server
	name  string // 127.0.0.1:34567
	blobs blobs
}

func newHost(dir string) *host {
	h := &host{blobs: blobs{dir}}
	rest := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithBlobHandler(h.blobs), registry.WithReferrersSupport(true))
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/blobs/uploads/") || r.Method != http.MethodPatch && r.Method != http.MethodPut {
			rest.ServeHTTP(w, r)
			return
		}
		// go-containerregistry's keeps uploads in memory.
		if err := h.upload(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	h.name = strings.TrimPrefix(h.URL, "http://")
	return h
}

func (h *host) upload(w http.ResponseWriter, r *http.Request) error {
	file := filepath.Join(h.blobs.dir, "upload-"+path.Base(r.URL.Path))
	if r.Method == http.MethodPut {
		digest, err := v1.NewHash(r.URL.Query().Get("digest"))
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusCreated)
		return os.Rename(file, h.blobs.file(digest))
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r.Body)
	w.Header().Set("Location", r.URL.Path)
	w.WriteHeader(http.StatusAccepted)
	return errors.Join(err, f.Close())
}

// blobs are files by digest, which are not verified.
type blobs struct{ dir string }

func (b blobs) file(h v1.Hash) string { return filepath.Join(b.dir, h.Hex) }

func (b blobs) Stat(_ context.Context, _ string, h v1.Hash) (int64, error) {
	info, err := os.Stat(b.file(h))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, registry.ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (b blobs) Get(_ context.Context, _ string, h v1.Hash) (io.ReadCloser, error) {
	return os.Open(b.file(h))
}

// Put makes the registry one that can be written to; it is not called for uploads, which [host] keeps.
func (b blobs) Put(_ context.Context, _ string, h v1.Hash, content io.ReadCloser) error {
	f, err := os.Create(b.file(h))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

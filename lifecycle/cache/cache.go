// Package cache stores layers of an app between builds, in a directory or in an image
// (platform.md, "restorer", "exporter").
//
// Start with [Cache], implemented by [Volume] and [Image]. A commit is atomic: later builds see
// either all of its layers or, before [Cache.Commit] or if it was interrupted, the previous ones.
//
// A cache may be lost or damaged at any time, so none of its errors has to fail a build.
// Every layer is verified while it is read; see [ErrCorrupt].
//
// The package does not unpack layers: that is
// [layers.Source.Extract].
//
// The API is stable from version 1.0 on; see docs/library.md.
//
// [layers.Source.Extract]: https://pkg.go.dev/github.com/baseplan/baseplan/lifecycle/layers#Source.Extract
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

var (
	// ErrNotFound is wrapped by errors about a layer that is not in the cache.
	ErrNotFound = errors.New("not in the cache")

	// ErrCorrupt is wrapped by errors about damaged content: a layer with another digest, or
	// malformed metadata. Such a layer should be skipped and rebuilt.
	ErrCorrupt = errors.New("the cache is corrupt")
)

// A Cache stores layers by diff ID, with metadata. Open and Add may be called
// concurrently.
type Cache interface {
	// Metadata returns the last committed metadata; the zero value if there is none.
	Metadata(ctx context.Context) (Metadata, error)

	// Open reads an uncompressed layer of the last commit. If the content does not match the
	// diff ID, reading returns an error instead of io.EOF.
	Open(ctx context.Context, diffID v1.Hash) (io.ReadCloser, error)

	// Add adds a layer to the next commit. A layer that the cache already has is taken from
	// there, and not read.
	Add(ctx context.Context, layer v1.Layer) error

	// Commit replaces the content of the cache with the layers added since the last Commit,
	// which must include all layers named by the metadata.
	Commit(ctx context.Context, m Metadata) error

	// Close discards layers that were added but not committed.
	Close() error
}

// A verifier reads a layer and returns an error instead of io.EOF if the digest does not
// match.
type verifier struct {
	io.ReadCloser
	sum     hash.Hash
	want    v1.Hash
	corrupt func() // called if the content is wrong; may be nil
}

func verified(r io.ReadCloser, want v1.Hash, corrupt func()) *verifier {
	return &verifier{ReadCloser: r, sum: sha256.New(), want: want, corrupt: corrupt}
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	_, _ = v.sum.Write(p[:n]) // never fails
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	got := hex.EncodeToString(v.sum.Sum(nil))
	if got == v.want.Hex {
		return n, io.EOF
	}
	if v.corrupt != nil {
		v.corrupt()
		v.corrupt = nil
	}
	return n, fmt.Errorf("reading layer %s: %w: its content is sha256:%s", v.want, ErrCorrupt, got)
}

// checkDiffID validates a hash, which may come from a file and be used in a path.
func checkDiffID(h v1.Hash) error {
	if parsed, err := v1.NewHash(h.String()); err != nil || parsed.Algorithm != "sha256" {
		return fmt.Errorf("%q is not a diff ID: %w", h, ErrNotFound)
	}
	return nil
}

// Package cache keeps layers of an app between its builds, in a directory or in an
// image (platform.md, "restorer", "exporter").
//
// Start with [Cache], which [Volume] and [Image] are. What one build commits, the next
// one sees as a whole: nothing of it before [Cache.Commit], and after a Commit that was
// cut off either the old layers or the new ones.
//
// A cache may be lost or damaged at any time, so none of its errors need end a build.
// Every layer is verified while it is read; see [ErrCorrupt].
//
// This package does not know how a layer becomes a directory again: that is
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
	// ErrNotFound is wrapped by errors about a layer that a cache does not have.
	ErrNotFound = errors.New("not in the cache")

	// ErrCorrupt is wrapped by errors about content of a cache that is not what was
	// put there: a layer of another digest, or metadata that cannot be read. Such a
	// layer is to be skipped and made anew.
	ErrCorrupt = errors.New("the cache is corrupt")
)

// A Cache holds layers by their diff IDs, and says what they are. Open and Add may be
// called at the same time as themselves and one another.
type Cache interface {
	// Metadata is what was committed last; the zero value if nothing was.
	Metadata(ctx context.Context) (Metadata, error)

	// Open reads an uncompressed layer of those committed last. Reading it to the end
	// gives an error instead of io.EOF where the content is not that of the diff ID.
	Open(ctx context.Context, diffID v1.Hash) (io.ReadCloser, error)

	// Add puts a layer among those that Commit will keep. One that the cache has
	// already is taken from there, and not read.
	Add(ctx context.Context, layer v1.Layer) error

	// Commit replaces what the cache had by the layers added since the last Commit.
	// They have to be all those that the metadata names.
	Commit(ctx context.Context, m Metadata) error

	// Close drops what was added and not committed.
	Close() error
}

// A verifier reads a layer and, in place of its end, gives an error if the digest is
// another one.
type verifier struct {
	io.ReadCloser
	sum     hash.Hash
	want    v1.Hash
	corrupt func() // called once the content has turned out wrong; nil: nothing to do
}

func verified(r io.ReadCloser, want v1.Hash, corrupt func()) *verifier {
	return &verifier{ReadCloser: r, sum: sha256.New(), want: want, corrupt: corrupt}
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	_, _ = v.sum.Write(p[:n]) // a hash never errs
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

// checkDiffID refuses a hash that no layer has; it may come from a file and go into a path.
func checkDiffID(h v1.Hash) error {
	if parsed, err := v1.NewHash(h.String()); err != nil || parsed.Algorithm != "sha256" {
		return fmt.Errorf("%q is not a diff ID: %w", h, ErrNotFound)
	}
	return nil
}

package keylesstest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// A Repository is a TUF repository with a trusted root in it.
type Repository struct {
	Root  []byte            // root.json, by which all else is verified
	Files map[string][]byte // by path, as the repository serves them
}

// NewRepository signs a TUF repository, whose metadata expire at a time, with a
// trusted root in it.
func NewRepository(trustedRoot []byte, expires time.Time) (*Repository, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := signature.LoadSigner(key, crypto.Hash(0))
	if err != nil {
		return nil, err
	}
	r := &Repository{Files: map[string][]byte{}}
	root := metadata.Root(time.Now().Add(time.Hour))
	public, err := metadata.KeyFromPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	for _, role := range []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
		if err := root.Signed.AddKey(public, role); err != nil {
			return nil, err
		}
	}
	targets := metadata.Targets(expires)
	file, err := metadata.TargetFile().FromBytes("trusted_root.json", trustedRoot, "sha256")
	if err != nil {
		return nil, err
	}
	targets.Signed.Targets["trusted_root.json"] = file
	sum := sha256.Sum256(trustedRoot)
	r.Files["/targets/"+hex.EncodeToString(sum[:])+".trusted_root.json"] = trustedRoot
	if r.Root, err = signed(root, signer); err != nil {
		return nil, err
	}
	r.Files["/1.root.json"] = r.Root
	for path, m := range map[string]func() ([]byte, error){
		"/1.targets.json":  func() ([]byte, error) { return signed(targets, signer) },
		"/1.snapshot.json": func() ([]byte, error) { return signed(metadata.Snapshot(expires), signer) },
		"/timestamp.json":  func() ([]byte, error) { return signed(metadata.Timestamp(expires), signer) },
	} {
		if r.Files[path], err = m(); err != nil {
			return nil, fmt.Errorf("signing %s: %w", path, err)
		}
	}
	return r, nil
}

func signed[T metadata.Roles](m *metadata.Metadata[T], by signature.Signer) ([]byte, error) {
	if _, err := m.Sign(by); err != nil {
		return nil, err
	}
	return m.ToBytes(false)
}

// ServeHTTP serves the files.
func (r *Repository) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	data, ok := r.Files[req.URL.Path]
	if !ok {
		http.NotFound(w, req)
		return
	}
	_, _ = w.Write(data)
}

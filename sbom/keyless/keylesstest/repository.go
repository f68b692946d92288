package keylesstest

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
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
func NewRepository(trustedRoot []byte, expires time.Time) *Repository {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(err)
	signer := must(signature.LoadSigner(key, crypto.Hash(0)))
	root := metadata.Root(time.Now().Add(time.Hour))
	public := must(metadata.KeyFromPublicKey(key.Public()))
	for _, role := range []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
		check(root.Signed.AddKey(public, role))
	}
	targets := metadata.Targets(expires)
	targets.Signed.Targets["trusted_root.json"] = must(metadata.TargetFile().FromBytes("trusted_root.json", trustedRoot, "sha256"))
	sum := sha256.Sum256(trustedRoot)
	r := &Repository{Root: signed(root, signer)}
	r.Files = map[string][]byte{
		"/targets/" + hex.EncodeToString(sum[:]) + ".trusted_root.json": trustedRoot,
		"/1.root.json":     r.Root,
		"/1.targets.json":  signed(targets, signer),
		"/1.snapshot.json": signed(metadata.Snapshot(expires), signer),
		"/timestamp.json":  signed(metadata.Timestamp(expires), signer),
	}
	return r
}

func signed[T metadata.Roles](m *metadata.Metadata[T], by signature.Signer) []byte {
	must(m.Sign(by))
	return must(m.ToBytes(false))
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

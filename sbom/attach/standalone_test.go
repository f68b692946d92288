package attach

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
	"github.com/baseplan/baseplan/sbom/registry"
)

const standaloneType = "application/vnd.example.thing.v1+json"

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestStandalone(t *testing.T) {
	for kind, handler := range registries {
		t.Run(kind, func(t *testing.T) {
			server := httptest.NewServer(handler())
			defer server.Close()
			tag, err := name.NewTag(strings.TrimPrefix(server.URL, "http://") + "/catalog:now")
			if err != nil {
				t.Fatal(err)
			}
			ctx, key, data := context.Background(), newKey(t), []byte(`{"a":1}`)
			a := Attacher{Settle: time.Millisecond}
			push := func(data []byte, o PushOptions) Attached {
				t.Helper()
				out, err := a.Push(ctx, tag, standaloneType, data, o)
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			read := func(trust Trust) (*Standalone, error) {
				return (&Finder{Trust: trust}).Standalone(ctx, tag, standaloneType)
			}
			restricted := Trust{Keys: []crypto.PublicKey{key.Public()}}

			if _, err := read(Trust{}); err == nil || !strings.Contains(err.Error(), "there is no such artifact") {
				t.Errorf("reading nothing: %v", err)
			}
			first := push(data, PushOptions{})
			if again := push(data, PushOptions{}); !first.Changed || again.Changed || again.Digest != first.Digest {
				t.Errorf("pushed %+v, then again %+v", first, again)
			}
			if s, err := read(Trust{}); err != nil || !bytes.Equal(s.Data, data) || s.Digest != first.Digest || s.Signature.By() != "" {
				t.Errorf("read %+v, %v", s, err)
			}
			if _, err := read(restricted); err == nil || !strings.Contains(err.Error(), "carries no signature") {
				t.Errorf("reading unsigned with a key: %v", err)
			}
			if signed := push(data, PushOptions{Sign: key}); !signed.Changed || signed.Digest != first.Digest {
				t.Errorf("signed %+v", signed)
			}
			if again := push(data, PushOptions{Sign: key}); again.Changed {
				t.Errorf("signed again: %+v", again)
			}
			if s, err := read(restricted); err != nil || !bytes.Equal(s.Data, data) || restricted.Check(s.Signature) != nil {
				t.Errorf("read %+v, %v", s, err)
			}
			if _, err := read(Trust{Keys: []crypto.PublicKey{newKey(t).Public()}}); err == nil || !strings.Contains(err.Error(), "not by the key given") {
				t.Errorf("reading with another key: %v", err)
			}
			if other := push([]byte(`{"a":2}`), PushOptions{}); !other.Changed || other.Digest == first.Digest {
				t.Errorf("pushed other data: %+v", other)
			}
			if _, err := a.Push(ctx, tag, "application/vnd.example.other", data, PushOptions{}); !errors.Is(err, ErrOtherArtifact) {
				t.Errorf("pushing another type: %v", err)
			}
			if s, err := read(Trust{}); err != nil || string(s.Data) != `{"a":2}` {
				t.Errorf("after that, read %+v, %v", s, err)
			}
			if _, err := read(restricted); err == nil {
				t.Error("a signature counts for other data")
			}
			if _, err := (&Finder{}).Standalone(ctx, tag, "application/vnd.example.other"); err == nil || !strings.Contains(err.Error(), "not an artifact of type application/vnd.example.other") {
				t.Errorf("reading another type: %v", err)
			}
		})
	}
}

// TestPushSignsFirst: whoever reads the tag with keys never finds an artifact without its signature.
func TestPushSignsFirst(t *testing.T) {
	p := &plan{}
	a, err := p.pack(standaloneType, blobOf(standaloneType, []byte("{}")), time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := decodeManifest(a.data); err != nil || m.Subject != nil || m.ArtifactType != standaloneType {
		t.Errorf("manifest %s, %v", a.data, err)
	}
	rec := &recorder{next: ggcrRegistry(true)}
	server := httptest.NewServer(rec)
	defer server.Close()
	tag, err := name.NewTag(strings.TrimPrefix(server.URL, "http://") + "/catalog:now")
	if err != nil {
		t.Fatal(err)
	}
	pusher := Attacher{Settle: time.Millisecond}
	if _, err := pusher.Push(context.Background(), tag, standaloneType, []byte("{}"), PushOptions{Sign: newKey(t)}); err != nil {
		t.Fatal(err)
	}
	if last := rec.writes[len(rec.writes)-1]; !strings.HasSuffix(last, "/manifests/now") {
		t.Errorf("the last write is %s; all: %q", last, rec.writes)
	}
}

// A recorder records the manifests that are written.
type recorder struct {
	next   http.Handler
	writes []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/manifests/") {
		r.writes = append(r.writes, req.URL.Path)
	}
	r.next.ServeHTTP(w, req)
}

// TestStandaloneIdentity: cosign sign, with a certificate, signs an artifact as it signs a declaration.
func TestStandaloneIdentity(t *testing.T) {
	a := newAuthority(t)
	for kind, handler := range registries {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, handler())
			tag := w.ref.Context().Tag("catalog")
			pushed, err := (&Attacher{Settle: time.Millisecond}).Push(t.Context(), tag, standaloneType, []byte("{}"), PushOptions{})
			if err != nil {
				t.Fatal(err)
			}
			desc, _, err := newRepository(tag.Context(), &registry.Client{}, Limits{}).manifest(t.Context(), tag.TagStr())
			if err != nil {
				t.Fatal(err)
			}
			read := func(of Identity) error {
				_, err := (&Finder{Trust: a.trust(of)}).Standalone(shortCtx(t), tag, standaloneType)
				return err
			}
			if err := read(exactly); err == nil || !strings.Contains(err.Error(), "carries no signature") {
				t.Errorf("reading unsigned: %v", err)
			}
			w.refer(desc, typeBundle, typeBundle, a.bundle(keylesstest.Signing{}, signingPredicates[0], raw("{}"), pushed.Digest.String()), nil)
			if err := read(exactly); err != nil {
				t.Error(err)
			}
			if err := read(Identity{Issuer: testIssuer, Subject: "other"}); err == nil || !strings.Contains(err.Error(), "matches none of the given identities") {
				t.Errorf("reading by another identity: %v", err)
			}
		})
	}
}

package attach

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sigstore/sigstore/pkg/signature"
	sigdsse "github.com/sigstore/sigstore/pkg/signature/dsse"
	"github.com/sirupsen/logrus"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom"
)

// registries are the kinds that carriers must be found on.
var registries = map[string]func() http.Handler{
	"referrers API":    func() http.Handler { return ggcrRegistry(true) },
	"no referrers API": func() http.Handler { return ggcrRegistry(false) },
	"distribution 3":   distribution,
	"paged referrers":  func() http.Handler { return paged(ggcrRegistry(true), 2) },
}

func ggcrRegistry(referrers bool) http.Handler {
	return lifecycletest.Handler(registry.WithReferrersSupport(referrers))
}

func distribution() http.Handler {
	logrus.SetOutput(io.Discard)
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	config.Log.AccessLog.Disabled = true
	config.Log.Level = "panic"
	config.HTTP.Secret = "test"
	return handlers.NewApp(context.Background(), config)
}

// paged makes a registry give its list of referrers in pages of n, with a Link
// to the next.
func paged(base http.Handler, n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			base.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		base.ServeHTTP(rec, r)
		var index ocispec.Index
		if rec.Code != http.StatusOK || json.Unmarshal(rec.Body.Bytes(), &index) != nil {
			w.WriteHeader(rec.Code)
			return
		}
		slices.SortFunc(index.Manifests, func(a, b ocispec.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		to := min(from+n, len(index.Manifests))
		if to < len(index.Manifests) {
			w.Header().Set("Link", fmt.Sprintf("<%s?from=%d>; rel=\"next\"", r.URL.Path, to))
		}
		index.Manifests = index.Manifests[min(from, to):to]
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		_ = json.NewEncoder(w).Encode(index)
	})
}

// A world is a registry with an image in it, single or in an index.
type world struct {
	t        *testing.T
	server   *httptest.Server
	ref      name.Reference
	image    v1.Image
	digest   v1.Hash
	index    v1.ImageIndex // nil: a single image
	mu       sync.Mutex
	requests []string // without handshakes
	keychain authn.Keychain
}

// worlds gives each its own repository, since a registry may outlive it.
var worlds atomic.Int64

type worldOption func(*worldOptions)

type worldOptions struct {
	indexed bool
	labels  map[string]string
	layers  []v1.Layer
	adorn   func(v1.Image) []mutate.IndexAddendum // more entries for the index

	keychain authn.Keychain
}

func indexed(o *worldOptions) { o.indexed = true }

func newWorld(t *testing.T, h http.Handler, opts ...worldOption) *world {
	t.Helper()
	var o worldOptions
	for _, opt := range opts {
		opt(&o)
	}
	w := &world{t: t, keychain: o.keychain}
	remoteOpts := []ggcr.Option{}
	if o.keychain != nil {
		remoteOpts = append(remoteOpts, ggcr.WithAuthFromKeychain(o.keychain))
	}
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.mu.Lock()
			w.requests = append(w.requests, r.Method+" "+r.URL.Path)
			w.mu.Unlock()
		}
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.server.Close)
	w.ref = must(name.ParseReference(strings.TrimPrefix(w.server.URL, "http://") + fmt.Sprintf("/base/run-%d:noble", worlds.Add(1))))(t)
	w.image = newImage(t, o)
	w.digest = must(w.image.Digest())(t)
	if !o.indexed {
		check(t, ggcr.Write(w.ref, w.image, remoteOpts...))
		w.image = must(ggcr.Image(w.ref, remoteOpts...))(t)
	} else {
		adds := []mutate.IndexAddendum{{Add: w.image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}}}
		if o.adorn != nil {
			adds = append(adds, o.adorn(w.image)...)
		}
		index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), adds...)
		check(t, ggcr.WriteIndex(w.ref, index, remoteOpts...))
		w.index = must(ggcr.Index(w.ref, remoteOpts...))(t)
		w.image = must(w.index.Image(w.digest))(t)
	}
	_ = must(w.image.ConfigFile())(t) // resolving the image and its config is not counted
	w.reset()
	return w
}

func newImage(t *testing.T, o worldOptions) v1.Image {
	t.Helper()
	image := mutate.MediaType(must(random.Image(256, 2))(t), types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	if len(o.layers) > 0 {
		image = must(mutate.AppendLayers(image, o.layers...))(t)
	}
	config := must(image.ConfigFile())(t).DeepCopy()
	config.Config.Labels = o.labels
	return must(mutate.ConfigFile(image, config))(t)
}

func (w *world) subject() Subject {
	return Subject{Ref: w.ref, Digest: w.digest, Image: w.image, Index: w.index, HasDatabase: func(context.Context) (bool, error) { return true, nil }}
}

func (w *world) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = nil
}

func (w *world) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

// subjectDesc is the descriptor of the image, or of its index.
func (w *world) subjectDesc(ofIndex bool) ocispec.Descriptor {
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.Digest(w.digest.String()), Size: must(w.image.Size())(w.t)}
	if ofIndex {
		desc = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.Digest(must(w.index.Digest())(w.t).String()), Size: must(w.index.Size())(w.t)}
	}
	return desc
}

func (w *world) oras() *remote.Repository {
	repo := must(remote.NewRepository(w.ref.Context().Name()))(w.t)
	repo.PlainHTTP = true
	repo.SkipReferrersGC = true
	return repo
}

// refer attaches with oras-go: blobs, PackManifest, and its own way with the
// fallback tag.
func (w *world) refer(subject ocispec.Descriptor, artifactType, layerType string, data []byte, annotations map[string]string) ocispec.Descriptor {
	w.t.Helper()
	ctx := w.t.Context()
	repo := w.oras()
	layer := must(oras.PushBytes(ctx, repo, layerType, data))(w.t)
	desc, err := oras.PackManifest(ctx, repo, oras.PackManifestVersion1_1, artifactType, oras.PackManifestOptions{
		Subject: &subject, Layers: []ocispec.Descriptor{layer}, ManifestAnnotations: annotations})
	check(w.t, err)
	w.reset()
	return desc
}

// cosignTag pushes what cosign would have, with go-containerregistry as cosign does.
func (w *world) cosignTag(tag string, layers ...mutate.Addendum) v1.Hash {
	w.t.Helper()
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image = must(mutate.Append(image, layers...))(w.t)
	check(w.t, ggcr.Write(w.ref.Context().Tag(tag), image))
	w.reset()
	return must(image.Digest())(w.t)
}

// testKeys are one key of each kind.
func testKeys(t *testing.T) map[string]crypto.Signer {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	return map[string]crypto.Signer{"ECDSA P-256": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), "Ed25519": ed}
}

func ecdsaKey(t *testing.T) crypto.Signer { return testKeys(t)["ECDSA P-256"] }

// envelope signs with sigstore's own DSSE signer.
func envelope(t *testing.T, key crypto.Signer, statement []byte) []byte {
	t.Helper()
	s := must(signature.LoadSigner(key, crypto.SHA256))(t)
	return must(sigdsse.WrapSigner(s, typeInToto).SignMessage(bytes.NewReader(statement)))(t)
}

// inToto is a statement as other tools write it.
func inToto(t *testing.T, version, predicateType string, predicate any, digests ...string) []byte {
	t.Helper()
	var subjects []map[string]any
	for _, d := range digests {
		alg, hex, _ := strings.Cut(d, ":")
		subjects = append(subjects, map[string]any{"name": "registry.example/run", "digest": map[string]string{alg: hex}})
	}
	return must(json.Marshal(map[string]any{"_type": version, "subject": subjects, "predicateType": predicateType, "predicate": predicate}))(t)
}

// simpleSigned is cosign's signature of a digest.
func simpleSigned(t *testing.T, key crypto.Signer, of string) mutate.Addendum {
	t.Helper()
	payload := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":"registry.example/run"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, of)
	s := must(signature.LoadSigner(key, crypto.SHA256))(t)
	sig := must(s.SignMessage(strings.NewReader(payload)))(t)
	return layerOf([]byte(payload), typeSimpleSigning, map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(sig)})
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fixtures are the same kind of document in each format. They say nothing of the
// image that they once described.
func fixtures(t testing.TB) map[sbom.Format][]byte {
	return map[sbom.Format][]byte{
		sbom.CycloneDX: anonymous(fixture(t, "centos-7-cyclonedx.json")),
		sbom.SPDX:      anonymous(fixture(t, "centos-7-spdx.json")),
		sbom.Syft:      anonymous(fixture(t, "alpine.syft.json")),
	}
}

// anonymous makes other keys of those by which a document says which image it is about.
func anonymous(data []byte) []byte {
	for _, key := range []string{"ImageID", "DiffID", "imageID", "manifestDigest", "repoDigests", `"layers`} {
		data = bytes.ReplaceAll(data, []byte(key), []byte(key+"-once"))
	}
	return data
}

// outcomes are what was searched, in the short form of run-image.toml.
func outcomes(r *Result) []string {
	var all []string
	for _, f := range r.Searched {
		all = append(all, string(f.Carrier)+" "+string(f.Result))
	}
	return all
}

func shortCtx(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// must unwraps a result or fails the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package attach

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sigstore/sigstore/pkg/signature"
	sigdsse "github.com/sigstore/sigstore/pkg/signature/dsse"
)

var fuzzSubject = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}

// fuzzSearch is a search whose registry answers every request with the same bytes.
func fuzzSearch(answer []byte, contentType string) *search {
	repo, err := name.NewRepository("127.0.0.1:1/base/run")
	if err != nil {
		panic(err)
	}
	limits := Limits{SBOM: 1 << 20}.orDefault()
	s := &search{finder: &Finder{}, limits: limits, Subject: Subject{Digest: fuzzSubject}}
	s.repo = newRepository(repo, &registry.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, Request: r, ContentLength: int64(len(answer)),
			Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(bytes.NewReader(answer)),
		}, nil
	})}, limits)
	return s
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// sound is what must hold of every finding, whatever a registry sends.
func sound(t *testing.T, all []Finding) {
	t.Helper()
	for _, f := range all {
		if (f.Result == Found) != (f.Document != nil) {
			t.Errorf("%s with document %v", f.Result, f.Document)
		}
		if f.Result != Found && f.Result != None && f.Detail == "" {
			t.Errorf("%s without a reason", f.Result)
		}
		if len(f.Detail) > 1000 {
			t.Errorf("a reason of %d bytes", len(f.Detail))
		}
	}
}

func FuzzReferrersIndex(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:4444444444444444444444444444444444444444444444444444444444444444","size":7,"artifactType":"application/spdx+json"}]}`))
	f.Add([]byte(`{"manifests":[{"digest":"../../etc","size":-1,"artifactType":"application/vnd.in-toto+json"},{}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := fuzzSearch(data, ocispec.MediaTypeImageIndex)
		all := s.referrers(context.Background())
		sound(t, all)
		if len(all) == 0 || len(all) > 2*s.limits.Candidates+2 {
			t.Errorf("%d findings", len(all))
		}
	})
}

func FuzzArtifactManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"artifactType":"application/spdx+json","config":{"digest":"sha256:44","size":2},"layers":[{"mediaType":"application/spdx+json","digest":"sha256:44","size":9}],"subject":{"digest":"sha256:` + fuzzSubject.Hex + `"}}`))
	f.Add([]byte(`{"layers":[{"mediaType":"application/vnd.dsse.envelope.v1+json","digest":"sha256:44","size":9,"annotations":{"predicateType":"https://spdx.dev/Document"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := fuzzSearch([]byte("{}"), "application/octet-stream")
		sound(t, s.read(context.Background(), artifact{manifest: data, store: s.repo, bound: true, Finding: Finding{Carrier: Referrer}}))
	})
}

// FuzzAttestation covers bundles, envelopes, statements and the forms of
// predicates: what is found in one must name the subject.
func FuzzAttestation(f *testing.F) {
	cdx := `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1}`
	statement := func(predicate string) string {
		return `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://cyclonedx.org/bom","subject":[{"digest":{"sha256":"` + fuzzSubject.Hex + `"}}],"predicate":` + predicate + `}`
	}
	quoted, err := json.Marshal(cdx)
	if err != nil {
		f.Fatal(err)
	}
	key, err := signature.LoadSigner(ed25519.NewKeyFromSeed(make([]byte, 32)), 0)
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range []string{cdx, string(quoted), `{"Data":` + cdx + `,"Timestamp":"2022-08-19T08:00:00Z"}`, `{"Data":` + string(quoted) + `}`, "null", `{"Data":7}`} {
		f.Add([]byte(statement(p)))
		e, err := sigdsse.WrapSigner(key, typeInToto).SignMessage(strings.NewReader(statement(p)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e)
	}
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AA=="}]}}`))
	f.Add(fixture(f, "centos-7-cyclonedx.intoto.jsonl"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := fuzzSearch(nil, "")
		st, _, err := s.attested(context.Background(), data)
		if err != nil {
			return
		}
		if s.namesSubject(st, Signature{}) == nil && !strings.Contains(strings.ToLower(strings.Join(st.digests(), " ")), fuzzSubject.Hex) {
			t.Error("believed about another subject")
		}
		predicate, err := decodePredicate(st.Predicate)
		if err == nil && len(predicate) > 2*len(data)+64 {
			t.Errorf("a predicate of %d bytes out of %d", len(predicate), len(data))
		}
	})
}

// FuzzTag covers what a publisher reads of the tags that it shares: nothing that is
// in one may be lost, and what was added is there the second time.
func FuzzTag(f *testing.F) {
	entry := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: "sha256:" + "5555555555555555555555555555555555555555555555555555555555555555", Size: 5}
	f.Add(true, []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:4444444444444444444444444444444444444444444444444444444444444444","size":7}]}`))
	f.Add(false, []byte(`{"schemaVersion":2,"config":{"digest":"sha256:44","size":2},"layers":[{"mediaType":"application/vnd.dsse.envelope.v1+json","digest":"sha256:44","size":9}]}`))
	f.Add(true, []byte(`{"manifests":[{},{}]}`))
	f.Add(true, []byte(`{"schemaVersion":2,"layers":[{"digest":"sha256:44","size":9}]}`)) // a manifest that says it is an index
	f.Fuzz(func(t *testing.T, isIndex bool, data []byte) {
		m, media := mergeReferrers([]ocispec.Descriptor{entry}), ocispec.MediaTypeImageIndex
		if !isIndex {
			media = ocispec.MediaTypeImageManifest
			m = appendLayers(layerToAdd{packedBlob{desc: entry}, func(ocispec.Descriptor) bool { return false }})
		}
		entries := func(data []byte) []ocispec.Descriptor {
			var all struct{ Manifests, Layers []ocispec.Descriptor }
			switch {
			case json.Unmarshal(data, &all) != nil:
				return nil
			case isIndex: // what else stands in it is none of an index
				return all.Manifests
			}
			return all.Layers
		}
		next, err := m(&tagged{ocispec.Descriptor{MediaType: media}, data})
		if err != nil || next == nil {
			return
		}
		now := entries(next.data)
		has := func(want ocispec.Descriptor) bool {
			return slices.ContainsFunc(now, func(d ocispec.Descriptor) bool { return d.Digest == want.Digest })
		}
		for _, d := range append(entries(data), entry) {
			if !has(d) {
				t.Errorf("%s is lost", d.Digest)
			}
		}
		if again, err := m(&tagged{ocispec.Descriptor{MediaType: media}, next.data}); err != nil || again != nil {
			t.Errorf("a second time: %v, %v", again, err)
		}
	})
}

func FuzzSimpleSigning(f *testing.F) {
	f.Add([]byte(`{"critical":{"identity":{"docker-reference":"r"},"image":{"docker-manifest-digest":"sha256:44"},"type":"cosign container image signature"},"optional":null}`))
	f.Add([]byte(`{"critical":{"type":"atomic container signature"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		digest, err := decodeSimpleSigning(data)
		if err != nil && digest != "" {
			t.Errorf("digest %q and error %v", digest, err)
		}
	})
}

func FuzzLayer(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	body := `{"bomFormat":"CycloneDX"}`
	_ = w.WriteHeader(&tar.Header{Name: "cnb/sbom/a.cdx.json", Size: int64(len(body)), Mode: 0o644, Typeflag: tar.TypeReg})
	_, _ = io.WriteString(w, body)
	_ = w.Close()
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:600])
	f.Add([]byte("not a tar"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		files, err := readLayer(bytes.NewReader(data), layerDir, limit)
		if err != nil {
			return
		}
		for _, file := range files {
			if len(file.data) > limit || strings.ContainsAny(file.name, "/\\") && strings.Contains(file.name, "..") {
				t.Errorf("%q of %d bytes", file.name, len(file.data))
			}
		}
	})
}

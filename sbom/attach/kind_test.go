package attach

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// harbor attaches as Harbor does: an image whose configuration has the accessory's type, and whose layer,
// of the type of a layer of files, is the document.
func harbor(t *testing.T, w *world, subject ocispec.Descriptor, data []byte) {
	t.Helper()
	image := must(mutate.Append(empty.Image, mutate.Addendum{
		Layer: static.NewLayer(data, types.OCILayer), History: v1.History{Author: "harbor", CreatedBy: "harbor"}}))(t)
	image = mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), typeHarborSBOM)
	image = mutate.Annotations(image, map[string]string{"created-by": "Harbor", "org.opencontainers.artifact.description": "SPDX JSON SBOM"}).(v1.Image)
	image = mutate.Subject(image, v1.Descriptor{MediaType: types.MediaType(subject.MediaType), Digest: hash(subject.Digest.String()), Size: subject.Size}).(v1.Image)
	check(t, ggcr.Write(w.ref.Context().Digest(must(image.Digest())(t).String()), image))
	w.reset()
}

func zipped(t *testing.T, data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_ = must(z.Write(data))(t)
	check(t, z.Close())
	return b.Bytes()
}

// TestOtherCarriers finds SBOMs in artifacts whose type does not name a format, and in those of types that nobody
// knows, by their content.
func TestOtherCarriers(t *testing.T) {
	refer := func(artifactType, layerType string, f sbom.Format) func(*testing.T, *world, ocispec.Descriptor) {
		return func(t *testing.T, w *world, subject ocispec.Descriptor) {
			w.refer(subject, artifactType, layerType, fixtures(t)[f], nil)
		}
	}
	tag := func(layerType string) func(*testing.T, *world, ocispec.Descriptor) {
		return func(t *testing.T, w *world, subject ocispec.Descriptor) {
			w.cosignTag(strings.Replace(subject.Digest.String(), ":", "-", 1)+".sbom", layerOf(fixtures(t)[sbom.SPDX], layerType, nil))
		}
	}
	for _, c := range []struct {
		name    string
		carrier Carrier
		format  sbom.Format
		put     func(*testing.T, *world, ocispec.Descriptor)
	}{
		{"Harbor's accessory", Referrer, sbom.SPDX, func(t *testing.T, w *world, s ocispec.Descriptor) { harbor(t, w, s, fixtures(t)[sbom.SPDX]) }},
		{"Harbor's type by oras", Referrer, sbom.SPDX, refer(typeHarborSBOM, "application/octet-stream", sbom.SPDX)},
		{"OCI's type", Referrer, sbom.CycloneDX, refer(typeOCISBOM, "application/json", sbom.CycloneDX)},
		{"OCI's type of artifact and layer", Referrer, sbom.Syft, refer(typeOCISBOM, typeOCISBOM, sbom.Syft)},
		{"OCI's type in capitals", Referrer, sbom.Syft, refer("application/vnd.oci.SBOM.v1+JSON", "text/plain", sbom.Syft)},
		{"cosign's type, a layer of any type", Referrer, sbom.SPDX, refer(typeCosignSBOM, "application/octet-stream", sbom.SPDX)},
		{"a known layer in an unknown artifact", Referrer, sbom.CycloneDX, refer("application/vnd.example.report", sbom.CycloneDX.MediaType(), sbom.CycloneDX)},
		{"an unknown type", Referrer, sbom.CycloneDX, refer("application/vnd.example.report", "application/octet-stream", sbom.CycloneDX)},
		{"an unknown type that says JSON", Referrer, sbom.SPDX, refer("application/json", "application/json", sbom.SPDX)},
		{"an unknown type, a layer called a tar archive", Referrer, sbom.Syft, refer("application/vnd.example.report", string(types.OCILayer), sbom.Syft)},
		{"an unknown type, tag-value", Referrer, sbom.SPDX, func(t *testing.T, w *world, s ocispec.Descriptor) {
			w.refer(s, "application/vnd.example.report", "text/plain", anonymous(fixture(t, "centos-7-spdx.txt")), nil)
		}},
		{"an unknown type, an attestation", Referrer, sbom.SPDX, func(t *testing.T, w *world, s ocispec.Descriptor) {
			statement := inToto(t, statementV1, predicateSPDX, json.RawMessage(fixtures(t)[sbom.SPDX]), s.Digest.String())
			w.refer(s, "application/vnd.example.evidence", "application/json", envelope(t, ecdsaKey(t), statement), nil)
		}},
		{"cosign's tag, a layer of any type", CosignSBOM, sbom.SPDX, tag("application/octet-stream")},
		{"cosign's tag, a layer called JSON", CosignSBOM, sbom.SPDX, tag("application/json")},
	} {
		for kind, handler := range registries {
			for where, opts := range map[string][]worldOption{"image": nil, "index": {indexed}} {
				t.Run(c.name+"/"+kind+"/"+where, func(t *testing.T) {
					w := newWorld(t, handler(), opts...)
					c.put(t, w, w.subjectDesc(where == "index"))
					r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
					if r.Found == nil {
						t.Fatalf("nothing found: %v", r.Missing("run"))
					}
					if r.Found.Carrier != c.carrier || r.Found.Document.Format != c.format {
						t.Errorf("found %s in %s, want %s in %s", r.Found.Document.Format, r.Found.Carrier, c.format, c.carrier)
					}
				})
			}
		}
	}
}

// TestForeignAttestationOfAnother: an attestation in an artifact of unknown type must name the image, too.
func TestForeignAttestationOfAnother(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	statement := inToto(t, statementV1, predicateSPDX, json.RawMessage(fixtures(t)[sbom.SPDX]), "sha256:"+strings.Repeat("0", 64))
	w.refer(w.subjectDesc(false), "application/vnd.example.evidence", "application/json", envelope(t, ecdsaKey(t), statement), nil)
	r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	if r.Found != nil || r.Searched[0].Result != WrongSubject {
		t.Errorf("searched %v", outcomes(r))
	}
}

// TestForeignUnsigned: with keys, what an artifact of unknown type holds must be signed as well.
func TestForeignUnsigned(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	w.refer(w.subjectDesc(false), "application/vnd.example.report", "application/json", fixtures(t)[sbom.SPDX], nil)
	f := &Finder{Trust: Trust{Keys: publicOf(ecdsaKey(t))}}
	r := must(f.Find(shortCtx(t), w.subject()))(t)
	if r.Found != nil || r.Searched[0].Result != Unsigned {
		t.Errorf("searched %v", outcomes(r))
	}
}

// TestPassedOver: every referrer that is no SBOM is named with its type and why, whether or not there is an SBOM.
func TestPassedOver(t *testing.T) {
	for kind, handler := range registries {
		for _, with := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/SBOM %v", kind, with), func(t *testing.T) {
				w := newWorld(t, handler())
				s := w.subjectDesc(false)
				provenance := inToto(t, statementV1, "https://slsa.dev/provenance/v1", map[string]string{"a": "b"}, s.Digest.String())
				w.refer(s, "application/vnd.cncf.notary.signature", "application/jose+json", []byte("{}"), nil)
				w.refer(s, typeBundle, typeBundle, sigstoreBundle(t, ecdsaKey(t), provenance), map[string]string{annotationBundlePredicate: "https://slsa.dev/provenance/v1"})
				w.refer(s, typeInToto, typeEnvelope, envelope(t, ecdsaKey(t), provenance), nil)
				w.refer(s, "application/vnd.example.text", "text/plain", []byte("nothing of the kind"), nil)
				w.refer(s, "application/vnd.example.json", "application/json", []byte(`{"version": 1}`), nil)
				w.refer(s, "application/vnd.example.tar", string(types.OCILayer), zipped(t, bytes.Repeat([]byte("\x00name"), 1000)), nil)
				if with {
					w.refer(s, sbom.SPDX.MediaType(), sbom.SPDX.MediaType(), fixtures(t)[sbom.SPDX], nil)
				}
				r := must(new(Finder).FindAll(shortCtx(t), w.subject()))(t)
				if (r.Found != nil) != with {
					t.Fatalf("found %v", r.Found)
				}
				var got []string
				for _, f := range r.Searched {
					if f.Carrier == Referrer && f.Result == UnknownType {
						got = append(got, f.Detail)
						if f.Digest.Hex == "" {
							t.Errorf("%s has no digest", f.Detail)
						}
					}
				}
				slices.Sort(got)
				want := []string{
					"application/vnd.cncf.notary.signature: a signature",
					typeBundle + ": its predicate is https://slsa.dev/provenance/v1",
					"application/vnd.example.json: it holds no SBOM",
					"application/vnd.example.tar: it holds no SBOM",
					"application/vnd.example.text: it holds no SBOM",
					typeInToto + ": it holds no SBOM of the image",
				}
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("passed over:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				one := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
				named := 0
				for _, s := range one.Searched {
					if s.Result == "unknown-type" {
						named++
					}
				}
				// What is read after the SBOM is not looked into.
				if least := len(want) - 1; named < least {
					t.Errorf("Find names %d, want at least %d: %v", named, least, outcomes(one))
				}
			})
		}
	}
}

// TestForeignBounds: of unknown types the newest few are looked into, and not more of them is read than tells
// what they are.
// The list is that of the fallback tag, which says what referrers are and when they were made.
func TestForeignBounds(t *testing.T) {
	w := newWorld(t, ggcrRegistry(false))
	s := w.subjectDesc(false)
	big := append([]byte("\x7fELF"), make([]byte, 1<<20)...)
	for i := range 100 {
		data := append(slices.Clone(big), fmt.Sprint(i)...)
		w.refer(s, fmt.Sprintf("application/vnd.example.n%d", i), "application/octet-stream", data, map[string]string{ocispec.AnnotationCreated: fmt.Sprintf("2026-01-01T00:%02d:%02dZ", i/60, i%60)})
	}
	r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	looked, named, rest := []string{}, 0, ""
	for _, f := range r.Searched {
		switch {
		case strings.HasSuffix(f.Detail, "it holds no SBOM"):
			looked = append(looked, f.Detail[:len("application/vnd.example.n99")])
		case strings.Contains(f.Detail, "only the newest 4"):
			named++
		case f.Result == UnknownType:
			rest = f.Detail
		}
	}
	if want := "application/vnd.example.n99 application/vnd.example.n98 application/vnd.example.n97 application/vnd.example.n96"; strings.Join(looked, " ") != want {
		t.Errorf("looked into %v, want %s", looked, want)
	}
	if named != maxPassed || rest != fmt.Sprintf("%d more referrers are of other types", 100-maxForeign-maxPassed) {
		t.Errorf("%d named, then %q", named, rest)
	}
	if got, most := len(w.seen()), 6+2*maxForeign; got > most {
		t.Errorf("%d requests, want at most %d", got, most)
	}
}

// TestForeignNewest: an SBOM in the newest of several artifacts of unknown types is found.
func TestForeignNewest(t *testing.T) {
	w := newWorld(t, ggcrRegistry(false))
	s := w.subjectDesc(false)
	for i := range 20 {
		w.refer(s, "application/vnd.example.report", "application/json", fmt.Appendf(nil, `{"n": %d}`, i), map[string]string{ocispec.AnnotationCreated: fmt.Sprintf("2026-01-01T00:00:%02dZ", i)})
	}
	w.refer(s, "application/vnd.example.report", "application/json", fixtures(t)[sbom.SPDX], map[string]string{ocispec.AnnotationCreated: "2026-01-02T00:00:00Z"})
	r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	if r.Found == nil {
		t.Errorf("searched %v", outcomes(r))
	}
}

// TestRequestsBesideSignatures: signatures and the like cost no request.
func TestRequestsBesideSignatures(t *testing.T) {
	for kind, handler := range map[string]func() http.Handler{"with the API": func() http.Handler { return ggcrRegistry(true) }, "without": func() http.Handler { return ggcrRegistry(false) }} {
		w := newWorld(t, handler())
		s := w.subjectDesc(false)
		w.refer(s, "application/vnd.cncf.notary.signature", "application/jose+json", []byte("{}"), nil)
		w.refer(s, typeBundle, typeBundle, []byte("{}"), map[string]string{annotationBundlePredicate: "https://slsa.dev/provenance/v1"})
		must(new(Finder).Find(shortCtx(t), w.subject()))(t)
		if got := w.seen(); len(got) > 6 {
			t.Errorf("%s: %d requests, want at most 6:\n%s", kind, len(got), strings.Join(got, "\n"))
		}
	}
}

// TestSizeLimit: what can be attached can be found, and what is larger is refused by both.
func TestSizeLimit(t *testing.T) {
	if got := (Limits{}).orDefault().SBOM; got != format.MaxSize || format.MaxSize != 128<<20 {
		t.Errorf("found up to %d bytes, attached up to %d", got, format.MaxSize)
	}
	large := append(slices.Clone(fixtures(t)[sbom.SPDX]), bytes.Repeat([]byte("\n"), format.MaxSize)...)
	_, err := newDocument(large, "large.spdx.json", "amd64")
	if err == nil || !strings.Contains(err.Error(), "larger than 128 MiB") {
		t.Errorf("attaching %d bytes: %v", len(large), err)
	}
	fits := append(slices.Clone(fixtures(t)[sbom.SPDX]), bytes.Repeat([]byte("\n"), format.MaxSize*7/8)...)
	p := &plan{signer: must(newSigner(ecdsaKey(t)))(t)}
	if _, err := p.pack(typeBundle, blobOf(typeBundle, append(fits, bytes.Repeat([]byte("\n"), format.MaxSize/4)...)), p.created, nil); err == nil || !strings.Contains(err.Error(), "128 MiB") {
		t.Errorf("a bundle that no build reads is made: %v", err)
	}
}

// FuzzPromising feeds the beginnings of blobs: what a reader of SBOMs understands is looked into.
func FuzzPromising(f *testing.F) {
	for _, s := range []string{`{"bomFormat": "CycloneDX", "specVersion": "1.6"}`, "\xef\xbb\xbf {\"spdxVersion\": \"SPDX-2.3\"}", "<?xml", "SPDXVersion: SPDX-2.3\n", "\x1f\x8b\x08", "\x28\xb5\x2f\xfd", "# comment\nSPDXVersion: SPDX-2.3\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > sniffed {
			return // white space may fill what is looked at
		}
		if _, err := format.Identify(data); err == nil && !mayBeSBOM(data, "application/octet-stream") {
			t.Errorf("%q is an SBOM, and would not be looked into", data)
		}
	})
}

package attach

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/baseplan/baseplan/sbom"
)

func layerOf(data []byte, mediaType string, annotations map[string]string) mutate.Addendum {
	return mutate.Addendum{Layer: static.NewLayer(data, types.MediaType(mediaType)), MediaType: types.MediaType(mediaType), Annotations: annotations}
}

// A carried case puts an SBOM somewhere with the standard's own library.
type carried struct {
	name    string
	carrier Carrier
	format  sbom.Format
	put     func(t *testing.T, w *world, ofIndex bool)
}

func carriedCases() []carried {
	bare := func(f sbom.Format) func(*testing.T, *world, bool) {
		return func(t *testing.T, w *world, ofIndex bool) {
			w.refer(w.subjectDesc(ofIndex), f.MediaType(), f.MediaType(), fixtures(t)[f], nil)
		}
	}
	tag := func(w *world, ofIndex bool, suffix string) string {
		return strings.Replace(w.subjectDesc(ofIndex).Digest.String(), ":", "-", 1) + suffix
	}
	att := func(predicateType string, predicate func(t *testing.T) any, version string) func(*testing.T, *world, bool) {
		return func(t *testing.T, w *world, ofIndex bool) {
			statement := inToto(t, version, predicateType, predicate(t), w.subjectDesc(ofIndex).Digest.String())
			w.cosignTag(tag(w, ofIndex, ".att"),
				layerOf(envelope(t, ecdsaKey(t), inToto(t, version, "https://slsa.dev/provenance/v1", map[string]string{"a": "b"}, w.subjectDesc(ofIndex).Digest.String())), typeEnvelope, map[string]string{"predicateType": "https://slsa.dev/provenance/v1"}),
				layerOf(envelope(t, ecdsaKey(t), statement), typeEnvelope, map[string]string{"predicateType": predicateType}))
		}
	}
	raw := func(f sbom.Format) func(*testing.T) any {
		return func(t *testing.T) any { return json.RawMessage(fixtures(t)[f]) }
	}
	return []carried{
		{"CycloneDX artifact by oras", Referrer, sbom.CycloneDX, bare(sbom.CycloneDX)},
		{"SPDX artifact by oras", Referrer, sbom.SPDX, bare(sbom.SPDX)},
		{"Syft artifact by oras", Referrer, sbom.Syft, bare(sbom.Syft)},
		{"cosign's artifact", Referrer, sbom.SPDX, func(t *testing.T, w *world, ofIndex bool) {
			w.refer(w.subjectDesc(ofIndex), typeCosignSBOM, "text/spdx+json", fixtures(t)[sbom.SPDX], nil)
		}},
		{"Sigstore bundle", Referrer, sbom.CycloneDX, func(t *testing.T, w *world, ofIndex bool) {
			statement := inToto(t, statementV1, predicateCycloneDX, json.RawMessage(fixtures(t)[sbom.CycloneDX]), w.subjectDesc(ofIndex).Digest.String())
			w.refer(w.subjectDesc(ofIndex), typeBundle, typeBundle, sigstoreBundle(t, ecdsaKey(t), statement), map[string]string{
				annotationBundleContent: "dsse-envelope", annotationBundlePredicate: predicateCycloneDX})
		}},
		{"DSSE envelope without annotations", Referrer, sbom.SPDX, func(t *testing.T, w *world, ofIndex bool) {
			statement := inToto(t, statementV01, predicateSPDX, json.RawMessage(fixtures(t)[sbom.SPDX]), w.subjectDesc(ofIndex).Digest.String())
			w.refer(w.subjectDesc(ofIndex), typeInToto, typeEnvelope, envelope(t, ecdsaKey(t), statement), nil)
		}},
		{"in-toto statement with BuildKit's artifact type", Referrer, sbom.SPDX, func(t *testing.T, w *world, ofIndex bool) {
			statement := inToto(t, statementV1, predicateSPDX+"/v2.3", json.RawMessage(fixtures(t)[sbom.SPDX]), w.subjectDesc(ofIndex).Digest.String())
			w.refer(w.subjectDesc(ofIndex), typeBuildKit, typeInToto, statement, nil)
		}},
		{".sbom", CosignSBOM, sbom.CycloneDX, func(t *testing.T, w *world, ofIndex bool) {
			w.cosignTag(tag(w, ofIndex, ".sbom"),
				layerOf(fixtures(t)[sbom.Syft], sbom.Syft.MediaType(), map[string]string{annotationScope: "path=/app"}),
				layerOf(fixtures(t)[sbom.CycloneDX], sbom.CycloneDX.MediaType(), nil))
		}},
		{".att with an object", CosignAttestation, sbom.CycloneDX, att(predicateCycloneDX, raw(sbom.CycloneDX), statementV01)},
		{".att with a string", CosignAttestation, sbom.SPDX, att(predicateSPDX, func(t *testing.T) any { return string(fixtures(t)[sbom.SPDX]) }, statementV01)},
		{".att with tag-value in a string", CosignAttestation, sbom.SPDX, att(predicateSPDX, func(t *testing.T) any { return string(anonymous(fixture(t, "centos-7-spdx.txt"))) }, statementV01)},
		{".att with Data and Timestamp", CosignAttestation, sbom.CycloneDX, att(predicateCycloneDX, func(t *testing.T) any {
			return map[string]any{"Data": json.RawMessage(fixtures(t)[sbom.CycloneDX]), "Timestamp": "2022-08-19T08:00:00Z"}
		}, statementV01)},
		{".att of type custom, Syft in a string", CosignAttestation, sbom.Syft, att(predicateCustom, func(t *testing.T) any {
			return map[string]any{"Data": string(fixtures(t)[sbom.Syft]), "Timestamp": "2022-08-19T08:00:00Z"}
		}, statementV01)},
		{".att of type custom, not an SBOM, beside it", CosignAttestation, sbom.CycloneDX, func(t *testing.T, w *world, ofIndex bool) {
			subject := w.subjectDesc(ofIndex).Digest.String()
			w.cosignTag(tag(w, ofIndex, ".att"),
				layerOf(envelope(t, ecdsaKey(t), inToto(t, statementV01, predicateCycloneDX, json.RawMessage(fixtures(t)[sbom.CycloneDX]), subject)), typeEnvelope, nil),
				layerOf(envelope(t, ecdsaKey(t), inToto(t, statementV01, predicateCustom, map[string]string{"Data": "tests passed"}, subject)), typeEnvelope, nil))
		}},
	}
}

// TestFind finds what oras-go, go-containerregistry and sigstore's libraries
// have attached, on every kind of registry.
func TestFind(t *testing.T) {
	for kind, handler := range registries {
		for _, c := range carriedCases() {
			for where, opts := range map[string][]worldOption{"image": nil, "manifest in index": {indexed}, "index": {indexed}} {
				t.Run(kind+"/"+c.name+"/"+where, func(t *testing.T) {
					w := newWorld(t, handler(), opts...)
					c.put(t, w, where == "index")
					r, err := new(Finder).Find(shortCtx(t), w.subject())
					check(t, err)
					if r.Found == nil {
						t.Fatalf("nothing found: %v", r.Missing("run"))
					}
					if r.Found.Carrier != c.carrier || r.Found.Document.Format != c.format {
						t.Errorf("found %s in %s, want %s in %s", r.Found.Document.Format, r.Found.Carrier, c.format, c.carrier)
					}
					if want := w.subjectDesc(where == "index").Digest.String(); r.Found.Subject.String() != want {
						t.Errorf("found for subject %s, want %s", r.Found.Subject, want)
					}
					all, err := new(Finder).FindAll(shortCtx(t), w.subject())
					check(t, err)
					if all.Found == nil || all.Found.Reference != r.Found.Reference {
						t.Errorf("FindAll finds %v, Find %v", all.Found, r.Found.Reference)
					}
				})
			}
		}
	}
}

func buildkitIndex(statement func(subject string) []byte, of func(v1.Image) string) worldOption {
	return func(o *worldOptions) {
		o.indexed = true
		o.adorn = func(image v1.Image) []mutate.IndexAddendum {
			subject := of(image)
			attestation := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
			attestation, err := mutate.Append(attestation, layerOf(statement(subject), typeInToto, map[string]string{annotationLayerPredicate: predicateSPDX}))
			if err != nil {
				panic(err)
			}
			digest, err := image.Digest()
			if err != nil {
				panic(err)
			}
			return []mutate.IndexAddendum{{Add: attestation, Descriptor: v1.Descriptor{
				Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
				Annotations: map[string]string{annotationReferenceType: attestationManifest, annotationReferenceDigest: digest.String()},
			}}}
		}
	}
}

func ownDigest(image v1.Image) string {
	h, err := image.Digest()
	if err != nil {
		panic(err)
	}
	return h.String()
}

func TestFindBuildKit(t *testing.T) {
	statement := func(subject string) []byte {
		return inToto(t, statementV01, predicateSPDX, json.RawMessage(fixtures(t)[sbom.SPDX]), subject)
	}
	for kind, handler := range registries {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, handler(), buildkitIndex(statement, ownDigest))
			r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
			if r.Found == nil || r.Found.Carrier != BuildKit {
				t.Fatalf("want BuildKit's attestation, got %v", outcomes(r))
			}
			s := w.subject()
			s.Ref = nil // as from an OCI layout
			if r := must(new(Finder).Find(shortCtx(t), s))(t); r.Found == nil || r.Found.Carrier != BuildKit {
				t.Errorf("without a registry: want BuildKit's attestation, got %v", outcomes(r))
			}
		})
	}
	t.Run("of another image", func(t *testing.T) {
		w := newWorld(t, ggcrRegistry(true), buildkitIndex(statement, func(v1.Image) string { return "sha256:" + strings.Repeat("0", 64) }))
		r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
		want := []string{"referrer none", "referrer none", "cosign-sbom none", "cosign-attestation none", "cosign-sbom none", "cosign-attestation none", "buildkit wrong-subject", "layer none"}
		if diff := cmp.Diff(want, outcomes(r)); diff != "" {
			t.Error(diff)
		}
	})
}

// sbomLayer is a layer as other publishers make it (docs/design.md, "Where an inventory comes from").
func sbomLayer(t testing.TB, files map[string][]byte) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, data := range files {
		check(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), Typeflag: tar.TypeReg}))
		_, err := w.Write(data)
		check(t, err)
	}
	check(t, w.Close())
	return must(tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }))(t)
}

func TestFindLayer(t *testing.T) {
	layer := sbomLayer(t, map[string][]byte{
		"cnb/sbom/f1cb7c7d.cdx.json":  fixtures(t)[sbom.CycloneDX],
		"cnb/sbom/f1cb7c7d.syft.json": fixtures(t)[sbom.Syft],
		"etc/os.spdx.json":            fixtures(t)[sbom.SPDX],
	})
	broken := sbomLayer(t, map[string][]byte{"./cnb/sbom/x.cdx.json": []byte("<html>busy</html>")})
	id := must(layer.DiffID())(t).String()
	for _, c := range []struct {
		name   string
		label  string
		layers []v1.Layer
		want   Outcome
		detail string
	}{
		{"last", id, []v1.Layer{layer}, Found, ""},
		{"followed by one", id, []v1.Layer{layer, broken}, Stale, "is followed by another"},
		{"not there", "sha256:" + strings.Repeat("1", 64), []v1.Layer{layer}, Stale, "is not a layer of the image"},
		{"no label", "", []v1.Layer{layer}, None, ""},
		{"label is no digest", "yes", []v1.Layer{layer}, Unreadable, "not the DiffID of a layer"},
		{"broken", must(broken.DiffID())(t).String(), []v1.Layer{broken}, Unreadable, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, ggcrRegistry(true), func(o *worldOptions) {
				o.layers = c.layers
				if c.label != "" {
					o.labels = map[string]string{SBOMLabel: c.label}
				}
			})
			r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
			last := r.Searched[len(r.Searched)-1]
			if last.Carrier != Layer || last.Result != c.want || !strings.Contains(last.Detail, c.detail) {
				t.Errorf("got %s %s %q, want layer %s %q", last.Carrier, last.Result, last.Detail, c.want, c.detail)
			}
			if c.want == Found && r.Found.Document.Format != sbom.Syft {
				t.Errorf("took %s, want the Syft document, which says most", r.Found.Document.Format)
			}
		})
	}
}

// A daemon gives the layer's directory by path, before any registry is asked.
func TestFindLayerOfDaemon(t *testing.T) {
	layer := sbomLayer(t, map[string][]byte{"cnb/sbom/bom.cdx.json": fixtures(t)[sbom.CycloneDX]})
	archive := sbomLayer(t, map[string][]byte{"sbom/bom.cdx.json": fixtures(t)[sbom.CycloneDX], "sbom/deeper/bom.syft.json": fixtures(t)[sbom.Syft]})
	w := newWorld(t, ggcrRegistry(true), func(o *worldOptions) {
		o.layers, o.labels = []v1.Layer{layer}, map[string]string{SBOMLabel: must(layer.DiffID())(t).String(), ProvidesLabel: declaration}
	})
	s := w.subject()
	s.Config, s.Image = must(w.image.ConfigFile())(t), nil
	s.Archive = func(_ context.Context, path string) (io.ReadCloser, error) {
		if path != "/cnb/sbom" {
			t.Errorf("asked for %s", path)
		}
		return archive.Uncompressed()
	}
	r := must(new(Finder).Find(shortCtx(t), s))(t)
	if r.Found == nil || r.Found.Carrier != Layer || r.Found.Document.Format != sbom.CycloneDX || len(w.seen()) > 0 {
		t.Errorf("got %v after %v, want the layer and no request", outcomes(r), w.seen())
	}
	if r.Declaration == nil || string(r.Declaration.Data) != declaration {
		t.Errorf("the label's declaration is %v", r.Declaration)
	}
	s.Archive = func(context.Context, string) (io.ReadCloser, error) { return nil, fs.ErrNotExist }
	if r := must(new(Finder).Find(shortCtx(t), s))(t); r.Found != nil || r.Searched[0].Result != Unreadable {
		t.Errorf("got %v", outcomes(r))
	}
}

func TestFindPlatform(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true), indexed)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		check(t, os.WriteFile(p, data, 0o600))
		return p
	}
	file := write("any-name", fixtures(t)[sbom.SPDX])
	html := write("page.html", []byte("<html>"))
	byDigest := filepath.Join(dir, "by-digest")
	check(t, os.Mkdir(byDigest, 0o700))
	write("by-digest/"+strings.Replace(w.digest.String(), ":", "-", 1)+".cdx.json", fixtures(t)[sbom.CycloneDX])
	for _, c := range []struct {
		name, at string
		switched bool
		want     Outcome
		format   sbom.Format
	}{
		{"file", file, false, Found, sbom.SPDX},
		{"file, switched", file, true, None, ""},
		{"directory", byDigest, false, Found, sbom.CycloneDX},
		{"directory, switched", byDigest, true, Found, sbom.CycloneDX},
		{"directory without it", t.TempDir(), false, None, ""},
		{"missing", filepath.Join(dir, "nothing"), false, Unreadable, ""},
		{"not an SBOM", html, false, Unreadable, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := w.subject()
			s.Switched = c.switched
			f := &Finder{Platform: c.at, Trust: Trust{Keys: publicOf(ecdsaKey(t))}} // needs no signature
			r := must(f.Find(shortCtx(t), s))(t)
			if got := r.Searched[0]; got.Carrier != Platform || got.Result != c.want {
				t.Fatalf("got %s %s (%s), want platform %s", got.Carrier, got.Result, got.Detail, c.want)
			}
			if c.want == Found && r.Found.Document.Format != c.format {
				t.Errorf("got %s, want %s", r.Found.Document.Format, c.format)
			}
		})
	}
}

// TestFindPassesOver holds that nothing is passed over silently: each carrier is
// reported with what is wrong, and the next one is taken.
func TestFindPassesOver(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true), indexed)
	other := w.subjectDesc(false)
	other.Digest = "sha256:" + "0000000000000000000000000000000000000000000000000000000000000000"
	empty := []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[]}`)
	w.refer(w.subjectDesc(false), sbom.Syft.MediaType(), sbom.Syft.MediaType(), []byte("<html>busy</html>"), nil)
	w.refer(w.subjectDesc(false), sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), empty, nil)
	w.refer(w.subjectDesc(false), typeInToto, typeInToto, inToto(t, statementV1, predicateSPDX, json.RawMessage(fixtures(t)[sbom.SPDX]), other.Digest.String()), nil)
	w.refer(w.subjectDesc(true), sbom.SPDX.MediaType(), sbom.SPDX.MediaType(), fixtures(t)[sbom.SPDX], nil)
	w.refer(other, sbom.SPDX.MediaType(), sbom.SPDX.MediaType(), fixtures(t)[sbom.SPDX], nil)

	r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	want := []string{"referrer unreadable", "referrer empty", "referrer wrong-subject", "referrer found"}
	if diff := cmp.Diff(want, outcomes(r)); diff != "" {
		t.Error(diff)
	}
	for _, f := range r.Searched[:3] {
		if f.Detail == "" || f.Digest.Hex == "" {
			t.Errorf("%s: says %q about %q: want digest and reason", f.Result, f.Detail, f.Digest)
		}
	}

	s := w.subject()
	s.HasDatabase = func(context.Context) (bool, error) { return false, nil }
	if r := must(new(Finder).Find(shortCtx(t), s))(t); r.Found == nil || len(r.Found.Document.Packages) != 0 {
		t.Errorf("an empty SBOM of an image without packages is a statement: got %v", outcomes(r))
	}
	s.HasDatabase = func(context.Context) (bool, error) { return false, errors.New("disk on fire") }
	if r := must(new(Finder).Find(shortCtx(t), s))(t); !strings.Contains(r.Searched[1].Detail, "disk on fire") {
		t.Errorf("got %q, want the reason", r.Searched[1].Detail)
	}
}

// A fallback tag may list what is not about the image at all.
func TestFindDistrustsTheFallbackTag(t *testing.T) {
	w := newWorld(t, ggcrRegistry(false))
	other := w.subjectDesc(false)
	other.Digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	w.refer(other, sbom.SPDX.MediaType(), sbom.SPDX.MediaType(), fixtures(t)[sbom.SPDX], nil)
	repo := w.oras()
	desc, rc, err := repo.FetchReference(t.Context(), strings.Replace(other.Digest.String(), ":", "-", 1))
	check(t, err)
	data := must(io.ReadAll(rc))(t)
	check(t, repo.SetReferrersCapability(true))
	check(t, repo.PushReference(t.Context(), desc, bytes.NewReader(data), strings.Replace(w.digest.String(), ":", "-", 1)))
	r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	if r.Found != nil || r.Searched[0].Result != WrongSubject {
		t.Errorf("got %v, want wrong-subject", outcomes(r))
	}
}

// Best first: what says most, then the newest.
func TestFindPrefers(t *testing.T) {
	w := newWorld(t, registries["paged referrers"]())
	at := func(when string) map[string]string {
		return map[string]string{"org.opencontainers.image.created": when}
	}
	subject := w.subjectDesc(false)
	w.refer(subject, sbom.SPDX.MediaType(), sbom.SPDX.MediaType(), fixtures(t)[sbom.SPDX], at("2026-03-01T00:00:00Z"))
	w.refer(subject, sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), fixtures(t)[sbom.CycloneDX], at("2026-02-01T00:00:00Z"))
	newest := w.refer(subject, sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), fixtures(t)[sbom.CycloneDX], at("2026-02-03T00:00:00Z"))
	w.refer(subject, sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), fixtures(t)[sbom.CycloneDX], at("2026-02-02T00:00:00Z"))
	w.refer(subject, "application/vnd.example.signature", "application/octet-stream", []byte("x"), nil)
	r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	if r.Found == nil || r.Found.Digest.String() != newest.Digest.String() {
		t.Fatalf("took %v, want the newest CycloneDX %s", r.Found, newest.Digest)
	}
	all := must(new(Finder).FindAll(shortCtx(t), w.subject()))(t)
	if all.Found.Digest != r.Found.Digest {
		t.Errorf("FindAll takes %s, Find %s", all.Found.Digest, r.Found.Digest)
	}
}

func TestFindDeclaration(t *testing.T) {
	declared := []byte(`{"version":"1.0","provides":[{"name":"jre","evidence":["pkg:rpm/centos/bash"]}]}`)
	label := `{"version":"1.0","provides":[]}`
	w := newWorld(t, ggcrRegistry(true), func(o *worldOptions) { o.labels = map[string]string{ProvidesLabel: label} })
	r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	if r.Declaration == nil || string(r.Declaration.Data) != label {
		t.Fatalf("want the label's declaration, got %v", r.Declaration)
	}
	desc := w.refer(w.subjectDesc(false), DeclarationType, DeclarationType, declared, nil)
	r = must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	if r.Declaration == nil || !bytes.Equal(r.Declaration.Data, declared) {
		t.Fatalf("want the attached declaration, got %v %v", r.Declaration, r.Warnings)
	}
	key := ecdsaKey(t)
	f := &Finder{Trust: Trust{Keys: publicOf(key)}}
	if r = must(f.Find(shortCtx(t), w.subject()))(t); r.Declaration != nil || len(r.Warnings) != 2 {
		t.Errorf("neither is signed: want no declaration and two warnings, got %v %q", r.Declaration, r.Warnings)
	}
	w.cosignTag(strings.Replace(desc.Digest.String(), ":", "-", 1)+".sig", simpleSigned(t, key, desc.Digest.String()))
	if r = must(f.Find(shortCtx(t), w.subject()))(t); !bytes.Equal(r.Declaration.Data, declared) || r.Declaration.SignedBy == "" {
		t.Errorf("a signed declaration: got %s %v", r.Declaration.Data, r.Warnings)
	}
}

// An attestation that cosign itself made, of a CentOS image, as Trivy keeps it
// for its own tests.
func TestFindCosignsOwnAttestation(t *testing.T) {
	const centos = "sha256:be65f488b7764ad3638f236b7b515b3678369a5124c47b8d32916d6487418ea4"
	w := newWorld(t, ggcrRegistry(true))
	data := fixture(t, "centos-7-cyclonedx.intoto.jsonl")
	w.cosignTag(strings.Replace(centos, ":", "-", 1)+".att", layerOf(data, typeEnvelope, nil))
	w.cosignTag(strings.Replace(w.digest.String(), ":", "-", 1)+".att", layerOf(data, typeEnvelope, nil))
	s := w.subject()
	s.Digest, s.Image = hash(centos), nil
	s.Config = &v1.ConfigFile{RootFS: v1.RootFS{DiffIDs: []v1.Hash{hash("sha256:89169d87dbe2b72ba42bfbb3579c957322baca28e03a1e558076542a1c1b2b4a")}}}
	if r := must(new(Finder).Find(shortCtx(t), s))(t); r.Found == nil || r.Found.Carrier != CosignAttestation || len(r.Found.Document.Packages) == 0 {
		t.Errorf("its own image: %v", r.Missing("centos:7"))
	}
	r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	if f := r.Searched[2]; r.Found != nil || f.Result != WrongSubject || !strings.Contains(f.Detail, centos) {
		t.Errorf("another image: %s %s %q", f.Carrier, f.Result, f.Detail)
	}
}

func TestMissing(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	err := must(new(Finder).Find(shortCtx(t), w.subject()))(t).Missing("run:1")
	if !errors.Is(err, ErrNoSBOM) || !strings.Contains(err.Error(), "searched:\n  referrer: none\n") {
		t.Errorf("got %v", err)
	}
	w.refer(w.subjectDesc(false), sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), fixtures(t)[sbom.CycloneDX], nil)
	if err := must(new(Finder).Find(shortCtx(t), w.subject()))(t).Missing("run:1"); err != nil {
		t.Errorf("got %v", err)
	}
}

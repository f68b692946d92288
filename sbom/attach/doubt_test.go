package attach

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/baseplan/baseplan/sbom"
)

// cdxOf is an SBOM of one package for an architecture.
func cdxOf(name, arch string) []byte {
	return []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{"type":"library","name":"` + name +
		`","version":"1.0-1","purl":"pkg:deb/debian/` + name + `@1.0-1?arch=` + arch + `"}]}`)
}

// BuildKit lists SBOMs of build stages after the image's, all in its name
// (BUILDKIT_SBOM_SCAN_STAGE).
func TestFindBuildKitIgnoresStages(t *testing.T) {
	image := json.RawMessage(fixtures(t)[sbom.SPDX])
	stage := json.RawMessage(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"sbom-build-stage","packages":[{"name":"gcc","SPDXID":"SPDXRef-gcc","versionInfo":"12-1",` +
		`"externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:rpm/centos/gcc@12-1?arch=x86_64"}]}]}`)
	for name, first := range map[string]any{"image first": image, "broken first": map[string]any{"no": "SBOM"}} {
		t.Run(name, func(t *testing.T) {
			layer := func(subject string, predicate any) mutate.Addendum {
				return layerOf(inToto(t, statementV01, predicateSPDX, predicate, subject), typeInToto, map[string]string{annotationLayerPredicate: predicateSPDX})
			}
			w := newWorld(t, ggcrRegistry(true), indexed, func(o *worldOptions) {
				o.adorn = func(img v1.Image) []mutate.IndexAddendum {
					base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
					att := must(mutate.Append(base, layer(ownDigest(img), first), layer(ownDigest(img), stage)))(t)
					return []mutate.IndexAddendum{{Add: att, Descriptor: v1.Descriptor{Annotations: map[string]string{
						annotationReferenceType: attestationManifest, annotationReferenceDigest: ownDigest(img)}}}}
				}
			})
			for how, find := range map[string]func(context.Context, Subject) (*Result, error){"Find": new(Finder).Find, "FindAll": new(Finder).FindAll} {
				r := must(find(shortCtx(t), w.subject()))(t)
				for _, f := range r.Searched {
					if isFound(f) && f.Document.Packages[0].Name == "gcc" {
						t.Errorf("%s believes the SBOM of a build stage", how)
					}
				}
				if (r.Found != nil) != (name == "image first") {
					t.Errorf("%s: %v", how, outcomes(r))
				}
			}
		})
	}
}

// An SBOM of one platform that hangs on the index is not another platform's.
func TestFindOtherArchitecture(t *testing.T) {
	for _, c := range []struct {
		arch string
		want Outcome
	}{{"amd64", Found}, {"arm64", WrongSubject}, {"all", Found}, {"", Found}} {
		t.Run(c.arch, func(t *testing.T) {
			w := newWorld(t, ggcrRegistry(true), indexed)
			s := w.subject()
			s.Config = must(w.image.ConfigFile())(t).DeepCopy()
			s.Config.Architecture = "amd64"
			w.refer(w.subjectDesc(true), sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), cdxOf("curl", c.arch), nil)
			r := must(new(Finder).Find(shortCtx(t), s))(t)
			f := r.Searched[1]
			if r.Found != nil {
				f = *r.Found
			}
			if f.Result != c.want || c.want == WrongSubject && !strings.Contains(f.Detail, "for arm64, but the image is for amd64") {
				t.Errorf("got %s %q, want %s", f.Result, f.Detail, c.want)
			}
		})
	}
}

// A daemon's directory shows the SBOMs of all layers together.
func TestFindLayerOfDaemonDoubtsMixed(t *testing.T) {
	own := cdxOf("new", "amd64")
	for name, c := range map[string]struct {
		files map[string][]byte
		want  Outcome
	}{
		"of a lower layer":              {map[string][]byte{"sbom/2.cdx.json": own, "sbom/1.syft.json": fixtures(t)[sbom.Syft]}, Stale},
		"of a lower layer, ours broken": {map[string][]byte{"sbom/2.cdx.json": []byte("<html>"), "sbom/1.syft.json": fixtures(t)[sbom.Syft]}, Stale},
		"that agree":                    {map[string][]byte{"sbom/2.cdx.json": own, "sbom/3.cdx.json": own}, Found},
	} {
		t.Run(name, func(t *testing.T) {
			layer := sbomLayer(t, map[string][]byte{"cnb/sbom/2.cdx.json": own})
			w := newWorld(t, ggcrRegistry(true), func(o *worldOptions) {
				o.layers, o.labels = []v1.Layer{layer}, map[string]string{SBOMLabel: must(layer.DiffID())(t).String()}
			})
			s := w.daemon(t, c.files)
			s.Ref = nil
			r := must(new(Finder).Find(shortCtx(t), s))(t)
			if f := r.Searched[0]; f.Result != c.want || (r.Found != nil) != (c.want == Found) {
				t.Errorf("got %v, want %s", outcomes(r), c.want)
			}
		})
	}
}

// daemon is the world's image as a daemon has it, with these files.
func (w *world) daemon(t *testing.T, files map[string][]byte) Subject {
	t.Helper()
	s := w.subject()
	s.Config, s.Image, s.Index = must(w.image.ConfigFile())(t), nil, nil
	archive := sbomLayer(t, files)
	s.Archive = func(context.Context, string) (io.ReadCloser, error) { return archive.Uncompressed() }
	return s
}

// What a daemon has comes first, then the registry that its image is from.
func TestFindOrigin(t *testing.T) {
	layer := sbomLayer(t, map[string][]byte{"cnb/sbom/bom.cdx.json": fixtures(t)[sbom.CycloneDX]})
	asked := 0
	setUp := func(t *testing.T, label bool) (*world, Subject) {
		w := newWorld(t, ggcrRegistry(true), indexed, func(o *worldOptions) {
			o.layers = []v1.Layer{layer}
			if label {
				o.labels = map[string]string{SBOMLabel: must(layer.DiffID())(t).String()}
			}
		})
		w.refer(w.subjectDesc(true), sbom.SPDX.MediaType(), sbom.SPDX.MediaType(), fixtures(t)[sbom.SPDX], nil)
		w.refer(w.subjectDesc(false), DeclarationType, DeclarationType, []byte(declaration), nil)
		s := w.daemon(t, map[string][]byte{"sbom/bom.cdx.json": fixtures(t)[sbom.CycloneDX]})
		origin := Subject{Ref: s.Ref, Digest: s.Digest, Index: w.index}
		s.Ref, s.Digest = nil, must(w.image.ConfigName())(t)
		asked = 0
		s.Origin = func(context.Context) (Subject, error) { asked++; return origin, nil }
		return w, s
	}
	t.Run("near", func(t *testing.T) {
		w, s := setUp(t, true)
		r := must(new(Finder).Find(shortCtx(t), s))(t)
		if r.Found == nil || r.Found.Carrier != Layer || asked > 0 || len(w.seen()) > 0 {
			t.Errorf("got %v after %v", outcomes(r), w.seen())
		}
		r = must(new(Finder).FindAll(shortCtx(t), s))(t)
		want := []string{"layer found", "referrer none", "referrer found", "cosign-sbom none", "cosign-attestation none", "cosign-sbom none", "cosign-attestation none", "buildkit none"}
		if diff := cmp.Diff(want, outcomes(r)); diff != "" || r.Found.Carrier != Layer {
			t.Error(diff)
		}
	})
	t.Run("far", func(t *testing.T) {
		_, s := setUp(t, false)
		r := must(new(Finder).Find(shortCtx(t), s))(t)
		if diff := cmp.Diff([]string{"layer none", "referrer none", "referrer found"}, outcomes(r)); diff != "" {
			t.Error(diff)
		}
		if r.Declaration == nil || !bytes.Equal(r.Declaration.Data, []byte(declaration)) {
			t.Errorf("the declaration is %v", r.Declaration)
		}
	})
	t.Run("gone", func(t *testing.T) {
		_, s := setUp(t, false)
		s.Origin = func(context.Context) (Subject, error) { return Subject{}, errors.New("no such host") }
		r := must(new(Finder).Find(shortCtx(t), s))(t)
		if f := r.Searched[1]; r.Found != nil || f.Result != Unreachable || !strings.Contains(f.Detail, "no such host") {
			t.Errorf("got %v", r.Missing("run"))
		}
	})
	t.Run("hangs", func(t *testing.T) {
		_, s := setUp(t, false)
		s.Origin = func(ctx context.Context) (Subject, error) { <-ctx.Done(); return Subject{}, ctx.Err() }
		r := must((&Finder{Limits: Limits{Origin: 10 * time.Millisecond}}).Find(shortCtx(t), s))(t)
		if f := r.Searched[1]; r.Found != nil || f.Result != Unreachable || !strings.Contains(f.Detail, "no response within 10ms") {
			t.Errorf("got %v", r.Missing("run"))
		}
	})
}

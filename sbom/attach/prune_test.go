package attach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// deleting are registries that delete. The last deletes no tags, as docker's did before version 3.
var deleting = map[string]func() http.Handler{
	"referrers API":    func() http.Handler { return annotated(ggcrRegistry(true)) },
	"no referrers API": func() http.Handler { return ggcrRegistry(false) },
	"distribution 3":   func() http.Handler { return deletes(configuration.Parameters{"enabled": true}) },
	"no deletion of tags": func() http.Handler {
		return refuses(deletes(configuration.Parameters{"enabled": true}), func(reference string) bool { return !strings.Contains(reference, ":") })
	},
}

// annotated adds annotations to lists of referrers, which go-containerregistry's lack.
func annotated(base http.Handler) http.Handler {
	return intercept(base, func(w http.ResponseWriter, r *http.Request) bool {
		repo, _, ok := strings.Cut(r.URL.Path, "/referrers/")
		if !ok {
			return false
		}
		list := httptest.NewRecorder()
		base.ServeHTTP(list, r)
		var index ocispec.Index
		if json.Unmarshal(list.Body.Bytes(), &index) != nil {
			return false
		}
		for i, d := range index.Manifests {
			one := httptest.NewRecorder()
			base.ServeHTTP(one, httptest.NewRequest(http.MethodGet, repo+"/manifests/"+d.Digest.String(), nil))
			var m ocispec.Manifest
			if json.Unmarshal(one.Body.Bytes(), &m) == nil {
				index.Manifests[i].Annotations, index.Manifests[i].ArtifactType = m.Annotations, m.ArtifactType
			}
		}
		return serveJSON(w, ocispec.MediaTypeImageIndex, index)
	})
}

func deletes(how configuration.Parameters) http.Handler {
	logrus.SetOutput(io.Discard)
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}, "delete": how}}
	config.Log.AccessLog.Disabled = true
	config.Log.Level = "panic"
	config.HTTP.Secret = "test"
	return handlers.NewApp(context.Background(), config)
}

// refuses makes a registry not delete some manifests, as those that cannot.
func refuses(base http.Handler, refused func(reference string) bool) http.Handler {
	return intercept(base, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete || !refused(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]) {
			return false
		}
		w.WriteHeader(http.StatusMethodNotAllowed)
		return true
	})
}

// packagesAt returns an SBOM with packages "name=version".
func packagesAt(created string, packages ...string) []byte {
	var all []string
	for _, p := range packages {
		all = append(all, fmt.Sprintf(`{"type": "library", "purl": "pkg:deb/debian/%s?arch=amd64"}`, strings.Replace(p, "=", "@", 1)))
	}
	return []byte(fmt.Sprintf(`{"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"timestamp": %q}, "components": [%s]}`, created, strings.Join(all, ", ")))
}

// inTheImage is what Scan finds.
func inTheImage(context.Context, Target) (*sbom.Document, error) {
	doc, err := format.Decode(strings.NewReader(string(packagesAt("2026-01-01T00:00:00Z", "bash=5.2", "curl=7.88"))), "the image")
	if err == nil {
		doc.Databases = []string{"dpkg"}
	}
	return doc, err
}

// TestPrune removes exactly what builds do not need, and what a build uses stays the same.
func TestPrune(t *testing.T) {
	key, other := ecdsaKey(t), ecdsaKey(t)
	vuln := "https://cosign.sigstore.dev/attestation/vuln/v1"
	right := func(year string) []byte { return packagesAt(year+"-01-01T00:00:00Z", "bash=5.2", "curl=7.88") }
	for kind, handler := range deleting {
		for signed, trust := range map[string]Trust{"unsigned": {}, "signed": {Keys: publicOf(key)}} {
			t.Run(kind+"/"+signed, func(t *testing.T) {
				w := newWorld(t, handler())
				of := w.subjectDesc(false)
				names := map[string]string{}
				cdx, spdx := sbom.CycloneDX.MediaType(), sbom.SPDX.MediaType()
				refer := func(name, artifactType string, data []byte, annotations map[string]string) {
					names[w.refer(of, artifactType, artifactType, data, annotations).Digest.String()] = name
				}
				at := func(year string) map[string]string {
					return map[string]string{ocispec.AnnotationCreated: year + "-01-01T00:00:00Z"}
				}
				refer("newest", cdx, right("2026"), at("2026"))
				refer("older", cdx, right("2025"), at("2025"))
				refer("stale", cdx, packagesAt("2024-01-01T00:00:00Z", "bash=5.1"), at("2024"))
				refer("partial", spdx, fixtures(t)[sbom.SPDX], at("2024")) // another format, which differs
				refer("foreign", "application/vnd.example.report", right("2027"), at("2027"))
				refer("declared", DeclarationType, []byte(declaration), at("2026"))
				refer("declared before", DeclarationType, []byte(declaration+" "), at("2025"))
				bundle := func(year string) map[string]string {
					a := at(year)
					a[annotationBundlePredicate] = predicateCycloneDX
					return a
				}
				statement := func(predicate string, data []byte) []byte {
					return inToto(t, statementV1, predicate, raw(data), w.digest.String())
				}
				refer("ours", typeBundle, sigstoreBundle(t, key, statement(predicateCycloneDX, right("2026"))), bundle("2026"))
				refer("ours before", typeBundle, sigstoreBundle(t, key, statement(predicateCycloneDX, right("2025"))), bundle("2025"))
				refer("another's", typeBundle, sigstoreBundle(t, other, statement(predicateCycloneDX, right("2025"))), bundle("2025"))
				refer("another's scan", typeBundle, sigstoreBundle(t, other, statement(vuln, []byte("{}"))), at("2025")) // no annotation says so
				w.cosignTag(digestTag(w.digest, attestationTagSuffix),
					layerOf(envelope(t, other, inToto(t, statementV01, vuln, raw("{}"), w.digest.String())), typeEnvelope, nil),
					layerOf(envelope(t, other, inToto(t, statementV01, predicateCycloneDX, raw(right("2026")), w.digest.String())), typeEnvelope, map[string]string{annotationCosignPredicate: predicateCycloneDX}))
				w.cosignTag(digestTag(w.digest, sbomTagSuffix), layerOf(right("2026"), cdx, nil))

				a, options := quick(), Pruning{Trust: trust, Scan: inTheImage}
				used := func() string {
					r := must((&Finder{Trust: trust}).Find(shortCtx(t), w.subject()))(t)
					return names[r.Found.Digest.String()] + " " + fmt.Sprint(r.Declaration != nil && names[strings.SplitN(r.Declaration.Reference, "@", 2)[1]] != "")
				}
				before := used()
				found := must(a.Prunable(shortCtx(t), w.ref, options))(t)
				got := map[string]Reason{}
				for _, p := range found {
					name := names[p.Digest.String()]
					if p.tag != "" {
						name = string(p.Carrier)
					}
					got[name] = p.Reason
				}
				want := map[string]Reason{"older": Superseded, "stale": Outdated, "partial": Outdated, "declared before": Superseded}
				if signed == "signed" {
					want = map[string]Reason{
						"newest": NotSigned, "older": NotSigned, "stale": Outdated, "partial": Outdated, "ours before": Superseded, "another's": NotSigned,
						"cosign-sbom": NotSigned, "cosign-attestation": NotSigned,
					}
				}
				for _, p := range found {
					if names[p.Digest.String()] == "another's" && !strings.Contains(p.Detail, "is signed, but not by the key given") {
						t.Errorf("another's: %s", p.Detail)
					}
				}
				if !maps.Equal(got, want) {
					t.Fatalf("got %v, want %v", got, want)
				}
				for _, p := range found {
					check(t, a.Remove(shortCtx(t), p))
				}
				if after := used(); after != before {
					t.Errorf("a build uses %s, no longer %s", after, before)
				}
				if again := must(a.Prunable(shortCtx(t), w.ref, options))(t); len(again) > 0 {
					t.Errorf("the second time, it finds %v", again)
				}
				w.left(names, got)
			})
		}
	}
}

// left checks that what was removed is gone, that all else is there, and that the lists have no more than that.
func (w *world) left(names map[string]string, removed map[string]Reason) {
	w.t.Helper()
	var want, listed []string
	for digest, name := range names {
		_, err := ggcr.Get(w.ref.Context().Digest(digest))
		if _, gone := removed[name]; gone != (err != nil) {
			w.t.Errorf("%s: removed %t, %v", name, gone, err)
		}
		if removed[name] == "" {
			want = append(want, digest)
		}
	}
	check(w.t, w.oras().Referrers(w.t.Context(), w.subjectDesc(false), "", func(page []ocispec.Descriptor) error {
		for _, d := range page {
			listed = append(listed, d.Digest.String())
		}
		return nil
	}))
	slices.Sort(want)
	slices.Sort(listed)
	if !slices.Equal(want, listed) {
		w.t.Errorf("listed are %q, want %q", listed, want)
	}
	for carrier, suffix := range map[string]string{"cosign-sbom": sbomTagSuffix, "cosign-attestation": attestationTagSuffix} {
		image, err := ggcr.Image(w.ref.Context().Tag(digestTag(w.digest, suffix)))
		_, gone := removed[carrier]
		if suffix == sbomTagSuffix && gone != (err != nil) {
			w.t.Errorf("%s: removed %t, %v", carrier, gone, err)
		}
		if suffix == attestationTagSuffix { // the scan stays
			layers := must(must(image, err)(w.t).Layers())(w.t)
			if want := map[bool]int{true: 1, false: 2}[gone]; len(layers) != want {
				w.t.Errorf("%s has %d layers, want %d", carrier, len(layers), want)
			}
		}
	}
}

// TestPruneKeepsAll: without anything signed by the given keys, or if something cannot be read, nothing is removed.
func TestPruneKeepsAll(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	for i := range 3 {
		attachAs(t, w, packagesAt(fmt.Sprintf("202%d-01-01T00:00:00Z", i), "bash=5.2"))
	}
	found := must(quick().Prunable(shortCtx(t), w.ref, Pruning{Trust: Trust{Keys: publicOf(ecdsaKey(t))}, Scan: inTheImage}))(t)
	if len(found) > 0 {
		t.Errorf("with a key that signed nothing, it finds %v", found)
	}
	found = must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: inTheImage}))(t)
	if len(found) != 2 {
		t.Errorf("without keys, it finds %v", found)
	}
	broken := false
	w = newWorld(t, intercept(ggcrRegistry(true), func(rw http.ResponseWriter, r *http.Request) bool {
		if broken && strings.Contains(r.URL.Path, "/blobs/") {
			rw.WriteHeader(http.StatusNotFound)
		}
		return broken && strings.Contains(r.URL.Path, "/blobs/")
	}))
	attachAs(t, w, packagesAt("2026-01-01T00:00:00Z", "bash=5.2"))
	attachAs(t, w, packagesAt("2025-01-01T00:00:00Z", "bash=5.2"))
	broken = true
	if found, err := quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: inTheImage}); len(found) > 0 {
		t.Errorf("though blobs are missing, it finds %v, %v", found, err)
	}
}

// TestPruneStaleAndUsed: an SBOM that builds use, but with packages that the image lacks, goes as well. What is not
// signed then stays, since nothing signed is left.
func TestPruneStaleAndUsed(t *testing.T) {
	key := ecdsaKey(t)
	for name, o := range map[string]Options{"unsigned": {}, "signed": {Sign: key}, "cosign": {As: AsCosign}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, ggcrRegistry(true))
			trust := Trust{}
			if o.Sign != nil {
				trust.Keys = publicOf(key)
				attachAs(t, w, packagesAt("2026-01-01T00:00:00Z", "bash=5.2"))
			}
			o.Material = material(Material{SBOMs: [][]byte{packagesAt("2026-01-01T00:00:00Z", "bash=5.2", "wget=1.21")}})
			must(quick().Attach(t.Context(), w.ref, o))(t)
			pruning := Pruning{Scan: inTheImage, Trust: trust}
			found := must(quick().Prunable(shortCtx(t), w.ref, pruning))(t)
			if len(found) != 1 || found[0].Reason != Outdated || !strings.Contains(found[0].Detail, "wget") {
				t.Fatalf("it finds %v", found)
			}
			check(t, quick().Remove(shortCtx(t), found[0]))
			if again := must(quick().Prunable(shortCtx(t), w.ref, pruning))(t); len(again) > 0 {
				t.Errorf("then it finds %v", again)
			}
			if r := must((&Finder{Trust: trust}).Find(shortCtx(t), w.subject()))(t); r.Found != nil {
				t.Errorf("a build uses %+v", r.Found)
			}
		})
	}
}

// TestPruneSignedArtifacts: an SBOM that is signed separately is superseded only for those who name the signer, and
// its signature goes with it.
func TestPruneSignedArtifacts(t *testing.T) {
	for kind, handler := range deleting {
		t.Run(kind, func(t *testing.T) {
			key := ecdsaKey(t)
			w := newWorld(t, handler())
			var tags []string
			for i := range 2 {
				d := w.refer(w.subjectDesc(false), sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), packagesAt(fmt.Sprintf("202%d-01-01T00:00:00Z", i), "bash=5.2"), nil)
				tags = append(tags, digestTag(hash(d.Digest.String()), signatureTagSuffix))
				w.cosignTag(tags[i], simpleSigned(t, key, d.Digest.String()))
			}
			if found := must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: inTheImage}))(t); len(found) > 0 {
				t.Fatalf("without keys, it finds %v", found)
			}
			found := must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: inTheImage, Trust: Trust{Keys: publicOf(key)}}))(t)
			if len(found) != 1 || found[0].Reason != Superseded {
				t.Fatalf("it finds %v", found)
			}
			check(t, quick().Remove(shortCtx(t), found[0]))
			for _, tag := range tags {
				_, err := ggcr.Get(w.ref.Context().Tag(tag))
				if gone := tag == digestTag(found[0].Digest, signatureTagSuffix); gone != (err != nil) {
					t.Errorf("the signature %s: %v", tag, err)
				}
			}
		})
	}
}

// TestPruneSharedTag: tags of two images may have one manifest, since the same SBOM gives the same.
func TestPruneSharedTag(t *testing.T) {
	for kind, handler := range deleting {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, handler(), indexed, func(o *worldOptions) {
				o.adorn = func(base v1.Image) []mutate.IndexAddendum {
					return []mutate.IndexAddendum{{Add: newImage(t, worldOptions{})}}
				}
			})
			stale := packagesAt("2026-01-01T00:00:00Z", "bash=5.1")
			images := must(w.index.IndexManifest())(t).Manifests
			for _, d := range images {
				w.cosignTag(digestTag(d.Digest, sbomTagSuffix), layerOf(stale, sbom.CycloneDX.MediaType(), nil))
			}
			shared := must(ggcr.Head(w.ref.Context().Tag(digestTag(images[0].Digest, sbomTagSuffix))))(t)
			signature := digestTag(shared.Digest, signatureTagSuffix)
			w.cosignTag(signature, simpleSigned(t, ecdsaKey(t), shared.Digest.String()))
			attachAs(t, w, packagesAt("2026-01-01T00:00:00Z", "bash=5.2"))
			found := must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: inTheImage}))(t)
			if len(found) != 2 || found[0].Reason != Outdated {
				t.Fatalf("it finds %v", found)
			}
			check(t, quick().Remove(shortCtx(t), found[0]))
			if again := must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: inTheImage}))(t); len(again) != 1 || again[0].Reference != found[1].Reference {
				t.Errorf("then it finds %v", again)
			}
			if _, err := ggcr.Head(w.ref.Context().Tag(signature)); err != nil {
				t.Errorf("the signature of the other image's SBOM is gone: %v", err)
			}
		})
	}
}

// TestPruneOfTheIndex: what is attached to the index goes only if no platform needs it.
func TestPruneOfTheIndex(t *testing.T) {
	w := newWorld(t, ggcrRegistry(false), indexed, func(o *worldOptions) {
		o.adorn = func(base v1.Image) []mutate.IndexAddendum {
			return []mutate.IndexAddendum{{Add: newImage(t, worldOptions{})}}
		}
	})
	fits := map[string]bool{}
	scan := func(ctx context.Context, t Target) (*sbom.Document, error) {
		doc, err := inTheImage(ctx, t)
		if err == nil && !fits[t.Digest.String()] {
			doc.Packages = doc.Packages[:1]
		}
		return doc, err
	}
	w.refer(w.subjectDesc(true), sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), packagesAt("2026-01-01T00:00:00Z", "bash=5.2", "curl=7.88"), nil)
	for _, d := range must(w.index.IndexManifest())(t).Manifests {
		fits[d.Digest.String()] = true
	}
	if found := must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: scan}))(t); len(found) > 0 {
		t.Errorf("though both platforms use it, it finds %v", found)
	}
	attached := must(quick().Attach(t.Context(), w.ref, Options{Material: material(Material{SBOMs: [][]byte{packagesAt("2026-01-01T00:00:00Z", "bash=5.2")}})}))(t)
	fits = map[string]bool{attached[0].Target.DigestStr(): true}
	if found := must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: scan}))(t); len(found) > 0 {
		t.Errorf("though it is right for one platform, it finds %v", found)
	}
	fits = map[string]bool{}
	if found := must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: scan, Platform: attached[0].Platform}))(t); len(found) > 0 && attached[0].Platform != nil {
		t.Errorf("of one platform, it finds %v", found)
	}
	found := must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: scan}))(t)
	if len(found) != 1 || found[0].Reason != Outdated || found[0].Target.DigestStr() != must(w.index.Digest())(t).String() {
		t.Errorf("it finds %v", found)
	}
}

// TestPruneCannotDelete: a registry that does not delete gives an error, and nothing changes. Without the referrers
// API, the artifact is no longer listed, which suffices.
func TestPruneCannotDelete(t *testing.T) {
	never := func(string) bool { return true }
	for kind, h := range map[string]http.Handler{"referrers API": refuses(annotated(ggcrRegistry(true)), never), "no referrers API": refuses(ggcrRegistry(false), never), "disabled": distribution()} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, h)
			attachAs(t, w, packagesAt("2026-01-01T00:00:00Z", "bash=5.2"))
			d := w.refer(w.subjectDesc(false), sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), packagesAt("2025-01-01T00:00:00Z", "bash=5.1"), map[string]string{ocispec.AnnotationCreated: "2025-01-01T00:00:00Z"})
			w.cosignTag(digestTag(w.digest, sbomTagSuffix), layerOf(packagesAt("2025-01-01T00:00:00Z", "bash=5.1"), sbom.CycloneDX.MediaType(), nil))
			before := snapshot(t, w)
			for _, p := range must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: inTheImage}))(t) {
				err := quick().Remove(shortCtx(t), p)
				unlisted := kind != "referrers API" && p.Digest.String() == d.Digest.String()
				if unlisted != (err == nil) || err != nil && !errors.Is(err, ErrCannotDelete) {
					t.Errorf("removing %s: %v", p.Reference, err)
				}
			}
			after := snapshot(t, w)
			if kind == "referrers API" && !maps.Equal(before, after) {
				t.Errorf("changed: %v, %v", before, after)
			}
			left := must(quick().Prunable(shortCtx(t), w.ref, Pruning{Scan: inTheImage}))(t)
			if want := map[bool]int{true: 2, false: 1}[kind == "referrers API"]; len(left) != want {
				t.Errorf("left are %v", left)
			}
		})
	}
}

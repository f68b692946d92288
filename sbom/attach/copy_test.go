package attach

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
)

// mirror starts another registry and returns a reference in it.
func mirror(t *testing.T, kind string) name.Reference {
	server := httptest.NewServer(registries[kind]())
	t.Cleanup(server.Close)
	return must(name.ParseReference(fmt.Sprintf("%s/mirror/run-%d:noble", strings.TrimPrefix(server.URL, "http://"), worlds.Add(1))))(t)
}

// foundIn returns everything that is found of an image, and by whom it is signed, without the repository.
func foundIn(t *testing.T, ref name.Reference, w *world, trust Trust) []string {
	t.Helper()
	s := w.subject()
	s.Ref = ref
	r := must((&Finder{Trust: trust}).FindAll(shortCtx(t), s))(t)
	var all []string
	for _, f := range r.Searched {
		all = append(all, fmt.Sprintf("%s %s %s %s", f.Carrier, f.Result, f.Digest, f.By()))
	}
	slices.Sort(all)
	if r.Declaration != nil {
		all = append(all, "declared "+string(r.Declaration.Data)+" by "+r.Declaration.By())
	}
	return all
}

// TestCopy: what is found at the destination is what is found at the source, signatures included, between all kinds of
// registries. Copying it again changes nothing.
func TestCopy(t *testing.T) {
	key := ecdsaKey(t)
	authority := newAuthority(t)
	trust := Trust{Keys: publicOf(key), Identities: []Identity{exactly}, Verify: authority.verify, Unbound: true}
	for _, from := range []string{"referrers API", "no referrers API", "paged referrers"} {
		for _, to := range []string{"referrers API", "no referrers API", "distribution 3"} {
			t.Run(from+" to "+to, func(t *testing.T) {
				w := newWorld(t, registries[from](), indexed)
				for _, o := range []Options{
					{Sign: key, Material: material(everything(t))},
					{Material: material(Material{SBOMs: [][]byte{fixtures(t)[sbom.CycloneDX]}})},
					{As: AsCosign, Sign: key, Material: material(Material{SBOMs: [][]byte{fixtures(t)[sbom.SPDX]}})},
					{As: AsCosign, Material: material(Material{SBOMs: [][]byte{fixtures(t)[sbom.SPDX]}})},
				} {
					must(quick().Attach(t.Context(), w.ref, o))(t)
				}
				cosigned := must(ggcr.Head(w.ref.Context().Tag(digestTag(w.digest, sbomTagSuffix))))(t)
				w.cosignTag(digestTag(cosigned.Digest, signatureTagSuffix), simpleSigned(t, key, cosigned.Digest.String()))
				bare := w.refer(w.subjectDesc(true), sbom.Syft.MediaType(), sbom.Syft.MediaType(), fixtures(t)[sbom.Syft], nil)
				w.refer(bare, typeBundle, typeBundle, authority.bundle(keylesstest.Signing{}, signingPredicates[0], raw("{}"), bare.Digest.String()), nil)
				w.refer(w.subjectDesc(false), "application/vnd.cncf.helm.config.v1+json", "application/octet-stream", []byte("a chart"), nil)

				dst := mirror(t, to)
				copied := must(quick().Copy(shortCtx(t), w.ref, dst, Copying{Image: true}))(t)
				want := slices.DeleteFunc(foundIn(t, w.ref, w, trust), func(s string) bool { return strings.Contains(s, string(UnknownType)) })
				if diff := cmp.Diff(want, foundIn(t, dst, w, trust)); diff != "" {
					t.Errorf("-source +destination:\n%s", diff)
				}
				if !slices.ContainsFunc(want, func(s string) bool { return strings.Contains(s, testSubject) }) || len(want) < 10 {
					t.Errorf("the source has only %q", want)
				}
				left := slices.IndexFunc(copied, func(x Copied) bool { return x.Left != "" })
				if left < 0 || copied[left].Left != "it is a Helm chart" || copied[left].Changed {
					t.Errorf("copied %v", copied)
				}
				for _, x := range must(quick().Copy(shortCtx(t), w.ref, dst, Copying{}))(t) {
					if x.Changed {
						t.Errorf("the second time, it copies %v", x)
					}
				}
			})
		}
	}
}

// TestCopyKeepsWhatIsThere: tags of both have everything, and an SBOM under cosign's tag stays with its signature.
func TestCopyKeepsWhatIsThere(t *testing.T) {
	key, other := ecdsaKey(t), ecdsaKey(t)
	w := newWorld(t, ggcrRegistry(false))
	dst := mirror(t, "no referrers API")
	cdx := material(Material{SBOMs: [][]byte{fixtures(t)[sbom.CycloneDX]}})
	must(quick().Copy(shortCtx(t), w.ref, dst, Copying{Image: true}))(t)
	must(quick().Attach(t.Context(), w.ref, Options{As: AsCosign, Sign: key, Material: cdx}))(t)
	must(quick().Attach(t.Context(), dst, Options{As: AsCosign, Sign: other, Material: cdx}))(t)
	must(quick().Attach(t.Context(), dst, Options{Material: cdx}))(t)
	must(quick().Attach(t.Context(), w.ref, Options{As: AsCosign, Material: cdx}))(t)
	must(quick().Attach(t.Context(), dst, Options{As: AsCosign, Material: material(Material{SBOMs: [][]byte{fixtures(t)[sbom.SPDX]}})}))(t)
	before := foundIn(t, dst, w, Trust{})
	copied := must(quick().Copy(shortCtx(t), w.ref, dst, Copying{}))(t)
	if i := slices.IndexFunc(copied, func(x Copied) bool { return x.Left != "" }); i < 0 || copied[i].What != "sbom" || copied[i].Left != "the destination's tag has another SBOM" {
		t.Errorf("copied %v", copied)
	}
	for _, k := range publicOf(key, other) {
		if r := must((&Finder{Trust: Trust{Keys: []crypto.PublicKey{k}}}).Find(shortCtx(t), func() Subject { s := w.subject(); s.Ref = dst; return s }()))(t); r.Found == nil {
			t.Errorf("an attestation is lost: %v", r.Searched)
		}
	}
	after := foundIn(t, dst, w, Trust{})
	for _, s := range before {
		if !strings.HasPrefix(s, string(CosignAttestation)) && !slices.Contains(after, s) {
			t.Errorf("lost: %s", s)
		}
	}
}

// TestCopyToAnother: nothing is copied unless the image is there.
func TestCopyToAnother(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	attachAs(t, w, fixtures(t)[sbom.CycloneDX])
	dst := mirror(t, "referrers API")
	if _, err := quick().Copy(shortCtx(t), w.ref, dst, Copying{}); !errors.Is(err, ErrNotThere) {
		t.Errorf("got %v", err)
	}
	image := newImage(t, worldOptions{})
	check(t, ggcr.Write(dst, image))
	_, err := quick().Copy(shortCtx(t), w.ref, dst, Copying{})
	if !errors.Is(err, ErrOtherImage) || !strings.Contains(err.Error(), must(image.Digest())(t).String()+", not "+w.digest.String()) {
		t.Errorf("got %v", err)
	}
	if _, err := ggcr.Head(dst.Context().Digest(w.digest.String())); err == nil {
		t.Error("it copied the image")
	}
	must(quick().Copy(shortCtx(t), w.ref, dst, Copying{Image: true}))(t)
	if found := must(ggcr.Head(dst))(t); found.Digest != w.digest {
		t.Errorf("the tag has %s", found.Digest)
	}
}

// TestCopyTagsLast: if something cannot be copied, the destination's tag stays, and it says what was copied.
func TestCopyTagsLast(t *testing.T) {
	broken := ""
	w := newWorld(t, intercept(ggcrRegistry(true), func(rw http.ResponseWriter, r *http.Request) bool {
		if broken == "" || !strings.HasSuffix(r.URL.Path, "/blobs/"+broken) {
			return false
		}
		rw.WriteHeader(http.StatusForbidden)
		return true
	}))
	attachAs(t, w, packagesAt("2026-01-01T00:00:00Z", "bash=5.2"))
	w.cosignTag(digestTag(w.digest, sbomTagSuffix), layerOf(packagesAt("2025-01-01T00:00:00Z", "bash=5.2"), sbom.CycloneDX.MediaType(), nil))
	tag := must(ggcr.Image(w.ref.Context().Tag(digestTag(w.digest, sbomTagSuffix))))(t)
	broken = must(must(tag.Layers())(t)[0].Digest())(t).String()
	dst := mirror(t, "referrers API")
	old := newImage(t, worldOptions{})
	check(t, ggcr.Write(dst, old))
	copied, err := quick().Copy(shortCtx(t), w.ref, dst, Copying{Image: true})
	if err == nil || len(copied) != 1 || copied[0].What != "sbom" || !copied[0].Changed {
		t.Errorf("copied %v, %v", copied, err)
	}
	if now := must(ggcr.Head(dst))(t); now.Digest != must(old.Digest())(t) {
		t.Errorf("the tag has %s", now.Digest)
	}
	broken = ""
	copied = must(quick().Copy(shortCtx(t), w.ref, dst, Copying{Image: true}))(t)
	if len(copied) != 3 || copied[0].What != "image" || !copied[0].Changed || copied[0].Digest != w.digest {
		t.Errorf("copied %v", copied)
	}
	if now := must(ggcr.Head(dst))(t); now.Digest != w.digest {
		t.Errorf("now the tag has %s", now.Digest)
	}
}

// TestCopyTooDeep: what is too far away from the image is left, and it says so.
func TestCopyTooDeep(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	of := w.subjectDesc(false)
	for i := range maxDepth + 2 {
		of = w.refer(of, typeBundle, typeBundle, fmt.Appendf(nil, "%d", i), nil)
	}
	copied := must(quick().Copy(shortCtx(t), w.ref, mirror(t, "referrers API"), Copying{Image: true}))(t)
	last := copied[len(copied)-1]
	if len(copied) != maxDepth+3 || last.Digest.String() != of.Digest.String() || last.Changed || last.Left != "it is over 3 artifacts away from the image" {
		t.Errorf("copied %v", copied)
	}
}

// TestCopyOnePlatform: a mirror of one platform gets what is attached to that.
func TestCopyOnePlatform(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true), indexed, func(o *worldOptions) {
		o.adorn = func(v1.Image) []mutate.IndexAddendum {
			return []mutate.IndexAddendum{{Add: newImage(t, worldOptions{}), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}}}
		}
	})
	attachAs(t, w, bytes.ReplaceAll(packagesAt("2026-01-01T00:00:00Z", "bash=5.2"), []byte("?arch=amd64"), nil)) // of any platform
	dst := mirror(t, "referrers API")
	check(t, ggcr.Write(dst, w.image))
	if _, err := quick().Copy(shortCtx(t), w.ref, dst, Copying{}); !errors.Is(err, ErrOtherImage) {
		t.Errorf("got %v", err)
	}
	copied := must(quick().Copy(shortCtx(t), w.ref, dst, Copying{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}))(t)
	if len(copied) != 1 || copied[0].Subject != w.digest || copied[0].Platform.Architecture != "amd64" || !copied[0].Changed {
		t.Errorf("copied %v", copied)
	}
}

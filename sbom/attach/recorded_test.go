package attach

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"

	"github.com/baseplan/baseplan/sbom"
)

var update = flag.Bool("update", false, "make testdata anew")

const (
	carriersDir = "testdata/carriers"
	carriersKey = "testdata/carriers.pub"
)

// TestRecorded finds one artifact of each carrier as it was once made by the
// standards' own libraries: the bytes in testdata stay, whatever becomes of
// this package.
func TestRecorded(t *testing.T) {
	if *update {
		record(t)
	}
	store := must(oci.New(carriersDir))(t)
	var tags []string
	check(t, store.Tags(t.Context(), "", func(page []string) error {
		tags = append(tags, page...)
		return nil
	}))
	keys := must(ParseKeys(must(os.ReadFile(carriersKey))(t), carriersKey))(t)
	for kind, handler := range registries {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, handler())
			for _, tag := range tags {
				must(oras.Copy(t.Context(), store, tag, w.oras(), tag, oras.DefaultCopyOptions))(t)
			}
			found := func(tag string, f *Finder) []string {
				t.Helper()
				w.ref = w.ref.Context().Tag(tag)
				r := must(f.FindAll(shortCtx(t), w.resolved(t)))(t)
				var all []string
				for _, s := range r.Searched {
					if s.Result == Found {
						all = append(all, string(s.Carrier)+" "+string(s.Document.Format))
					}
				}
				slices.Sort(all)
				return all
			}
			want := []string{"buildkit spdx", "cosign-attestation cyclonedx", "cosign-sbom cyclonedx", "referrer cyclonedx", "referrer spdx"}
			if diff := cmp.Diff(want, found("run", &Finder{})); diff != "" {
				t.Error(diff)
			}
			want = []string{"cosign-attestation cyclonedx", "referrer cyclonedx"}
			if diff := cmp.Diff(want, found("run", &Finder{Trust: Trust{Keys: keys}})); diff != "" {
				t.Errorf("with the key: %s", diff)
			}
			want = []string{"cosign-attestation cyclonedx", "cosign-sbom cyclonedx", "referrer cyclonedx"}
			if diff := cmp.Diff(want, found("run", &Finder{Trust: Trust{Keys: keys, Unbound: true}})); diff != "" {
				t.Errorf("with the key, unbound allowed: %s", diff)
			}
			if diff := cmp.Diff([]string{"layer cyclonedx", "layer spdx"}, found("layered", &Finder{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// record makes testdata/carriers, an OCI layout, and the public key.
func record(t *testing.T) {
	check(t, os.RemoveAll(carriersDir))
	key := ecdsaKey(t)
	check(t, os.WriteFile(carriersKey, must(cryptoutils.MarshalPublicKeyToPEM(key.Public()))(t), 0o644))
	cdx, spdx := fixtures(t)[sbom.CycloneDX], fixtures(t)[sbom.SPDX]
	w := newWorld(t, ggcrRegistry(false), buildkitIndex(func(subject string) []byte {
		return inToto(t, statementV01, predicateSPDX, json.RawMessage(spdx), subject)
	}, ownDigest))
	dashed := func(digest, suffix string) string { return strings.Replace(digest, ":", "-", 1) + suffix }
	statement := func(version string) []byte {
		return inToto(t, version, predicateCycloneDX, json.RawMessage(cdx), w.digest.String())
	}
	w.refer(w.subjectDesc(false), sbom.SPDX.MediaType(), sbom.SPDX.MediaType(), spdx, nil)
	w.refer(w.subjectDesc(false), typeBundle, typeBundle, sigstoreBundle(t, key, statement(statementV1)), map[string]string{
		annotationBundleContent: "dsse-envelope", annotationBundlePredicate: predicateCycloneDX})
	d := w.cosignTag(dashed(w.digest.String(), ".sbom"), layerOf(cdx, sbom.CycloneDX.MediaType(), nil)).String()
	w.cosignTag(dashed(d, ".sig"), simpleSigned(t, key, d))
	w.cosignTag(dashed(w.digest.String(), ".att"), layerOf(envelope(t, key, statement(statementV01)), typeEnvelope, map[string]string{"predicateType": predicateCycloneDX}))
	check(t, ggcr.Tag(w.ref.Context().Tag("run"), must(ggcr.Get(w.ref))(t)))

	layer := sbomLayer(t, map[string][]byte{"cnb/sbom/f1cb7c7d.cdx.json": cdx, "cnb/sbom/f1cb7c7d.spdx.json": spdx})
	layered := newImage(t, worldOptions{layers: []v1.Layer{layer}, labels: map[string]string{SBOMLabel: must(layer.DiffID())(t).String()}})
	check(t, ggcr.Write(w.ref.Context().Tag("layered"), layered))

	store := must(oci.New(carriersDir))(t)
	for tag := range snapshot(t, w) {
		if tag != "noble" {
			must(oras.Copy(t.Context(), w.oras(), tag, store, tag, oras.DefaultCopyOptions))(t)
		}
	}
	check(t, os.RemoveAll(filepath.Join(carriersDir, "ingest")))
	index := must(os.ReadFile(filepath.Join(carriersDir, "index.json")))(t)
	if !bytes.Contains(index, []byte("run")) {
		t.Fatal("nothing was recorded")
	}
}

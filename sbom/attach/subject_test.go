package attach

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/baseplan/baseplan/sbom"
)

// debOf is a CycloneDX document with one package, and more in its metadata.
func debOf(metadata string) []byte {
	return []byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{` + metadata + `},"components":[` +
		`{"type":"library","name":"curl","version":"7.88.1-10","purl":"pkg:deb/debian/curl@7.88.1-10"}]}`)
}

// syftOf is a Syft JSON document with one package and the given source.
func syftOf(source map[string]any) []byte {
	data, err := json.Marshal(map[string]any{
		"artifacts": []any{map[string]any{"id": "1", "name": "curl", "version": "7.88.1-10", "type": "deb", "purl": "pkg:deb/debian/curl@7.88.1-10"}},
		"source":    map[string]any{"type": "image", "metadata": source}, "schema": map[string]any{"version": "16.1.10", "url": "anchore/syft"},
	})
	if err != nil {
		panic(err)
	}
	return data
}

// spdxOf is an SPDX document that describes an image of that digest.
func spdxOf(digest string) []byte {
	return []byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[` +
		`{"SPDXID":"SPDXRef-image","name":"x","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:oci/x@` + strings.Replace(digest, ":", "%3A", 1) + `"}]},` +
		`{"SPDXID":"SPDXRef-1","name":"curl","versionInfo":"7.88.1-10","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/curl@7.88.1-10"}]}],` +
		`"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-image"}]}`)
}

func purlOf(digest string) string {
	return `"component":{"type":"container","name":"x","purl":"pkg:oci/x@` + strings.Replace(digest, ":", "%3A", 1) + `?arch=amd64"}`
}

func trivyOf(pairs ...string) string {
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, fmt.Sprintf(`{"name":"aquasecurity:trivy:%s","value":%q}`, pairs[i], pairs[i+1]))
	}
	return `"component":{"type":"container","name":"x","properties":[` + strings.Join(all, ",") + `]}`
}

var otherDigest = "sha256:" + strings.Repeat("1", 64)

// aboutTheImage are documents that say, or do not say, that they are about the image.
func aboutTheImage(t *testing.T, w *world) map[string]struct {
	content []byte
	want    Outcome
} {
	type about = struct {
		content []byte
		want    Outcome
	}
	digest, id := w.digest.String(), must(w.image.ConfigName())(t).String()
	config := must(w.image.ConfigFile())(t)
	var layers []any
	trivyLayers := []string{"ImageID", id}
	for i := range config.RootFS.DiffIDs {
		layers = append(layers, map[string]any{"digest": config.RootFS.DiffIDs[i].String()})
		trivyLayers = append(trivyLayers, "DiffID", config.RootFS.DiffIDs[len(config.RootFS.DiffIDs)-1-i].String())
	}
	repo := func(d string) []string { return []string{"ghcr.io/acme/run@" + d} }
	index := must(w.index.Digest())(t).String()
	return map[string]about{
		"says nothing":                      {debOf(""), Found},
		"Syft":                              {syftOf(map[string]any{"manifestDigest": digest, "imageID": id, "layers": layers, "repoDigests": repo(index)}), Found},
		"Syft, index":                       {syftOf(map[string]any{"manifestDigest": index}), Found},
		"Syft, another manifest":            {syftOf(map[string]any{"manifestDigest": otherDigest}), WrongSubject},
		"Syft, another manifest and our ID": {syftOf(map[string]any{"manifestDigest": otherDigest, "imageID": id, "layers": layers}), WrongSubject},
		"Syft, our manifest and another ID": {syftOf(map[string]any{"manifestDigest": digest, "imageID": otherDigest}), WrongSubject},
		"Syft, other layers":                {syftOf(map[string]any{"manifestDigest": digest, "imageID": id, "layers": layers[:1]}), WrongSubject},
		"Syft, ID":                          {syftOf(map[string]any{"imageID": id}), Found},
		"Syft, another ID":                  {syftOf(map[string]any{"imageID": otherDigest}), WrongSubject},
		"Syft, repo digest":                 {syftOf(map[string]any{"repoDigests": append(repo(otherDigest), repo(digest)...)}), Found},
		"Syft, another repo digest":         {syftOf(map[string]any{"repoDigests": repo(otherDigest)}), WrongSubject},
		"Syft, repo digest of a mirror":     {syftOf(map[string]any{"imageID": id, "repoDigests": repo(otherDigest)}), Found},
		"Trivy":                             {debOf(trivyOf(append(trivyLayers, "RepoDigest", repo(digest)[0])...)), Found},
		"Trivy, another ID":                 {debOf(trivyOf("ImageID", otherDigest)), WrongSubject},
		"Trivy, other layers":               {debOf(trivyOf("ImageID", id, "DiffID", otherDigest)), WrongSubject},
		"Trivy, another repo digest":        {debOf(trivyOf("RepoDigest", repo(otherDigest)[0])), WrongSubject},
		"purl":                              {debOf(purlOf(digest)), Found},
		"purl, index":                       {debOf(purlOf(index)), Found},
		"another purl":                      {debOf(purlOf(otherDigest)), WrongSubject},
		"Syft's CycloneDX":                  {debOf(`"component":{"type":"container","name":"x","version":"` + digest + `"}`), Found},
		"Syft's CycloneDX, another":         {debOf(`"component":{"type":"container","name":"x","version":"` + otherDigest + `"}`), WrongSubject},
		"SPDX":                              {spdxOf(digest), Found},
		"SPDX, another":                     {spdxOf(otherDigest), WrongSubject},
		"a statement around it":             {inToto(t, statementV1, predicateCycloneDX, json.RawMessage(debOf("")), digest), Found},
		"a statement of another around it":  {inToto(t, statementV1, predicateCycloneDX, json.RawMessage(debOf("")), otherDigest), WrongSubject},
		"other-image.syft.json":             {fixture(t, "faults/other-image.syft.json"), WrongSubject},
		"other-arch.cdx.json":               {fixture(t, "faults/other-arch.cdx.json"), WrongSubject},
		"two-versions.cdx.json":             {fixture(t, "faults/two-versions.cdx.json"), Contradictory},
		"all-layers.syft.json":              {fixture(t, "faults/all-layers.syft.json"), Contradictory},
	}
}

// twoLayers makes the world's image one for amd64 with three layers.
func twoLayers(o *worldOptions) {
	for range 2 {
		layer, err := random.Layer(100, "application/vnd.oci.image.layer.v1.tar+gzip")
		if err != nil {
			panic(err)
		}
		o.layers = append(o.layers, layer)
	}
}

// TestAbout holds that what a document says of its image must be the image, alike
// for what is attached, given by the platform, and given by hand.
func TestAbout(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true), indexed, twoLayers)
	config := *must(w.image.ConfigFile())(t)
	config.Architecture = "amd64"
	for name, tt := range aboutTheImage(t, w) {
		s := w.subject()
		s.Config = &config
		s.HasDatabase = func(context.Context) (bool, error) { return true, nil }
		t.Run(name+"/platform", func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "run.json")
			check(t, os.WriteFile(file, tt.content, 0o600))
			r := must((&Finder{Platform: file}).Find(shortCtx(t), s))(t)
			if f := r.Searched[0]; f.Result != tt.want || tt.want != Found && f.Detail == "" {
				t.Errorf("%s (%s), want %s", f.Result, f.Detail, tt.want)
			}
			if tt.want != Found {
				return
			}
			outcome, why, err := s.Doubt(t.Context(), r.Found.Document)
			if outcome != "" || err != nil {
				t.Errorf("given by hand: %s (%s), %v", outcome, why, err)
			}
		})
		t.Run(name+"/referrer", func(t *testing.T) {
			desc := w.refer(w.subjectDesc(false), sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), tt.content, nil)
			for _, f := range must(new(Finder).FindAll(shortCtx(t), s))(t).Searched {
				if f.Digest.String() == desc.Digest.String() && f.Result != tt.want {
					t.Errorf("%s (%s), want %s", f.Result, f.Detail, tt.want)
				}
			}
		})
	}
}

// TestAboutDaemon: of a daemon's image, the ID and the repository's digests are known.
func TestAboutDaemon(t *testing.T) {
	diffID := "sha256:" + strings.Repeat("5", 64)
	s := Subject{Digest: hash("sha256:" + strings.Repeat("3", 64)), Names: []string{"sha256:" + strings.Repeat("4", 64)},
		Config: &v1.ConfigFile{RootFS: v1.RootFS{DiffIDs: []v1.Hash{hash(diffID)}}}}
	layers := []any{map[string]any{"digest": diffID}}
	for name, tt := range map[string]struct {
		content []byte
		want    Outcome
	}{
		"ID":                             {syftOf(map[string]any{"imageID": s.Digest.String()}), Found},
		"repo digest":                    {debOf(purlOf(s.Names[0])), Found},
		"another":                        {debOf(purlOf(otherDigest)), WrongSubject},
		"another ID":                     {syftOf(map[string]any{"imageID": otherDigest}), WrongSubject},
		"an ID that daemons do not tell": {syftOf(map[string]any{"imageID": otherDigest, "layers": layers}), Found},
		"other layers":                   {syftOf(map[string]any{"imageID": s.Digest.String(), "layers": []any{map[string]any{"digest": otherDigest}}}), WrongSubject},
	} {
		file := filepath.Join(t.TempDir(), "run.json")
		check(t, os.WriteFile(file, tt.content, 0o600))
		r := must((&Finder{Platform: file}).Find(shortCtx(t), s))(t)
		if f := r.Searched[0]; f.Result != tt.want {
			t.Errorf("%s: %s (%s), want %s", name, f.Result, f.Detail, tt.want)
		}
	}
}

// TestAboutLayer: a document in the last layer describes what is below it.
func TestAboutLayer(t *testing.T) {
	below := must(random.Layer(100, "application/vnd.oci.image.layer.v1.tar+gzip"))(t)
	for name, tt := range map[string]struct {
		layers []any
		want   Outcome
	}{
		"layers below":              {[]any{map[string]any{"digest": must(below.DiffID())(t).String()}}, Found},
		"layers of another":         {[]any{map[string]any{"digest": otherDigest}}, WrongSubject},
		"a manifest that was there": {nil, Found},
	} {
		data := syftOf(map[string]any{"manifestDigest": otherDigest, "imageID": otherDigest, "layers": tt.layers})
		layer := sbomLayer(t, map[string][]byte{"cnb/sbom/x.syft.json": data})
		id := must(layer.DiffID())(t).String()
		config := &v1.ConfigFile{RootFS: v1.RootFS{DiffIDs: []v1.Hash{must(below.DiffID())(t), hash(id)}}, Config: v1.Config{Labels: map[string]string{SBOMLabel: id}}}
		image := newImage(t, worldOptions{layers: []v1.Layer{layer}})
		r := must(new(Finder).Find(shortCtx(t), Subject{Image: image, Config: config}))(t)
		if f := r.Searched[len(r.Searched)-1]; f.Carrier != Layer || f.Result != tt.want {
			t.Errorf("%s: %s %s (%s), want layer %s", name, f.Carrier, f.Result, f.Detail, tt.want)
		}
	}
}

// TestWrappedArtifact: what is around an SBOM does not go to buildpacks and caches.
func TestWrappedArtifact(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := fmt.Fprintf(z, "\ufeff{\"sbom\":%s}", debOf(""))
	check(t, err)
	check(t, z.Close())
	w.refer(w.subjectDesc(false), sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), packed.Bytes(), nil)
	r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	if r.Found == nil {
		t.Fatal(r.Missing("the image"))
	}
	if got := must(r.Found.JSON())(t); !bytes.Equal(got, debOf("")) {
		t.Errorf("got %q, want the SBOM alone", got)
	}
}

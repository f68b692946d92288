package image_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
)

// FuzzOpenTar opens tar files that are anything: an error, or an image that has a configuration.
func FuzzOpenTar(f *testing.F) {
	f.Add(lifecycletest.Layer{"index.json": `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:` +
		strings.Repeat("0", 64) + `","size":2}]}`, "blobs/sha256/" + strings.Repeat("0", 64): "{}"}.Bytes())
	f.Add(lifecycletest.Layer{"manifest.json": `[{"Config":"c","Layers":["l"]}]`, "c": `{"rootfs":{"diff_ids":["sha256:` + strings.Repeat("0", 64) + `"]}}`, "l": "-> c"}.Bytes())
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "image.tar")
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		img, err := (&image.Opener{}).Open(t.Context(), reference.Parse("tar:"+file))
		if err != nil {
			return
		}
		defer img.Close()
		if img.Config == nil || img.Image == nil {
			t.Errorf("an image without parts: %+v", img)
		}
	})
}

// FuzzKeychain gives CNB_REGISTRY_AUTH that is anything: no error may tell a credential.

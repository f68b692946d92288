package image_test

import (
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
)

// TestOpenAll opens all platforms of an index, wherever it is, and reads each of them until it is closed.
func TestOpenAll(t *testing.T) {
	base := lifecycletest.Scratch()
	index := lifecycletest.Attested(lifecycletest.Index(map[string]v1.Image{"amd64": base, "arm64": lifecycletest.Arch(base, "arm64")}))
	registry := lifecycletest.Registry()
	defer registry.Close()
	dir := t.TempDir()
	nested, flat := filepath.Join(dir, "nested"), filepath.Join(dir, "flat")
	path, err := layout.Write(nested, empty.Index)
	if err == nil {
		err = path.AppendIndex(index)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Write(flat, index); err != nil { // its index.json lists the platforms
		t.Fatal(err)
	}
	both := []string{"linux/amd64", "linux/arm64"}
	for name, c := range map[string]struct {
		ref  string
		want []string
	}{
		"registry":       {registry.PushIndex("run:index", index), both},
		"layout":         {"oci:" + nested, both},
		"flat layout":    {"oci:" + flat, both},
		"a single image": {registry.Push("run:single", base), []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := (&image.Opener{}).OpenAll(t.Context(), reference.Parse(c.ref))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, img := range all {
				p := ""
				if img.Platform != nil {
					p = img.Platform.String()
				}
				got = append(got, p)
				layers, err := img.Image.Layers()
				if err != nil {
					t.Fatal(err)
				}
				r, err := layers[0].Uncompressed()
				if err != nil {
					t.Fatalf("%s: %v", p, err) // a file that an earlier Close closed
				}
				r.Close()
				if err := img.Close(); err != nil {
					t.Fatal(err)
				}
				if err := img.Close(); err != nil { // closes nothing that others need
					t.Fatal(err)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestOpenAllNamed keeps images apart that a layout names differently.
func TestOpenAllNamed(t *testing.T) {
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for i, arch := range []string{"amd64", "arm64"} {
		img := lifecycletest.Arch(lifecycletest.Scratch(), arch)
		err := path.ReplaceImage(img, match.Name(arch), layout.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}),
			layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": []string{"old", "new"}[i]}))
		if err != nil {
			t.Fatal(err)
		}
	}
	all, err := (&image.Opener{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}).OpenAll(t.Context(), reference.Parse("oci:"+dir))
	if err != nil {
		t.Fatal(err)
	}
	defer all[0].Close()
	if len(all) != 1 || all[0].Config.Architecture != "arm64" {
		t.Errorf("got %d images", len(all))
	}
}

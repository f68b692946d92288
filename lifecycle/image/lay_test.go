package image_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
)

// runLayout is a layout of the image alone; sparse: without the layers of it that are under another.
func runLayout(t *testing.T, img v1.Image, under ...v1.Image) string {
	t.Helper()
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = path.AppendImage(img)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range under {
		all, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if err := os.Remove(filepath.Join(dir, "blobs/sha256", digest(t, l).Hex)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestWriteToLayout(t *testing.T) {
	o := &image.Opener{}
	w := image.Writer{Opener: o}
	base := open(t, o, "oci:"+runLayout(t, lifecycletest.Debian()))
	dir := reference.Parse("registry.example:5000/app:1").In(t.TempDir()).Path
	d := draft(t, base, filesLayer(t, "one", "1"), filesLayer(t, "two", "2"))
	other := t.TempDir() + "/some/where"
	names := []string{"oci:" + dir, "oci:" + dir + ":named", "oci:" + other}
	written, err := w.Write(t.Context(), d, refs(names...)...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(refs(names...), written.Names); diff != "" {
		t.Error(diff)
	}
	checkWritten(t, o, "oci:"+other, written, d)
	checkWritten(t, o, names[1], written, d)

	// Another image takes the place of the one without a name, and of no other.
	next := draft(t, base, filesLayer(t, "one", "1"), filesLayer(t, "two", "changed"))
	next.Previous = open(t, o, names[1])
	next.Layers[0].Layer = nil
	again, err := w.Write(t.Context(), next, refs(names[0])...)
	if err != nil {
		t.Fatal(err)
	}
	checkWritten(t, o, names[1], written, d)
	checkWritten(t, o, names[0]+"@"+again.Digest.String(), again, next)
	raw, err := os.ReadFile(dir + "/index.json")
	if err != nil {
		t.Fatal(err)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil || len(index.Manifests) != 2 {
		t.Errorf("index.json: %s, %v", raw, err)
	}
	err = filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(file), ".") {
			t.Errorf("left behind: %s", file)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWriteOnSparseBase(t *testing.T) {
	run := lifecycletest.Debian()
	extended := lifecycletest.With(run, lifecycletest.Layer{"new": "1"})
	registry := lifecycletest.Registry()
	defer registry.Close()
	o := &image.Opener{}
	w := image.Writer{Opener: o}
	base := open(t, o, "oci:"+runLayout(t, extended, run))
	d := draft(t, base, filesLayer(t, "one", "1"))

	to := "oci:" + t.TempDir()
	written, err := w.Write(t.Context(), d, refs(to)...)
	if err != nil {
		t.Fatal(err)
	}
	img := open(t, o, to)
	if img.Digest != written.Digest || validate.Image(img.Image) == nil {
		t.Errorf("the image is not sparse, or another: %s, want %s", img.Digest, written.Digest)
	}
	_, err = w.Write(t.Context(), d, refs(registry.Name+"/app:1")...)
	if err == nil || !strings.Contains(err.Error(), "no available image has it") {
		t.Errorf("with layers that are nowhere: %v", err)
	}
	d.Under = open(t, o, registry.Push("run:1", run))
	for _, name := range []string{registry.Name + "/app:1", "oci:" + t.TempDir()} {
		written, err := w.Write(t.Context(), d, refs(name)...)
		if err != nil {
			t.Fatal(err)
		}
		checkWritten(t, o, name, written, d)
	}
}

func TestWriteToLayoutFaults(t *testing.T) {
	o := &image.Opener{}
	w := image.Writer{Opener: o}
	run := runLayout(t, lifecycletest.Alpine())
	base := open(t, o, "oci:"+run)
	broken := t.TempDir()
	if err := os.WriteFile(broken+"/index.json", []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	file := broken + "/index.json"
	lost := draft(t, base)
	lost.Layers = []image.Add{{DiffID: diffID(t, filesLayer(t, "lost", "1"))}}
	changed := draft(t, base, filesLayer(t, "one", "1"))
	changed.Layers[0].Layer = wrongLayer{changed.Layers[0].Layer}
	for _, tt := range []struct {
		name string
		to   string
		d    image.Draft
		want string
	}{
		{"broken index", "oci:" + broken, draft(t, base), "reading index.json"},
		{"a file is in the way", "oci:" + file + "/x", draft(t, base), "not a directory"},
		{"by digest", "oci:" + broken + "@sha256:" + strings.Repeat("0", 64), draft(t, base), "determines the digest"},
		{"no content", "oci:" + t.TempDir(), lost, lost.Layers[0].DiffID.String()},
		{"other content", "oci:" + t.TempDir(), changed, "its content has digest"},
		{"tar file", "tar:" + file, draft(t, base), "tar:"},
	} {
		_, err := w.Write(t.Context(), tt.d, refs(tt.to)...)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "writing image "+tt.to) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := o.Open(t.Context(), reference.Parse("oci:"+broken)); err == nil {
		t.Error("the broken layout was replaced")
	}
}

// A wrongLayer says another digest than its content has.
type wrongLayer struct{ v1.Layer }

func (wrongLayer) Digest() (v1.Hash, error) {
	return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("1", 64)}, nil
}

func TestAccessToLayout(t *testing.T) {
	w := image.Writer{Opener: &image.Opener{}}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, writable := range map[string]bool{"oci:" + dir: true, "oci:" + dir + "/a/b/c": true, "oci:" + dir + "/file/a": false, "oci:/proc/x": false} {
		if err := w.CheckWrite(t.Context(), reference.Parse(name)); (err == nil) != writable {
			t.Errorf("writing %s: %v", name, err)
		}
	}
	if err := w.CheckRead(t.Context(), reference.Parse("oci:"+dir+"/none")); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, errors.Join(err))
	}
}

package image_test

import (
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
)

// filesLayer is a layer of /layers/bp/NAME with one file.
func filesLayer(t testing.TB, name, content string) *layers.Layer {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "layers/bp", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := layers.Source{Root: root}.Dir("/layers/bp/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// random is bytes that do not compress, the same for the same seed.
func random(seed string, size int) string {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(data)
	return string(data)
}

func diffID(t testing.TB, l v1.Layer) v1.Hash {
	t.Helper()
	id, err := l.DiffID()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func open(t testing.TB, o *image.Opener, ref string) *image.Image {
	t.Helper()
	img, err := o.Open(t.Context(), reference.Parse(ref))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	})
	return img
}

func draft(t testing.TB, base *image.Image, all ...v1.Layer) image.Draft {
	t.Helper()
	d := image.Draft{Base: base, Config: *base.Config.DeepCopy()}
	d.Config.Config.Labels = map[string]string{"a": "b"}
	for _, l := range all {
		d.Layers = append(d.Layers, image.Add{DiffID: diffID(t, l), Layer: l, History: v1.History{CreatedBy: "Layer " + diffID(t, l).Hex[:8]}})
	}
	return d
}

// checkWritten opens the image and compares it with what Write told, and with the draft.
func checkWritten(t *testing.T, o *image.Opener, name string, w *image.Written, d image.Draft) *image.Image {
	t.Helper()
	img := open(t, o, name)
	if err := validate.Image(img.Image); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	id, err := img.Image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	size, err := img.Image.Size()
	if err != nil {
		t.Fatal(err)
	}
	if w.ID != id || w.Digest != img.Digest || w.ManifestSize != size {
		t.Errorf("written %+v, but %s is %s, %s, %d bytes", w, name, id, img.Digest, size)
	}
	var ids []v1.Hash
	var by []string
	for n, h := range d.Base.Config.RootFS.DiffIDs {
		ids, by = append(ids, h), append(by, d.Base.Config.History[n].CreatedBy)
	}
	for _, add := range d.Layers {
		ids, by = append(ids, add.DiffID), append(by, add.History.CreatedBy)
	}
	var gotBy []string
	for n, h := range img.Config.History {
		gotBy = append(gotBy, h.CreatedBy)
		if h.Created.Year() < 1980 {
			t.Errorf("layer %d was created %s", n, h.Created)
		}
	}
	if d.NoHistory {
		by = make([]string, len(ids))
	}
	if diff := cmp.Diff(ids, img.Config.RootFS.DiffIDs); diff != "" {
		t.Errorf("layers: %s", diff)
	}
	if diff := cmp.Diff(by, gotBy); diff != "" {
		t.Errorf("history: %s", diff)
	}
	if diff := cmp.Diff(d.Config.Config.Labels, img.Config.Config.Labels); diff != "" {
		t.Error(diff)
	}
	return img
}

func TestWriteToRegistry(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	registry.Push("run:1", lifecycletest.Debian())
	o := &image.Opener{}
	w := image.Writer{Opener: o}
	base := open(t, o, registry.Name+"/run:1")
	d := draft(t, base, filesLayer(t, "one", "1"), filesLayer(t, "two", "2"))
	names := []string{registry.Name + "/app:1", registry.Name + "/app:2", registry.Name + "/other/app:1"}
	written, err := w.Write(t.Context(), d, refs(names...)...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(refs(names...), written.Names); diff != "" {
		t.Error(diff)
	}
	for _, name := range names {
		checkWritten(t, o, name, written, d)
	}
	// The same again, from other files and with the previous image, is the same image.
	again := draft(t, base, filesLayer(t, "one", "1"), filesLayer(t, "two", "2"))
	again.Previous = open(t, o, names[0])
	again.Layers[1].Layer = nil
	for _, d := range []image.Draft{again, draft(t, base, filesLayer(t, "one", "1"), filesLayer(t, "two", "2"))} {
		rewritten, err := w.Write(t.Context(), d, refs(names...)...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(written, rewritten); diff != "" {
			t.Error(diff)
		}
	}
}

func TestWriteWithoutHistory(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	registry.Push("run:1", lifecycletest.Debian())
	o := &image.Opener{}
	d := draft(t, open(t, o, registry.Name+"/run:1"), filesLayer(t, "one", "1"))
	d.NoHistory = true
	written, err := (&image.Writer{Opener: o}).Write(t.Context(), d, refs(registry.Name+"/app:1")...)
	if err != nil {
		t.Fatal(err)
	}
	checkWritten(t, o, registry.Name+"/app:1", written, d)
}

// TestHistoryKeepsItsTimes: the base image's steps were made when it says, or in 1980 where it does not say.
func TestHistoryKeepsItsTimes(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	registry.Push("run:1", lifecycletest.With(lifecycletest.Debian(), lifecycletest.Layer{"etc/x": "1"}))
	o := &image.Opener{}
	d := draft(t, open(t, o, registry.Name+"/run:1"), filesLayer(t, "one", "1"))
	made := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	d.Base.Config.History[0].Created, d.Base.Config.History[1].Created = v1.Time{Time: made}, v1.Time{}
	if _, err := (&image.Writer{Opener: o}).Write(t.Context(), d, refs(registry.Name+"/app:1")...); err != nil {
		t.Fatal(err)
	}
	var got []time.Time
	for _, h := range open(t, o, registry.Name+"/app:1").Config.History {
		got = append(got, h.Created.Time)
	}
	if diff := cmp.Diff([]time.Time{made, layers.Epoch, layers.Epoch}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRebaseInRegistry(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	registry.Push("run:1", lifecycletest.Debian())
	registry.Push("run:2", lifecycletest.With(lifecycletest.Debian("curl"), lifecycletest.Layer{"a": "b"}))
	o := &image.Opener{}
	w := image.Writer{Opener: o}
	old := open(t, o, registry.Name+"/run:1")
	d := draft(t, old, filesLayer(t, "one", "1"), filesLayer(t, "two", "2"))
	if _, err := w.Write(t.Context(), d, refs(registry.Name+"/app:1")...); err != nil {
		t.Fatal(err)
	}
	app := open(t, o, registry.Name+"/app:1")
	top := old.Config.RootFS.DiffIDs[len(old.Config.RootFS.DiffIDs)-1]
	above, err := app.Above(top)
	if err != nil {
		t.Fatal(err)
	}
	rebased := image.Draft{Base: open(t, o, registry.Name+"/run:2"), Layers: above, Previous: app, Config: *app.Config.DeepCopy()}
	written, err := w.Write(t.Context(), rebased, refs(registry.Name+"/rebased:1")...)
	if err != nil {
		t.Fatal(err)
	}
	img := checkWritten(t, o, registry.Name+"/rebased:1", written, rebased)
	if got, want := len(img.Config.RootFS.DiffIDs), 4; got != want {
		t.Errorf("%d layers, want %d", got, want)
	}
	if _, err := app.Above(v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}); err == nil {
		t.Error("layers above one that is not there")
	}
}

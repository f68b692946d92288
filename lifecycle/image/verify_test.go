package image_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom/reference"
)

// TestLayersAreVerifiedWhileRead reads a layout into which somebody has written.
func TestLayersAreVerifiedWhileRead(t *testing.T) {
	for name, change := range map[string]func(content []byte) []byte{
		"another byte": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut off":      func(b []byte) []byte { return b[:len(b)-1] },
		"longer":       func(b []byte) []byte { return append(b, 0) },
		"empty":        func([]byte) []byte { return nil },
		"as it was":    bytes.Clone,
	} {
		t.Run(name, func(t *testing.T) {
			dir := ociLayout(t, map[string]v1.Image{"one": one}, nil)
			img := open(t, &image.Opener{}, "oci:"+dir)
			layers, err := img.Image.Layers()
			if err != nil {
				t.Fatal(err)
			}
			hash, err := layers[0].Digest()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "blobs/sha256", hash.Hex)
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			size := int64(len(before))
			if err := os.WriteFile(file, change(bytes.Clone(before)), 0o644); err != nil {
				t.Fatal(err)
			}
			same := name == "as it was"
			r, err := layers[0].Compressed()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			if same && (err != nil || !bytes.Equal(got, before)) || !same && (err == nil || !strings.Contains(err.Error(), hash.Hex)) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if !same {
				if n, again := r.Read(make([]byte, 1)); n != 0 || again == nil || again == io.EOF {
					t.Errorf("read on: %d, %v", n, again)
				}
			}
			if has := image.HasBlob(t.Context(), dir, v1.Descriptor{Digest: hash, Size: size}); has != same {
				t.Errorf("HasBlob is %t", has)
			}
		})
	}
}

// TestLayoutOfOddFiles has pipes, devices, directories and far too long files where a layout has files. None
// is waited for or read to its end.
func TestLayoutOfOddFiles(t *testing.T) {
	manifest, err := one.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index.json", "blobs/sha256/" + digest(t, one).Hex, "blobs/sha256/" + manifest.Config.Digest.Hex} {
		for what, put := range map[string]func(file string) error{
			"a pipe":      func(f string) error { return syscall.Mkfifo(f, 0o666) },
			"a directory": func(f string) error { return os.Mkdir(f, 0o755) },
			"a link":      func(f string) error { return os.Symlink("/dev/zero", f) },
			"endless": func(f string) error {
				if err := os.WriteFile(f, nil, 0o644); err != nil {
					return err
				}
				return os.Truncate(f, 1<<40)
			},
		} {
			dir := ociLayout(t, map[string]v1.Image{"one": one}, nil)
			file := filepath.Join(dir, name)
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := put(file); err != nil {
				t.Fatal(err)
			}
			img, err := (&image.Opener{}).Open(t.Context(), reference.Parse("oci:"+dir))
			if err == nil {
				t.Errorf("%s is %s: opened %s", name, what, img.Digest)
			}
		}
	}
}

// TestWriteToLayoutThatSomebodyChanged writes on top of a blob of the right name and length.
func TestWriteToLayoutThatSomebodyChanged(t *testing.T) {
	o := &image.Opener{}
	w := image.Writer{Opener: o}
	base := open(t, o, "oci:"+ociLayout(t, map[string]v1.Image{"one": one}, nil))
	to := t.TempDir()
	d := draft(t, base, filesLayer(t, "one", "1"))
	written, err := w.Write(t.Context(), d, refs("oci:"+to)...)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := filepath.Glob(filepath.Join(to, "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		data, err := os.ReadFile(b)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(b, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(t.Context(), d, refs("oci:"+to)...); err != nil {
		t.Fatal(err)
	}
	checkWritten(t, o, "oci:"+to, written, d)
}

// TestWriteOnForgedBase has an extended image whose manifest gives another blob for a layer of the run image, and
// brings that along.
func TestWriteOnForgedBase(t *testing.T) {
	o := &image.Opener{}
	w := image.Writer{Opener: o}
	run := open(t, o, "oci:"+ociLayout(t, map[string]v1.Image{"one": one}, nil))
	forged := open(t, o, "oci:"+ociLayout(t, map[string]v1.Image{"one": otherContent(t, one)}, nil))
	d := draft(t, forged, filesLayer(t, "one", "1"))
	d.Under = run
	to := "oci:" + t.TempDir()
	if _, err := w.Write(t.Context(), d, refs(to)...); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, o, to).Image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	want, err := run.Image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if got.Layers[0].Digest != want.Layers[0].Digest {
		t.Errorf("the lowest layer is %s, want %s", got.Layers[0].Digest, want.Layers[0].Digest)
	}
}

// otherContent is an image with the configuration of another, and a lowest layer that is not the one it says.
func otherContent(t *testing.T, img v1.Image) v1.Image {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	lowest := filesLayer(t, "forged", "x")
	out := empty.Image
	for i, l := range layers {
		if i == 0 {
			l = claimed{lowest, l}
		}
		if out, err = mutate.AppendLayers(out, l); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// claimed is a layer that says it were another one.
type claimed struct {
	v1.Layer
	as v1.Layer
}

func (c claimed) DiffID() (v1.Hash, error) { return c.as.DiffID() }

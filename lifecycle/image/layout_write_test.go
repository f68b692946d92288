//go:build unix

package image_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// tree lists what is in a directory: names with contents, and names with modes.
func tree(t *testing.T, dir string) (contents map[string]string, modes []string) {
	t.Helper()
	contents = map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		modes = append(modes, fmt.Sprintf("%s %s", info.Mode(), strings.ReplaceAll(rel, filepath.Base(name), kindOf(rel))))
		if d.Type().IsRegular() {
			data, err := os.ReadFile(name)
			contents[rel] = string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(modes)
	return contents, slices.Compact(modes)
}

// kindOf is "blob" for the names of blobs, the name else.
func kindOf(rel string) string {
	if filepath.Dir(rel) == "blobs/sha256" {
		return "blob"
	}
	return filepath.Base(rel)
}

// TestLayoutOfTheLibrary: indented, a layout is byte by byte the one that go-containerregistry writes.
func TestLayoutOfTheLibrary(t *testing.T) {
	base := lifecycletest.Debian()
	extended := lifecycletest.With(base, lifecycletest.Layer{"new": "1"}, lifecycletest.Layer{"newer": "2"})
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: base, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}}, mutate.IndexAddendum{Add: extended})
	for name, test := range map[string]struct {
		content partial.Describable
		tag     string
		append  func(layout.Path) error
	}{
		"image": {extended, "", func(p layout.Path) error { return p.AppendImage(extended) }},
		"index": {index, "1.2.3", func(p layout.Path) error {
			return p.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "1.2.3"}))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			theirs, ours := t.TempDir(), t.TempDir()
			path, err := layout.Write(theirs, empty.Index)
			if err := errors.Join(err, test.append(path)); err != nil {
				t.Fatal(err)
			}
			if err := (image.Layout{Dir: ours, Name: test.tag, Indent: true}).Write(t.Context(), test.content); err != nil {
				t.Fatal(err)
			}
			want, _ := tree(t, theirs)
			got, _ := tree(t, ours)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-theirs +ours:\n%s", diff)
			}
		})
	}
}

// TestLayoutModes: blobs are readable by all whatever the umask is, and of a layout that is replaced the directories.
func TestLayoutModes(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	base := lifecycletest.Debian()
	extended := lifecycletest.With(base, lifecycletest.Layer{"new": "1"})
	all, err := extended.Layers()
	if err != nil {
		t.Fatal(err)
	}
	added := digest(t, all[len(all)-1])
	dir := filepath.Join(t.TempDir(), "a", "layout")
	l := image.Layout{Dir: dir, Layers: func(h v1.Hash) bool { return h == added }}
	if err := l.Write(t.Context(), extended); err != nil {
		t.Fatal(err)
	}
	contents, modes := tree(t, dir)
	files := []string{"-rw-r--r-- blobs/sha256/blob", "-rw-r--r-- index.json", "-rw-r--r-- oci-layout"}
	if diff := cmp.Diff(append(files, "drwx------ .", "drwx------ blobs", "drwx------ blobs/sha256"), modes); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	size, err := extended.Size()
	if err != nil {
		t.Fatal(err)
	}
	id := digest(t, extended)
	want := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":%d,"digest":"%s","artifactType":"application/vnd.oci.image.config.v1+json"}]}`, size, id)
	if contents["index.json"] != want || contents["oci-layout"] != `{"imageLayoutVersion":"1.0.0"}` || len(contents) != 5 || contents["blobs/sha256/"+added.Hex] == "" {
		t.Errorf("%d files, index.json: %s\nwant %s", len(contents), contents["index.json"], want)
	}

	if err := os.WriteFile(filepath.Join(dir, "stale"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.Replace(t.Context(), extended); err != nil {
		t.Fatal(err)
	}
	_, modes = tree(t, dir)
	if diff := cmp.Diff(append(files, "drwxr-xr-x .", "drwxr-xr-x blobs", "drwxr-xr-x blobs/sha256"), modes); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}
	l.Layers = nil
	if err := l.Replace(t.Context(), mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: brokenImage{extended}})); err == nil {
		t.Error("an image without its layers was written")
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A brokenImage cannot be read any more.
type brokenImage struct{ v1.Image }

func (brokenImage) LayerByDigest(v1.Hash) (v1.Layer, error) { return nil, errors.New("it is gone") }

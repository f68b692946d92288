package scan_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/scan"
)

// TestReadFiles reads a file that layers add, replace, link to and remove.
func TestReadFiles(t *testing.T) {
	const name = "/cnb/baseplan.toml"
	for _, tt := range []struct {
		name   string
		layers []layer
		want   string // empty: no file
	}{
		{"no layers", nil, ""},
		{"a file", []layer{{"cnb/": "", "cnb/baseplan.toml": "a"}}, "a"},
		{"without its directory", []layer{{"cnb/baseplan.toml": "a"}}, "a"},
		{"the top one", []layer{{"cnb/baseplan.toml": "a"}, {"cnb/baseplan.toml": "b"}, {"etc/x": "x"}}, "b"},
		{"removed", []layer{{"cnb/baseplan.toml": "a"}, {"cnb/.wh.baseplan.toml": ""}}, ""},
		{"removed and put back", []layer{{"cnb/baseplan.toml": "a"}, {"cnb/.wh.baseplan.toml": ""}, {"cnb/baseplan.toml": "c"}}, "c"},
		{"removed with its directory", []layer{{"cnb/baseplan.toml": "a"}, {".wh.cnb": ""}}, ""},
		{"in a directory that is new", []layer{{"cnb/baseplan.toml": "a"}, {".wh.cnb": ""}, {"cnb/": "", "cnb/order.toml": "o"}}, ""},
		{"hidden by an opaque directory", []layer{{"cnb/baseplan.toml": "a"}, {"cnb/": "", "cnb/.wh..wh..opq": ""}}, ""},
		{"beside an opaque marker", []layer{{"cnb/baseplan.toml": "a"}, {"cnb/": "", "cnb/.wh..wh..opq": "", "cnb/baseplan.toml": "b"}}, "b"},
		{"the marker of everything", []layer{{"cnb/baseplan.toml": "a"}, {".wh..wh..opq": ""}}, ""},
		{"a marker of the same layer", []layer{{"cnb/.wh.baseplan.toml": "", "cnb/baseplan.toml": "a"}}, "a"},
		{"a link", []layer{{"etc/policy.toml": "p"}, {"cnb/": "", "cnb/baseplan.toml": "-> ../etc/policy.toml"}}, "p"},
		{"a link that replaces a file", []layer{{"cnb/": "", "cnb/baseplan.toml": "a", "etc/policy.toml": "p"}, {"cnb/baseplan.toml": "-> /etc/policy.toml"}}, "p"},
		{"a link that a file replaces", []layer{{"etc/policy.toml": "p", "cnb/baseplan.toml": "-> /etc/policy.toml"}, {"cnb/": "", "cnb/baseplan.toml": "a"}}, "a"},
		{"a hard link", []layer{{"cnb/": "", "cnb/baseplan.toml": "=> cnb/a.toml", "cnb/a.toml": "h"}}, "h"},
		{"a link of a directory", []layer{{"opt/cnb/baseplan.toml": "o", "cnb": "-> opt/cnb"}}, "o"},
		{"through a link from below", []layer{{"opt/cnb/": "", "cnb": "-> opt/cnb"}, {"cnb/baseplan.toml": "a"}}, "a"},
		{"a directory in place of a link", []layer{{"opt/cnb/baseplan.toml": "o", "cnb": "-> opt/cnb"}, {"cnb/": ""}}, ""},
		{"a link to nothing", []layer{{"cnb/baseplan.toml": "-> gone"}}, ""},
		{"a link to itself", []layer{{"cnb/baseplan.toml": "-> baseplan.toml"}}, ""},
		{"a link that leads out", []layer{{"etc/x": "x", "cnb/baseplan.toml": "-> ../../../../etc/x"}}, "x"},
		{"a directory", []layer{{"cnb/baseplan.toml/": ""}}, ""},
		{"a file in place of its directory", []layer{{"cnb/baseplan.toml": "a"}, {"cnb": "f"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := map[string][]byte{}
			if tt.want != "" {
				want[name] = []byte(tt.want)
			}
			for _, cache := range []scan.Cache{nil, scan.DirCache(t.TempDir())} {
				for range 2 { // the second time from the cache
					got, err := scan.ReadFiles(t.Context(), lifecycletest.Image(tt.layers...), cache, name)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("-want +got:\n%s", diff)
					}
				}
			}
		})
	}
}

// An unreadable layer must not be read.
type unreadable struct{ v1.Layer }

func (unreadable) Compressed() (io.ReadCloser, error) { return nil, errors.New("read") }

// TestReadFilesFromTop: a layer below the one that decides is not read, and one above is.
func TestReadFilesFromTop(t *testing.T) {
	bottom := unreadable{lifecycletest.Layer{"cnb/baseplan.toml": "old"}.Tar()}
	for _, tt := range []struct {
		name string
		top  lifecycletest.Layer
		read bool // the bottom
	}{
		{"has the file", lifecycletest.Layer{"cnb/": "", "cnb/baseplan.toml": "a"}, false},
		{"removes the file", lifecycletest.Layer{"cnb/": "", "cnb/.wh.baseplan.toml": ""}, false},
		{"removes the directory", lifecycletest.Layer{".wh.cnb": ""}, false},
		{"does not say what the directory is", lifecycletest.Layer{"cnb/baseplan.toml": "a"}, true},
		{"has a link", lifecycletest.Layer{"cnb/": "", "cnb/baseplan.toml": "-> /etc/x"}, true},
		{"has the directory", lifecycletest.Layer{"cnb/": ""}, true},
		{"has something else", lifecycletest.Layer{"etc/x": ""}, true},
	} {
		img, err := mutate.AppendLayers(lifecycletest.Image(), bottom, tt.top.Tar())
		if err != nil {
			t.Fatal(err)
		}
		_, err = scan.ReadFiles(t.Context(), img, nil, "/cnb/baseplan.toml")
		if read := err != nil && strings.Contains(err.Error(), "reading layer 1 of 2: read"); read != tt.read || err != nil && !read {
			t.Errorf("%s: the bottom layer is read: %t, want %t (%v)", tt.name, read, tt.read, err)
		}
	}
}

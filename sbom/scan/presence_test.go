package scan_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/scan"
)

const (
	curlFile = "usr/bin/curl"
	curlLib  = "usr/lib/x86_64-linux-gnu/libcurl.so.4"
)

// debianWith is the layer of a Debian image with curl and a few packages, changed: "-" deletes a file from the layer.
func debianWith(change layer) layer {
	l := lifecycletest.DebianLayer("curl")
	for name, content := range change {
		if delete(l, name); content != "-" {
			l[name] = content
		}
	}
	return l
}

// linkedTo moves a directory of the layer and leaves a link.
func linkedTo(l layer, dir, to, link string) layer {
	for name, content := range l {
		if strings.HasPrefix(name, dir+"/") {
			delete(l, name)
			l[to+strings.TrimPrefix(name, dir)] = content
		}
	}
	l[dir] = "-> " + link
	return l
}

// TestPresence: a command or library that is not in the image is not provided, though the package that brought it is
// there.
func TestPresence(t *testing.T) {
	whole := lifecycletest.DebianLayer("curl")
	diverted := "/usr/bin/curl\n/usr/bin/curl.real\n:\n/bin/bash\n/bin/bash.distrib\nbash\n"
	for _, tt := range []struct {
		name   string
		layers []layer
		gone   []string // of curl, libcurl4 and bash
	}{
		{"all there", []layer{whole, {"tmp/x": "x"}}, nil},
		{"deleted", []layer{whole, {"usr/bin/.wh.curl": ""}}, []string{"cmd:curl"}},
		{"deleted through a link", []layer{whole, {"bin/.wh.curl": ""}}, []string{"cmd:curl"}},
		{"another deleted", []layer{whole, {"usr/bin/.wh.wget": "", "usr/share/.wh.curl": ""}}, nil},
		{"deleted and brought back", []layer{whole, {"usr/bin/.wh.curl": ""}, {curlFile: "x"}}, nil},
		{"deleted in the layer that brought it", []layer{debianWith(layer{curlFile: "-"})}, []string{"cmd:curl"}},
		{"a directory deleted", []layer{whole, {"usr/.wh.bin": ""}}, []string{"cmd:bash", "cmd:curl"}},
		{"an opaque directory", []layer{whole, {"usr/bin/.wh..wh..opq": "", "usr/bin/bash": "x"}}, []string{"cmd:curl"}},
		{"an opaque parent", []layer{whole, {"usr/.wh..wh..opq": "", curlFile: "x", "var/lib/dpkg/x": ""}}, []string{"cmd:bash", "so:libcurl.so.4"}},
		{"a library deleted", []layer{whole, {"usr/lib/x86_64-linux-gnu/.wh.libcurl.so.4": ""}}, []string{"so:libcurl.so.4"}},
		{"a library deleted in the layer that brought it", []layer{debianWith(layer{curlLib: "-"})}, []string{"so:libcurl.so.4"}},
		{"the libraries' directory deleted", []layer{whole, {"usr/lib/.wh.x86_64-linux-gnu": ""}}, []string{"so:libcurl.so.4"}},
		{"diverted", []layer{debianWith(layer{"var/lib/dpkg/diversions": diverted, curlFile: "-", curlFile + ".real": "x"})}, []string{"cmd:curl"}},
		{"diverted, another in its place", []layer{debianWith(layer{"var/lib/dpkg/diversions": diverted, curlFile + ".real": "x"})}, []string{"cmd:curl"}},
		{"a link to a command", []layer{debianWith(layer{curlFile: "-> curl.x", curlFile + ".x": "x"})}, nil},
		{"a link to a command in another layer", []layer{debianWith(layer{curlFile: "-> /bin/curl.x"}), {"usr/bin/curl.x": "x"}}, nil},
		{"a link to nothing", []layer{debianWith(layer{curlFile: "-> ../bin/curl.x"})}, []string{"cmd:curl"}},
		{"a link whose command is deleted", []layer{debianWith(layer{curlFile: "-> curl.x", curlFile + ".x": "x"}), {"usr/bin/.wh.curl.x": ""}}, []string{"cmd:curl"}},
		{"a link to itself", []layer{debianWith(layer{curlFile: "-> curl"})}, []string{"cmd:curl"}},
		{"a link to a file elsewhere", []layer{debianWith(layer{curlFile: "-> ../../opt/curl", "opt/curl": "x"})}, nil},
		{"a hard link", []layer{debianWith(layer{"opt/curl": "x", curlFile: "=> opt/curl"})}, nil},
		{"a hard link whose other name is deleted", []layer{debianWith(layer{"bin/acurl": "x", curlFile: "=> usr/bin/acurl"}), {"usr/bin/.wh.acurl": ""}}, nil},
		{"a directory of its name", []layer{debianWith(layer{curlFile: "-", curlFile + "/": ""})}, []string{"cmd:curl"}},
		{"commands behind a link", []layer{linkedTo(debianWith(nil), "usr/bin", "opt/bin", "../opt/bin")}, nil},
		{"commands behind links", []layer{linkedTo(debianWith(layer{"srv": "-> opt", curlFile: "-"}), "usr/bin", "opt/bin", "/srv/bin")}, []string{"cmd:curl"}},
		{"libraries behind a link", []layer{linkedTo(debianWith(nil), "usr/lib", "opt/lib", "/opt/lib")}, nil},
		{"libraries behind a link, one deleted", []layer{linkedTo(debianWith(layer{curlLib: "-"}), "usr/lib/x86_64-linux-gnu", "opt/lib", "/opt/lib")}, []string{"so:libcurl.so.4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for kind, doc := range everyWay(t, tt.layers...) {
				set, _ := provides.From(doc, nil, nil)
				for _, name := range []string{"curl", "bash", "cmd:bash", "cmd:curl", "so:libcurl.so.4"} {
					got, want := set.Answer(name, ""), !slices.Contains(tt.gone, name)
					if got.Met != want {
						t.Errorf("%s: %s is provided: %t (%s), want %t", kind, name, got.Met, got.Reason, want)
					}
					if !want && !strings.Contains(got.Reason, " is not in the image") {
						t.Errorf("%s: reason %q", kind, got.Reason)
					}
				}
				if !doc.Knows(sbom.Presence | sbom.Files) {
					t.Errorf("%s: not all is known", kind)
				}
			}
		})
	}
}

// unflat are the layers of which mutate.Extract makes another file system than a container has.
var unflat = []string{".wh..wh..opq", "bin/.wh.curl", "usr/bin/.wh.acurl"}

// everyWay scans an image, an image whose layers are in the cache and, where the layers can be flattened, a container
// and a directory.
func everyWay(t *testing.T, layers ...layer) map[string]*sbom.Document {
	t.Helper()
	docs := map[string]*sbom.Document{}
	add := func(kind string, doc *sbom.Document, err error) {
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		docs[kind] = doc
	}
	img, opts := lifecycletest.Image(layers...), scan.Options{Cache: scan.DirCache(t.TempDir())}
	for _, kind := range []string{"layers", "cached layers"} {
		doc, err := scan.Image(t.Context(), img, opts)
		add(kind, doc, err)
	}
	for _, l := range layers {
		for name := range l {
			if slices.Contains(unflat, name) || strings.HasSuffix(name, unflat[0]) {
				return docs
			}
		}
	}
	doc, err := scan.Tree(t.Context(), flat{img})
	add("container", doc, err)
	doc, err = scan.Dir(t.Context(), flat{img}.unpack(t))
	add("directory", doc, err)
	return docs
}

// flat is an image as a daemon gives it.
type flat struct{ v1.Image }

func (f flat) Archive(_ context.Context, name string) (io.ReadCloser, error) {
	if name != "/" {
		return nil, errors.New("only the whole is asked for")
	}
	return mutate.Extract(f.Image), nil
}

func (f flat) unpack(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	stream := mutate.Extract(f.Image)
	defer stream.Close()
	for r := tar.NewReader(stream); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(root, h.Name)
		err = os.MkdirAll(filepath.Dir(file), 0o755)
		switch h.Typeflag {
		case tar.TypeDir:
			err = errors.Join(err, os.MkdirAll(file, 0o755))
		case tar.TypeSymlink:
			err = errors.Join(err, os.Symlink(h.Linkname, file))
		case tar.TypeLink:
			err = errors.Join(err, os.Link(filepath.Join(root, h.Linkname), file))
		default:
			var content bytes.Buffer
			_, readErr := content.ReadFrom(r)
			err = errors.Join(err, readErr, os.WriteFile(file, content.Bytes(), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestPresenceOfAPK: apk has commands and libraries as virtual packages, too. They are what apk goes by, so the
// package keeps them, but no name comes from them.
func TestPresenceOfAPK(t *testing.T) {
	whole := lifecycletest.Alpine()
	for name, whiteout := range map[string]string{"cmd:pkgconf": "usr/bin/.wh.pkgconf", "so:libz.so.1": "lib/.wh.libz.so.1", "cmd:pkg-config": "usr/.wh.bin"} {
		for _, deleted := range []bool{false, true} {
			img := whole
			if deleted {
				img = lifecycletest.With(whole, layer{whiteout: ""})
			}
			doc, err := scan.Image(t.Context(), img, scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			set, _ := provides.From(doc, nil, nil)
			if got := set.Answer(name, ""); got.Met == deleted {
				t.Errorf("%s, deleted %t: provided %t (%s)", name, deleted, got.Met, got.Reason)
			}
			if !slices.ContainsFunc(doc.Packages, func(p sbom.Package) bool {
				return slices.ContainsFunc(p.Provides, func(v sbom.VirtualPackage) bool { return v.Name == name })
			}) {
				t.Errorf("%s, deleted %t: no package provides it", name, deleted)
			}
		}
	}
}

// TestPresenceOfRPM: RPM has libraries as capabilities, which a later install goes by.
func TestPresenceOfRPM(t *testing.T) {
	for name, file := range map[string]string{"cmd:bash": "bin/bash", "so:libz.so.1": "usr/lib/libz.so.1"} {
		l := lifecycletest.MarinerLayer()
		if _, ok := l[file]; !ok {
			t.Fatalf("no %s in the image", file)
		}
		for _, deleted := range []bool{false, true} {
			if deleted {
				delete(l, file)
			}
			doc := scanned(t, l)
			set, _ := provides.From(doc, nil, nil)
			if got := set.Answer(name, ""); got.Met == deleted {
				t.Errorf("%s, deleted %t: provided %t (%s)", name, deleted, got.Met, got.Reason)
			}
			if got := set.Answer("libz.so.1()(64bit)", ""); !got.Met {
				t.Errorf("libz.so.1()(64bit): %s", got.Reason)
			}
		}
	}
}

// TestNothingAbsent: images of whole packages lack nothing.
func TestNothingAbsent(t *testing.T) {
	for name, img := range map[string]v1.Image{
		"debian": lifecycletest.Debian("curl", "git", "php-cli"), "distroless": lifecycletest.Distroless("libssl3"), "alpine": lifecycletest.Alpine(),
		"rpm": lifecycletest.Mariner(), "suse": lifecycletest.SUSE(), "bdb": lifecycletest.BerkeleyDB(),
	} {
		doc, err := scan.Image(t.Context(), img, scan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range doc.Packages {
			if diff := cmp.Diff([]string(nil), p.Absent); diff != "" || !p.Known.Has(sbom.Presence) {
				t.Errorf("%s: %s, known %b: %s", name, p.Name, p.Known, diff)
			}
		}
	}
}

// TestUnreadableDirectoryIsUnknown: a directory that this process may not look into is not an empty one.
func TestUnreadableDirectoryIsUnknown(t *testing.T) {
	root := unpack(t, lifecycletest.DebianLayer("curl"))
	if err := os.Chmod(filepath.Join(root, "usr/bin"), 0); err != nil {
		t.Fatal(err)
	}
	for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 { // who may look anywhere
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0)
	}
	doc, err := scan.Dir(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	set, _ := provides.From(doc, nil, nil)
	if got := set.Answer("cmd:curl", ""); got.Met || !strings.Contains(got.Reason, "unknown") {
		t.Errorf("cmd:curl: provided %t, %s", got.Met, got.Reason)
	}
	if got := set.Answer("so:libcurl.so.4", ""); !got.Met {
		t.Errorf("so:libcurl.so.4: %s", got.Reason)
	}
}

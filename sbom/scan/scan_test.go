package scan_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/scan"
)

type layer = lifecycletest.Layer

const osRelease = "ID=debian\nVERSION_ID=\"12\"\n"

// dpkg is a status file of packages, each of version 1.
func dpkg(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString("Package: " + n + "\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n")
	}
	return b.String()
}

func apk(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString("P:" + n + "\nV:1-r0\nA:x86_64\n\n")
	}
	return b.String()
}

func names(doc *sbom.Document) []string {
	var all []string
	for _, p := range doc.Packages {
		all = append(all, p.Name)
	}
	return all
}

// TestLayers has the cases of the OCI image specification's layer.md, and of links.
func TestLayers(t *testing.T) {
	const status, rpm = "var/lib/dpkg/status", "usr/lib/sysimage/rpm/Packages"
	for _, tt := range []struct {
		name      string
		layers    []layer
		want      []string
		databases []string
	}{
		{"the top-most version counts", []layer{{status: dpkg("a")}, {status: dpkg("b")}},
			[]string{"b"}, []string{"/" + status}},
		{"a whiteout removes a file", []layer{{status: dpkg("a")}, {"var/lib/dpkg/.wh.status": ""}}, nil, nil},
		{"a whiteout removes a folder", []layer{{status: dpkg("a")}, {"var/.wh.lib": ""}}, nil, nil},
		{"what a whiteout removed can come back", []layer{{status: dpkg("a")}, {"var/.wh.lib": ""}, {status: dpkg("b")}},
			[]string{"b"}, []string{"/" + status}},
		{"a whiteout is for the layers below", []layer{{status: dpkg("a")}, {"var/lib/.wh.dpkg": "", status: dpkg("b")}},
			[]string{"b"}, []string{"/" + status}},
		{"an opaque folder hides the layers below", []layer{
			{"var/lib/dpkg/status.d/a": dpkg("a"), status: dpkg("s")},
			{"var/lib/dpkg/status.d/.wh..wh..opq": "", "var/lib/dpkg/status.d/b": dpkg("b")}},
			[]string{"b", "s"}, []string{"/" + status, "/var/lib/dpkg/status.d/b"}},
		{"an opaque root", []layer{{status: dpkg("a")}, {".wh..wh..opq": "", "x": ""}}, nil, nil},
		{"a file takes a folder's place", []layer{{status: dpkg("a")}, {"var": "file"}}, nil, nil},
		{"a link into the known", []layer{{"usr/lib/apk/db/installed": apk("a"), "lib": "-> usr/lib"}},
			[]string{"a"}, []string{"/lib/apk/db/installed"}},
		{"a layer writes through a link below", []layer{
			{"usr/lib/apk/db/installed": apk("a"), "lib": "-> usr/lib"}, {"lib/apk/db/installed": apk("b")}},
			[]string{"b"}, []string{"/lib/apk/db/installed"}},
		{"a folder takes a link's place", []layer{
			{"usr/lib/apk/db/installed": apk("a"), "lib": "-> usr/lib"}, {"lib/": "", "lib/apk/db/installed": apk("b")}},
			[]string{"a", "b"}, []string{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}},
		{"a link into the unknown", []layer{{"opt/db/status": dpkg("a")}, {"var/lib/dpkg": "-> /opt/db"}},
			[]string{"a"}, []string{"/" + status}},
		{"links into the unknown, one after the other", []layer{
			{"opt/1/status.d/a": dpkg("a"), "opt/0": "-> ../opt/1/"}, {"var/lib/dpkg": "-> ../../opt/0"}},
			[]string{"a"}, []string{"/var/lib/dpkg/status.d/a"}},
		{"a link does not leave the root", []layer{{"etc/status": dpkg("a"), status: "-> ../../../../../../etc/status"}},
			[]string{"a"}, []string{"/" + status}},
		{"a link to itself", []layer{{"var/lib/dpkg": "-> dpkg"}}, nil, nil},
		{"a hard link", []layer{{"opt/status": dpkg("a"), status: "=> opt/status"}},
			[]string{"a"}, []string{"/" + status}},
		{"a link whose target changes", []layer{
			{"opt/1": dpkg("a"), "opt/2": dpkg("b"), status: "-> /opt/1"}, {status: "-> /opt/2"}},
			[]string{"b"}, []string{"/" + status}},
		{"an empty database", []layer{{status: "\n"}}, nil, []string{"/" + status}},
		{"an unpacked root file system is not the image", []layer{{"opt/chroot/" + status: dpkg("a")}}, nil, nil},
		{"two kinds", []layer{{status: dpkg("b"), "lib/apk/db/installed": apk("a")}},
			[]string{"a", "b"}, []string{"/lib/apk/db/installed", "/" + status}},
		{"no database of a broken link", []layer{{"var/lib/rpm": "-> ../../" + rpm}}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := scan.Image(t.Context(), lifecycletest.Image(tt.layers...), scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, names(doc)); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.databases, doc.Databases); diff != "" {
				t.Errorf("databases (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPackageFacts(t *testing.T) {
	doc, err := scan.Image(t.Context(), lifecycletest.Debian("curl", "libssl3", "openjdk-17-jre-headless"), scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sbom.Distro{ID: "debian", Version: "12.15", Name: "Debian GNU/Linux 12 (bookworm)"}, doc.Distro); diff != "" {
		t.Error(diff)
	}
	all := sbom.Files | sbom.Virtual | sbom.Upstream | sbom.Arch | sbom.Presence
	if !doc.Knows(all) {
		t.Error("something is unknown of a package")
	}
	libcurl := find(t, doc, "libcurl4")
	link := regexp.MustCompile(`^/usr/lib/x86_64-linux-gnu/libcurl\.so\.4$`) // a symbolic link, only in .list
	if !slices.ContainsFunc(libcurl.Files, link.MatchString) {
		t.Errorf("libcurl4 owns %v", libcurl.Files)
	}
	if libcurl.Source != (sbom.Source{Name: "curl"}) {
		t.Errorf("source of libcurl4: %v", libcurl.Source)
	}
	jre := find(t, doc, "openjdk-17-jre-headless")
	if !slices.ContainsFunc(jre.Provides, func(v sbom.VirtualPackage) bool { return v.Name == "java-runtime-headless" }) {
		t.Errorf("openjdk-17-jre-headless provides %v", jre.Provides)
	}
	if !slices.IsSortedFunc(doc.Packages, sbom.Compare) {
		t.Error("packages are not sorted")
	}
}

func TestFactsOfOtherDatabases(t *testing.T) {
	for _, tt := range []struct {
		name, pkg string
		img       v1.Image
		known     sbom.Facts
		file      string
		source    sbom.Source
		provides  sbom.VirtualPackage
	}{
		{"apk", "musl", lifecycletest.Alpine(), sbom.Files | sbom.Virtual | sbom.Upstream | sbom.Arch,
			"/lib/libc.musl-x86_64.so.1", sbom.Source{}, sbom.VirtualPackage{Name: "so:libc.musl-x86_64.so.1", Version: "1"}},
		{"rpm", "bash", lifecycletest.Mariner(), sbom.Files | sbom.Virtual | sbom.Upstream | sbom.Arch,
			"/bin/bash", sbom.Source{Name: "bash", Version: "5.1.8-1.cm2"}, sbom.VirtualPackage{Name: "/bin/sh"}},
		{"distroless", "libssl3", lifecycletest.Distroless("libssl3"), sbom.Virtual | sbom.Upstream | sbom.Arch,
			"/usr/lib/x86_64-linux-gnu/libssl.so.3", sbom.Source{Name: "openssl"}, sbom.VirtualPackage{}},
		{"rpm manifest", "openssl", lifecycletest.Image(manifestLayer), sbom.Upstream | sbom.Arch,
			"", sbom.Source{Name: "openssl", Version: "1.1.1k-15.cm2"}, sbom.VirtualPackage{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := scan.Image(t.Context(), tt.img, scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			p := find(t, doc, tt.pkg)
			if p.Known != tt.known|sbom.Presence {
				t.Errorf("known %b, want %b", p.Known, tt.known|sbom.Presence)
			}
			if tt.file != "" && !slices.Contains(p.Files, tt.file) {
				t.Errorf("files %v, want %s", p.Files, tt.file)
			}
			if p.Source != tt.source {
				t.Errorf("source %v, want %v", p.Source, tt.source)
			}
			if tt.provides.Name != "" && !slices.Contains(p.Provides, tt.provides) {
				t.Errorf("provides %v, want %v", p.Provides, tt.provides)
			}
		})
	}
}

func find(t *testing.T, doc *sbom.Document, name string) sbom.Package {
	t.Helper()
	for _, p := range doc.Packages {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("no package %s among %v", name, names(doc))
	return sbom.Package{}
}

func TestMalformedDatabases(t *testing.T) {
	sqlite := lifecycletest.MarinerLayer()["var/lib/rpm/rpmdb.sqlite"]
	ndb := lifecycletest.SUSELayer()["usr/lib/sysimage/rpm/Packages.db"]
	for name, l := range map[string]layer{
		"/var/lib/dpkg/status":                      {"var/lib/dpkg/status": "<html>no such page</html>\n"},
		"/var/lib/dpkg/status.d/x":                  {"var/lib/dpkg/status.d/x": " leading\n"},
		"/lib/apk/db/installed":                     {"lib/apk/db/installed": "<html>no such page</html>\n"},
		"/usr/lib/apk/db/installed":                 {"usr/lib/apk/db/installed": "P:x\nM:0:0:755\n"},
		"/var/lib/rpm/rpmdb.sqlite":                 {"var/lib/rpm/rpmdb.sqlite": sqlite[:len(sqlite)/2]},
		"/usr/share/rpm/rpmdb.sqlite":               {"usr/share/rpm/rpmdb.sqlite": "SQLite format 3\x00 and then nothing"},
		"/var/lib/rpm/Packages":                     {"var/lib/rpm/Packages": "not a database at all"},
		"/var/lib/rpm/Packages.db":                  {"var/lib/rpm/Packages.db": ndb[:len(ndb)/2]},
		"/var/lib/rpmmanifest/container-manifest-2": {"var/lib/rpmmanifest/container-manifest-2": "one\ttwo\n"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := scan.Image(t.Context(), lifecycletest.Image(layer{"etc/os-release": osRelease}, l), scan.Options{})
			if err == nil {
				t.Fatalf("no error, %d packages", len(doc.Packages))
			}
			if !strings.Contains(err.Error(), name+":") {
				t.Errorf("%v does not name the file", err)
			}
		})
	}
}

func TestCompressions(t *testing.T) {
	content := layer{"var/lib/dpkg/status": dpkg("a")}.Bytes()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]v1.Layer{
		"none":             static.NewLayer(content, types.OCIUncompressedLayer),
		"zstd":             static.NewLayer(enc.EncodeAll(content, nil), types.OCILayerZStd),
		"zstd called gzip": static.NewLayer(enc.EncodeAll(content, nil), types.OCILayer),
	} {
		t.Run(name, func(t *testing.T) {
			img, err := mutate.AppendLayers(lifecycletest.Scratch(), l)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := scan.Image(t.Context(), img, scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"a"}, names(doc)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBrokenLayer(t *testing.T) {
	content := layer{"var/lib/dpkg/status": dpkg("a")}.Bytes()
	img, err := mutate.AppendLayers(lifecycletest.Scratch(), static.NewLayer(content[:540], types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scan.Image(t.Context(), img, scan.Options{}); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "layer 2 of 2") {
		t.Errorf("error %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scan.Image(ctx, lifecycletest.Alpine(), scan.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// countedCache counts what it is asked.
type countedCache struct {
	scan.DirCache
	hits, misses, puts int
}

func (c *countedCache) Get(key string) []byte {
	value := c.DirCache.Get(key)
	if value == nil {
		c.misses++
	} else {
		c.hits++
	}
	return value
}

func (c *countedCache) Put(key string, value []byte) {
	c.puts++
	c.DirCache.Put(key, value)
}

func TestCache(t *testing.T) {
	base := []layer{
		{"var/lib/dpkg/status": dpkg("a"), "lib": "-> usr/lib", "usr/lib/apk/db/installed": apk("x"), "opt/f": "f"},
		{"var/lib/dpkg/.wh.status": "", "var/lib/dpkg/status.d/.wh..wh..opq": "", "var/lib/dpkg/status.d/c": "=> opt/c"},
	}
	first := lifecycletest.Image(base...)
	second := lifecycletest.Image(append(base, layer{"var/lib/dpkg/status": dpkg("b")})...)
	dir := t.TempDir()
	want, err := scan.Image(t.Context(), second, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	check := func(img v1.Image, hits, misses int) *sbom.Document {
		t.Helper()
		c := &countedCache{DirCache: scan.DirCache(dir)}
		doc, err := scan.Image(t.Context(), img, scan.Options{Cache: c, Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		if c.hits != hits || c.misses != misses || c.puts != misses {
			t.Errorf("%d hits, %d misses, %d puts; want %d, %d, %d", c.hits, c.misses, c.puts, hits, misses, misses)
		}
		return doc
	}
	// The hard link leads out of what is looked for, so every image is read twice.
	check(first, 0, 4)
	if diff := cmp.Diff(want, check(second, 4, 2)); diff != "" {
		t.Errorf("part from the cache (-without +with):\n%s", diff)
	}
	if diff := cmp.Diff(want, check(second, 6, 0)); diff != "" {
		t.Errorf("all from the cache (-without +with):\n%s", diff)
	}
	for i, spoil := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:len(b)/2] },
		func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		func([]byte) []byte { return []byte("x") },
	} {
		entries, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(entries) != 6 {
			t.Fatalf("%v, %v", entries, err)
		}
		for _, name := range entries {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, spoil(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		doc, err := scan.Image(t.Context(), second, scan.Options{Cache: scan.DirCache(dir)})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, doc); diff != "" {
			t.Errorf("spoilt cache %d (-want +got):\n%s", i, diff)
		}
	}
}

// A layer that claims the diff ID of another must not speak for it.
func TestCacheIsNotPoisoned(t *testing.T) {
	honest := lifecycletest.Image(layer{"var/lib/dpkg/status": dpkg("a")})
	diffIDs, err := honest.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	liar := liar{layer{"var/lib/dpkg/status": dpkg("backdoor")}.Tar(), diffIDs.RootFS.DiffIDs[0]}
	img, err := mutate.AppendLayers(lifecycletest.Scratch(), liar)
	if err != nil {
		t.Fatal(err)
	}
	opts := scan.Options{Cache: scan.DirCache(t.TempDir())}
	if _, err := scan.Image(t.Context(), img, opts); err != nil {
		t.Fatal(err)
	}
	doc, err := scan.Image(t.Context(), honest, opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, names(doc)); diff != "" {
		t.Error(diff)
	}
}

type liar struct {
	v1.Layer
	diffID v1.Hash
}

func (l liar) DiffID() (v1.Hash, error) { return l.diffID, nil }

// unpack writes layers to a directory; they need no whiteouts.
func unpack(t *testing.T, layers ...layer) string {
	t.Helper()
	root := t.TempDir()
	for _, l := range layers {
		for name, content := range l {
			file := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			var err error
			if target, ok := strings.CutPrefix(content, "-> "); ok {
				err = os.Symlink(target, file)
			} else {
				err = os.WriteFile(file, []byte(content), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

func TestDirFindsWhatImageFinds(t *testing.T) {
	for name, l := range map[string]layer{
		"debian": lifecycletest.DebianLayer("curl"),
		"suse":   lifecycletest.SUSELayer(),
		"links":  {"etc/os-release": "-> /opt/os-release", "opt/os-release": osRelease, "var/lib/dpkg": "-> /opt/dpkg", "opt/dpkg/status": dpkg("a")},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := scan.Image(t.Context(), lifecycletest.Image(l), scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := scan.Dir(t.Context(), unpack(t, l))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-image +dir:\n%s", diff)
			}
			if len(got.Packages) == 0 || got.Distro.ID == "" {
				t.Errorf("%d packages, distribution %v", len(got.Packages), got.Distro)
			}
		})
	}
}

func TestDirKeepsToItsRoot(t *testing.T) {
	outside := unpack(t, layer{"var/lib/dpkg/status": dpkg("secret")})
	for name, target := range map[string]string{
		"absolute": outside + "/var/lib/dpkg",
		"relative": "../../../../../../../../../.." + outside + "/var/lib/dpkg",
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := scan.Dir(t.Context(), unpack(t, layer{"var/lib/dpkg": "-> " + target}))
			if err != nil {
				t.Fatal(err)
			}
			if len(doc.Packages)+len(doc.Databases) != 0 {
				t.Errorf("read %v", doc.Databases)
			}
		})
	}
}

// container answers as a daemon does for a container that holds a directory. It is asked for no more than all.
type container string

func (c container) Archive(_ context.Context, name string) (io.ReadCloser, error) {
	if name != "/" {
		return nil, fs.ErrNotExist
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	return io.NopCloser(&buf), errors.Join(w.AddFS(os.DirFS(string(c))), w.Close())
}

func TestTreeFindsWhatImageFinds(t *testing.T) {
	l := lifecycletest.DebianLayer("curl")
	want, err := scan.Image(t.Context(), lifecycletest.Image(l), scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := scan.Tree(t.Context(), container(unpack(t, l)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-image +tree:\n%s", diff)
	}
}

func TestDeterministic(t *testing.T) {
	img := lifecycletest.Debian("curl", "git", "php-cli")
	want, err := scan.Image(t.Context(), img, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		got, err := scan.Image(t.Context(), img, scan.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

// The version that a Document names must be the version in go.mod.
func TestToolVersion(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`github\.com/anchore/syft v(\S+)`).FindSubmatch(mod)
	if m == nil {
		t.Fatal("go.mod does not require syft")
	}
	doc, err := scan.Image(t.Context(), lifecycletest.Scratch(), scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "syft " + string(m[1]); doc.Tool != want {
		t.Errorf("tool %q, want %q", doc.Tool, want)
	}
}

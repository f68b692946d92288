package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/sbom/format"
)

const version = "1.2.3-rc.1"

// small is a release whose commands all are the launcher: a real binary that is compiled in a second.
func small(t *testing.T, only ...v1.Platform) *release {
	t.Helper()
	r := &release{Source: "../..", Out: t.TempDir(), Version: version, Commit: "0123abc", Created: layers.Epoch, Only: only, Progress: io.Discard}
	r.Compile = func(ctx context.Context, command string, p v1.Platform, dir string) (string, error) {
		from, err := launcher(ctx, r, p)
		if err != nil {
			return "", err
		}
		data, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, command)
		return path, os.WriteFile(path, data, 0o700)
	}
	return r
}

var (
	compiled   = map[string]string{}
	compiledMu sync.Mutex
	scratch    string
)

func TestMain(m *testing.M) {
	scratch, _ = os.MkdirTemp("", "dist-test-") // an empty path fails the first test that compiles
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// launcher compiles the launcher once for a platform.
func launcher(ctx context.Context, r *release, p v1.Platform) (string, error) {
	compiledMu.Lock()
	defer compiledMu.Unlock()
	if path, done := compiled[p.String()]; done {
		return path, nil
	}
	dir := filepath.Join(scratch, strings.ReplaceAll(p.String(), "/", "-"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path, err := r.compile(ctx, "launcher", p, dir)
	compiled[p.String()] = path
	return path, err
}

// made makes the release and returns the lifecycle image.
func made(t *testing.T, r *release) v1.ImageIndex {
	t.Helper()
	return images(t, r)[lifecycleImage]
}

func images(t *testing.T, r *release) map[string]v1.ImageIndex {
	t.Helper()
	all, err := r.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A file is what a tar stream tells of one.
type file struct {
	Mode int64
	Link string
	Body string
}

func untar(t *testing.T, r io.Reader) map[string]file {
	t.Helper()
	files, last := map[string]file{}, ""
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name <= last || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(layers.Epoch) {
			t.Errorf("entry %+v after %q: want names in order, all root's and of one time", h, last)
		}
		last = h.Name
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = file{h.Mode, h.Linkname, string(body)}
	}
}

func unpacked(t *testing.T, r *release, name string) map[string]file {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.Out, name))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return untar(t, plain)
}

// shapes are the files without their content.
func shapes(files map[string]file) map[string]file {
	all := map[string]file{}
	for name, f := range files {
		f.Body = ""
		all[name] = f
	}
	return all
}

// lifecycleFiles are what a lifecycle is made of, below a folder (docs/compatibility.md, "The distribution").
func lifecycleFiles(folder, arch string) map[string]file {
	all := map[string]file{}
	programs := []string{"lifecycle", "launcher", "baseplan-verifier"}
	if arch == "amd64" || arch == "arm64" {
		programs = append(programs, "sandbox")
	}
	for _, name := range programs {
		all[folder+name] = file{Mode: 0o755}
		for _, format := range []string{"cdx", "spdx", "syft"} {
			all[folder+name+".sbom."+format+".json"] = file{Mode: 0o644}
		}
	}
	for _, phase := range []string{"analyzer", "detector", "restorer", "extender", "builder", "exporter", "creator", "rebaser"} {
		all[folder+phase] = file{Mode: 0o777, Link: "lifecycle"}
	}
	return all
}

func TestLifecycleTarball(t *testing.T) {
	r := small(t, platforms("linux/amd64", "linux/s390x")...)
	made(t, r)
	for _, arch := range []string{"amd64", "s390x"} {
		files := unpacked(t, r, "lifecycle-"+version+"-linux-"+arch+".tgz")
		want := lifecycleFiles("lifecycle/", arch)
		want["lifecycle/"], want["lifecycle.toml"] = file{Mode: 0o755}, file{Mode: 0o644}
		if diff := cmp.Diff(want, shapes(files)); diff != "" {
			t.Errorf("the tarball for %s (-want +got):\n%s", arch, diff)
		}
	}
}

func TestLifecycleTOML(t *testing.T) {
	data, err := describe(version).TOML()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := toml.Unmarshal(data, &got); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	strings := func(from, to int) []any {
		all := []any{}
		for minor := from; minor <= to; minor++ {
			all = append(all, fmt.Sprintf("0.%d", minor))
		}
		return all
	}
	want := map[string]any{
		"api": map[string]any{"platform": "0.7", "buildpack": "0.7"},
		"apis": map[string]any{
			"platform":  map[string]any{"deprecated": []any{}, "supported": strings(7, 15)},
			"buildpack": map[string]any{"deprecated": []any{}, "supported": strings(7, 12)},
		},
		"lifecycle": map[string]any{"version": version, "sbom-formats": []any{"application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.syft+json"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lifecycle.toml (-want +got):\n%s", diff)
	}
}

// TestSBOMs reads the SBOMs as the rest of baseplan does, and holds them to what the linker says.
func TestSBOMs(t *testing.T) {
	r := small(t, platforms("linux/amd64", "darwin/arm64")...)
	made(t, r)
	for name, command := range map[string]string{
		"lifecycle-" + version + "-linux-amd64.tgz": "lifecycle/launcher",
		"baseplan-" + version + "-darwin-arm64.tgz": "baseplan",
	} {
		files := unpacked(t, r, name)
		for _, extension := range []string{"cdx", "spdx", "syft"} {
			body := files[command+".sbom."+extension+".json"].Body
			doc, err := format.Decode(strings.NewReader(body), name)
			if err != nil {
				t.Fatalf("%s: %v", extension, err)
			}
			found := map[string]string{}
			for _, p := range doc.Packages {
				found[p.Name] = p.PURL
			}
			for module, purl := range map[string]string{
				"github.com/baseplan/baseplan": "pkg:golang/github.com/baseplan/baseplan@v" + version,
				"github.com/BurntSushi/toml":   "pkg:golang/github.com/BurntSushi/toml@v1.6.0",
			} {
				if !strings.EqualFold(found[module], purl) { // the type's rules make names lower case, which not all formats do
					t.Errorf("%s in %s has %s as %q, want %q", extension, name, module, found[module], purl)
				}
			}
			if found["stdlib"] == "" {
				t.Errorf("%s in %s has no standard library", extension, name)
			}
			for _, place := range []string{r.Out, scratch, os.TempDir()} {
				if strings.Contains(body, place) {
					t.Errorf("%s in %s tells of this machine: %s", extension, name, place)
				}
			}
		}
	}
}

func TestCommandTarball(t *testing.T) {
	r := small(t, platforms("darwin/arm64")...)
	made(t, r)
	want := map[string]file{"LICENSE": {Mode: 0o644}}
	for _, name := range []string{"baseplan", "baseplan-verifier"} {
		want[name] = file{Mode: 0o755}
		for _, extension := range []string{"cdx", "spdx", "syft"} {
			want[name+".sbom."+extension+".json"] = file{Mode: 0o644}
		}
	}
	files := unpacked(t, r, "baseplan-"+version+"-darwin-arm64.tgz")
	page := files["share/man/man1/baseplan-sbom-attach.1"].Body
	if !strings.Contains(page, ".TH \"BASEPLAN-SBOM-ATTACH\" \"1\" \"Jan 1980\" \"baseplan "+version+"\"") || !strings.Contains(page, "--force") {
		t.Errorf("the manual page:\n%s", page)
	}
	for _, name := range []string{"bash-completion/completions/baseplan", "zsh/site-functions/_baseplan", "fish/vendor_completions.d/baseplan.fish"} {
		if files["share/"+name].Body == "" {
			t.Errorf("%s is missing", name)
		}
	}
	for name := range files {
		if strings.HasPrefix(name, "share/") {
			delete(files, name)
		}
	}
	if diff := cmp.Diff(want, shapes(files)); diff != "" {
		t.Errorf("the tarball (-want +got):\n%s", diff)
	}
}

// TestWindows: programs are named as they are there, in an archive that it opens.
func TestWindows(t *testing.T) {
	r := small(t, platforms("windows/amd64")...)
	r.Compile = func(_ context.Context, command string, _ v1.Platform, dir string) (string, error) { // the launcher is not for Windows
		path, err := launcher(t.Context(), r, v1.Platform{OS: "linux", Architecture: "amd64"})
		if err != nil {
			return "", err
		}
		return filepath.Join(dir, command), os.Symlink(path, filepath.Join(dir, command))
	}
	made(t, r)
	archive, err := zip.OpenReader(filepath.Join(r.Out, "baseplan-"+version+"-windows-amd64.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var programs []string
	for _, f := range archive.File {
		if f.Mode()&0o100 != 0 {
			programs = append(programs, f.Name)
		}
	}
	if !slices.Equal(programs, []string{"baseplan-verifier.exe", "baseplan.exe"}) {
		t.Errorf("programs %q", programs)
	}
}

// TestPackages: the packages of distributions have the version in their order, which has prereleases first.
func TestPackages(t *testing.T) {
	r := small(t, platforms("linux/arm64")...)
	made(t, r)
	file, err := os.Open(filepath.Join(r.Out, "baseplan-"+version+"-linux-arm64.deb"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	members := ar(t, file)
	plain, err := gzip.NewReader(bytes.NewReader(members["control.tar.gz"]))
	if err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(plain); ; {
		h, err := tr.Next()
		if err != nil {
			t.Fatalf("the package has no control file: %v", err)
		}
		if path.Base(h.Name) != "control" {
			continue
		}
		control, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"Package: baseplan", "Version: 1.2.3~rc.1", "Architecture: arm64", "Section: utils"} {
			if !strings.Contains(string(control), line+"\n") {
				t.Errorf("control lacks %q:\n%s", line, control)
			}
		}
		break
	}
	data, err := os.ReadFile(filepath.Join(r.Out, "baseplan-"+version+"-linux-arm64.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	if !bytes.HasPrefix(data, []byte{0xed, 0xab, 0xee, 0xdb}) || !bytes.Contains(data, []byte("1.2.3~rc.1")) || len(host) > 3 && bytes.Contains(data, []byte(host)) {
		t.Error("this is no reproducible RPM of this version")
	}
}

// ar returns the members of an ar archive (deb(5)).
func ar(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	members := map[string][]byte{}
	for rest, ok := bytes.CutPrefix(data, []byte("!<arch>\n")); ok && len(rest) >= 60; {
		size, err := strconv.Atoi(strings.TrimSpace(string(rest[48:58])))
		if err != nil {
			t.Fatal(err)
		}
		members[strings.Trim(string(rest[:16]), " /")] = rest[60 : 60+size]
		rest = rest[min(len(rest), 60+size+size%2):]
	}
	return members
}

// TestExtenderTarball: an extender for other lifecycles is the same binary under its name, and the sandbox.
func TestExtenderTarball(t *testing.T) {
	r := small(t, platforms("linux/amd64", "linux/s390x")...)
	made(t, r)
	want := map[string]file{}
	for _, name := range []string{"extender", "sandbox"} {
		want[name] = file{Mode: 0o755}
		for _, extension := range []string{"cdx", "spdx", "syft"} {
			want[name+".sbom."+extension+".json"] = file{Mode: 0o644}
		}
	}
	files := unpacked(t, r, "extender-"+version+"-linux-amd64.tgz")
	if diff := cmp.Diff(want, shapes(files)); diff != "" {
		t.Errorf("the tarball (-want +got):\n%s", diff)
	}
	if files["extender"].Body != unpacked(t, r, "lifecycle-"+version+"-linux-amd64.tgz")["lifecycle/lifecycle"].Body {
		t.Error("the extender is not the lifecycle's binary")
	}
	if _, err := os.Stat(filepath.Join(r.Out, "extender-"+version+"-linux-s390x.tgz")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("for an architecture without a sandbox: %v", err)
	}
}

func TestInvalidArguments(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-version", "v1.0.0"}, `"v1.0.0" is not a semantic version`},
		{[]string{"-version", "1.0.0+abc"}, `"1.0.0+abc" is not a semantic version`},
		{[]string{"-platforms", "plan9/amd64"}, "none of the platforms"},
		{[]string{"-sign", "none.pem"}, "reading the key: open none.pem"},
		{[]string{"-platforms", "linux/"}, "none of the platforms"},
		{[]string{"more"}, `unexpected argument "more"`},
	} {
		err := run(t.Context(), append([]string{"-out", t.TempDir()}, test.args...))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.args, err, test.want)
		}
	}
}

func TestCreated(t *testing.T) {
	for epoch, want := range map[string]string{"": "1980-01-01T00:00:01Z", "1700000000": "2023-11-14T22:13:20Z"} {
		got, err := build.SourceDate(epoch, layers.Epoch)
		if text, _ := json.Marshal(got); err != nil || string(text) != `"`+want+`"` {
			t.Errorf("%q: got %s, %v; want %s", epoch, text, err, want)
		}
	}
	if _, err := build.SourceDate("yesterday", layers.Epoch); err == nil {
		t.Error("yesterday is taken for a number")
	}
}

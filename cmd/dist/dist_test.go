package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
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

func made(t *testing.T, r *release) v1.ImageIndex {
	t.Helper()
	index, err := r.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return index
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

// lifecycleFiles are what a lifecycle is made of, below a folder (COMPAT, "The distribution").
func lifecycleFiles(folder string) map[string]file {
	all := map[string]file{}
	for _, name := range []string{"lifecycle", "launcher"} {
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
		want := lifecycleFiles("lifecycle/")
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

func TestLifecycleImage(t *testing.T) {
	r := small(t, platforms("linux/amd64", "linux/arm64", "darwin/arm64")...)
	index := made(t, r)
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range manifest.Manifests {
		found = append(found, d.Platform.String())
		img, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(d.Platform.String(), func(t *testing.T) { checkImage(t, img, *d.Platform) })
	}
	if want := []string{"linux/amd64", "linux/arm64"}; !slices.Equal(found, want) || manifest.MediaType != types.OCIImageIndex {
		t.Errorf("the image is a %s for %v, want one for %v", manifest.MediaType, found, want)
	}
}

func checkImage(t *testing.T, img v1.Image, p v1.Platform) {
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.WorkingDir != "/layers" || config.OS != p.OS || config.Architecture != p.Architecture {
		t.Errorf("configuration %+v", config)
	}
	var steps []string
	for _, h := range config.History {
		steps = append(steps, h.CreatedBy)
	}
	if len(steps) != 3 || steps[1] != "WORKDIR /layers" || steps[2] != "Layer: 'lifecycle'" {
		t.Errorf("history %q: the working directory has to be set before the lifecycle's layer", steps)
	}
	all, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	last := content(t, all[len(all)-1])
	want := lifecycleFiles("cnb/lifecycle/")
	want["cnb/"], want["cnb/lifecycle/"] = file{Mode: 0o755}, file{Mode: 0o755}
	if diff := cmp.Diff(want, shapes(last)); diff != "" {
		t.Errorf("the last layer has to be exactly the lifecycle (-want +got):\n%s", diff)
	}
	below := map[string]file{}
	for _, l := range all[:len(all)-1] {
		for name, f := range content(t, l) {
			below[name] = f
		}
	}
	if below["tmp/"].Mode != 0o1777 || below["layers/"].Mode != 0o755 || below["root/"].Mode != 0o700 {
		t.Errorf("directories below the lifecycle: %v", shapes(below))
	}
	checkRoots(t, below["etc/ssl/certs/ca-certificates.crt"].Body)
	checkLabels(t, config.Config.Labels)
}

func content(t *testing.T, l v1.Layer) map[string]file {
	t.Helper()
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return untar(t, r)
}

// checkRoots reads the certificates as crypto/x509 does where the phases run.
func checkRoots(t *testing.T, bundle string) {
	t.Helper()
	n := 0
	for rest := []byte(bundle); ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if c, err := x509.ParseCertificate(block.Bytes); err != nil || !c.IsCA {
			t.Errorf("certificate %d is no CA's: %v", n, err)
		}
	}
	if n < 50 {
		t.Errorf("%d certificates are too few to reach registries", n)
	}
}

func checkLabels(t *testing.T, labels map[string]string) {
	t.Helper()
	if got := labels["io.buildpacks.lifecycle.version"]; got != version {
		t.Errorf("label io.buildpacks.lifecycle.version is %q", got)
	}
	const spoken = `{"platform":{"deprecated":[],"supported":["0.7","0.8","0.9","0.10","0.11","0.12","0.13","0.14","0.15"]},` +
		`"buildpack":{"deprecated":[],"supported":["0.7","0.8","0.9","0.10","0.11","0.12"]}}`
	if diff := cmp.Diff(spoken, labels["io.buildpacks.lifecycle.apis"]); diff != "" {
		t.Errorf("label io.buildpacks.lifecycle.apis (-want +got):\n%s", diff)
	}
	const metadata = `{"lifecycle":{"version":"` + version + `","api":{"platform":"0.7","buildpack":"0.7"},"apis":` + spoken + `}}`
	if diff := cmp.Diff(metadata, labels["io.buildpacks.builder.metadata"]); diff != "" {
		t.Errorf("label io.buildpacks.builder.metadata (-want +got):\n%s", diff)
	}
}

func TestLayoutIsTheImage(t *testing.T) {
	r := small(t, platforms("linux/amd64")...)
	index := made(t, r)
	want, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	path, err := layout.ImageIndexFromPath(filepath.Join(r.Out, "lifecycle-image"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(path); err != nil {
		t.Error(err)
	}
	manifest, err := path.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest != want || manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != version {
		t.Errorf("the layout has %+v, want %s alone", manifest.Manifests, want)
	}
}

func TestPush(t *testing.T) {
	host := lifecycletest.Registry()
	t.Cleanup(host.Close)
	r := small(t, platforms("linux/amd64", "linux/arm64")...)
	var log strings.Builder
	r.Progress = &log
	index := made(t, r)
	want, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	to := host.Name + "/lifecycle:" + version
	if err := r.push(t.Context(), to, index); err != nil {
		t.Fatal(err)
	}
	pushed, err := remote.Index(lifecycletest.Reference(to))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pushed.Digest(); err != nil || got != want {
		t.Errorf("pushed %s, %v; want %s", got, err, want)
	}
	if err := validate.Index(pushed); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), to+"@"+want.String()) {
		t.Errorf("the digest is not told:\n%s", &log)
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
	r := small(t, platforms("darwin/amd64")...)
	made(t, r)
	want := map[string]file{"LICENSE": {Mode: 0o644}, "baseplan": {Mode: 0o755}}
	for _, extension := range []string{"cdx", "spdx", "syft"} {
		want["baseplan.sbom."+extension+".json"] = file{Mode: 0o644}
	}
	if diff := cmp.Diff(want, shapes(unpacked(t, r, "baseplan-"+version+"-darwin-amd64.tgz"))); diff != "" {
		t.Errorf("the tarball (-want +got):\n%s", diff)
	}
}

// TestTwiceTheSame makes a release twice, from two copies of the source in different folders.
func TestTwiceTheSame(t *testing.T) {
	var first map[string]string
	for range 2 {
		r := small(t, platforms("linux/amd64")...)
		r.Source = copied(t)
		r.Compile = func(ctx context.Context, command string, p v1.Platform, dir string) (string, error) {
			path, err := r.compile(ctx, "launcher", p, dir)
			if err != nil {
				return "", err
			}
			return filepath.Join(dir, command), os.Rename(path, filepath.Join(dir, command))
		}
		made(t, r)
		got := sums(t, r.Out)
		if first == nil {
			first = got
		} else if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("the second time other bytes come out (-first +second):\n%s", diff)
		}
	}
	if first["lifecycle-"+version+"-linux-amd64.tgz"] == "" {
		t.Errorf("nothing was made: %v", first)
	}
}

// copied is what the launcher is compiled from, in a new folder.
func copied(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if .Module}}{{if .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`, module+"/cmd/launcher").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, path := range append(strings.Fields(string(out)), root+"/go.mod", root+"/go.sum", root+"/LICENSE") {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sums are the checksums of all files in a folder.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestChecksums(t *testing.T) {
	r := small(t, platforms("linux/arm64")...)
	made(t, r)
	data, err := os.ReadFile(filepath.Join(r.Out, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	actual, listed := sums(t, r.Out), []string{}
	for line := range strings.Lines(string(data)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if actual[name] != sum {
			t.Errorf("%s: listed as %s, is %s", name, sum, actual[name])
		}
		listed = append(listed, name)
	}
	want := []string{"baseplan-" + version + "-linux-arm64.tgz", "lifecycle-" + version + "-linux-arm64.tgz", "lifecycle-image/index.json"}
	if !slices.Equal(listed, want) {
		t.Errorf("listed %q, want %q", listed, want)
	}
}

// TestVersionIsStamped runs the lifecycle itself, so it is compiled for this machine.
func TestVersionIsStamped(t *testing.T) {
	for commit, want := range map[string]string{"": version + "\n", "0123abc": version + "+0123abc\n"} {
		r := release{Source: "../..", Version: version, Commit: commit}
		path, err := r.compile(t.Context(), "lifecycle", v1.Platform{OS: "linux", Architecture: goarch(t)}, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), path, "analyzer", "-version")
		cmd.Env = []string{"CNB_PLATFORM_API=0.7"}
		if out, err := cmd.Output(); err != nil || string(out) != want {
			t.Errorf("with commit %q the version is %q, %v; want %q", commit, out, err, want)
		}
	}
}

func goarch(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOARCH").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-version", "v1.0.0"}, `"v1.0.0" is not semantic`},
		{[]string{"-version", "1.0.0+abc"}, `"1.0.0+abc" is not semantic`},
		{[]string{"-platforms", "windows/amd64"}, "none is supported"},
		{[]string{"-platforms", "linux/"}, "none is supported"},
		{[]string{"more"}, `"more" is not expected`},
	} {
		err := run(t.Context(), append([]string{"-out", t.TempDir()}, test.args...))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.args, err, test.want)
		}
	}
}

func TestCreated(t *testing.T) {
	for epoch, want := range map[string]string{"": "1980-01-01T00:00:01Z", "1700000000": "2023-11-14T22:13:20Z"} {
		got, err := created(epoch)
		if text, _ := json.Marshal(got); err != nil || string(text) != `"`+want+`"` {
			t.Errorf("%q: got %s, %v; want %s", epoch, text, err, want)
		}
	}
	if _, err := created("yesterday"); err == nil {
		t.Error("yesterday is taken for a number")
	}
}

package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/credentials"
)

var (
	amd64 = &v1.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = &v1.Platform{OS: "linux", Architecture: "arm64"}
	one   = lifecycletest.Image(lifecycletest.Layer{"one": "1"})
	two   = lifecycletest.Arch(lifecycletest.Image(lifecycletest.Layer{"two": "2"}, lifecycletest.Layer{"three": "3"}), "arm64")
	both  = lifecycletest.Index(map[string]v1.Image{"amd64": one, "arm64": two})
)

func digest(t *testing.T, d interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	h, err := d.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// archive packs a directory into a tar file.
func archive(t *testing.T, dir string) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(file, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// ociLayout is a layout of an image named one, an index named both, and what the index names.
func ociLayout(t *testing.T, images map[string]v1.Image, indexes map[string]v1.ImageIndex) string {
	t.Helper()
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for tag, img := range images {
		err = errors.Join(err, path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})))
	}
	for tag, index := range indexes {
		err = errors.Join(err, path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpen(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	single, index := host.Push("run:one", one), host.PushIndex("run:both", both)
	images, indexes := map[string]v1.Image{"one": one}, map[string]v1.ImageIndex{"both": both}
	full := ociLayout(t, images, indexes)
	onlyOne, onlyIndex := ociLayout(t, images, nil), ociLayout(t, nil, indexes)
	for _, tt := range []struct {
		name, ref string
		platform  *v1.Platform
		want      v1.Image
		index     v1.ImageIndex
	}{
		{"registry", single, nil, one, nil},
		{"registry, by digest", host.Name + "/run@" + digest(t, two).String(), nil, two, nil},
		{"registry, index", index, amd64, one, both},
		{"registry, index, other platform", index, arm64, two, both},
		{"layout", "oci:" + onlyOne, nil, one, nil},
		{"layout, index", "oci:" + onlyIndex, arm64, two, both},
		{"layout, tag", "oci:" + full + ":one", nil, one, nil},
		{"layout, tag of an index", "oci:" + full + ":both", amd64, one, both},
		{"layout, digest", "oci:" + full + "@" + digest(t, one).String(), nil, one, nil},
		{"layout, digest of an index", "oci:" + full + "@" + digest(t, both).String(), arm64, two, both},
		{"layout, digest inside of an index", "oci:" + onlyIndex + "@" + digest(t, two).String(), amd64, two, nil},
		{"layout in a tar file", "tar:" + archive(t, onlyOne), nil, one, nil},
		{"index in a tar file", "tar:" + archive(t, onlyIndex), arm64, two, both},
	} {
		t.Run(tt.name, func(t *testing.T) {
			img, err := (&image.Opener{Platform: tt.platform}).Open(t.Context(), reference.Parse(tt.ref))
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := img.Close(); err != nil {
					t.Error(err)
				}
			}()
			if want := digest(t, tt.want); img.Digest != want || digest(t, img.Image) != want {
				t.Errorf("digest %s, want %s", img.Digest, want)
			}
			if img.Config == nil || img.Config.OS != "linux" {
				t.Errorf("configuration %+v", img.Config)
			}
			if err := validate.Image(img.Image); err != nil {
				t.Error(err)
			}
			if img.Name.String() != tt.ref {
				t.Errorf("name %q, want %q", img.Name, tt.ref)
			}
			checkIndex(t, img, tt.index)
		})
	}
}

func checkIndex(t *testing.T, img *image.Image, want v1.ImageIndex) {
	t.Helper()
	if want == nil {
		if img.Parent != nil || img.Index != (v1.Hash{}) {
			t.Errorf("index %s, want none", img.Index)
		}
		return
	}
	if hash := digest(t, want); img.Index != hash {
		t.Errorf("index %s, want %s", img.Index, hash)
	}
	if err := validate.Index(img.Parent); err != nil {
		t.Error(err)
	}
}

// TestOpenSaved reads what docker save wrote before there were layouts. It has no manifest, so the configuration
// and the layers are what must be the same.
func TestOpenSaved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "saved.tar")
	if err := tarball.WriteToFile(file, lifecycletest.Reference("run:1"), two); err != nil { // compressed layers
		t.Fatal(err)
	}
	for name, file := range map[string]string{"compressed": file, "as docker": dockerSaved(t, two)} {
		t.Run(name, func(t *testing.T) {
			img, err := (&image.Opener{}).Open(t.Context(), reference.Parse("tar:"+file))
			if err != nil {
				t.Fatal(err)
			}
			defer img.Close()
			want, err := two.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, img.Config); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(contents(t, two), contents(t, img.Image)); diff != "" {
				t.Errorf("layers (-want +got):\n%s", diff)
			}
		})
	}
}

// contents are the layers, each checked against its diff ID and its digest.
func contents(t *testing.T, img v1.Image) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, l := range layers {
		stored, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if h, _, err := v1.SHA256(stored); err != nil || h != digest(t, l) {
			t.Errorf("digest %s, %v; want %s", h, err, digest(t, l))
		}
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		h, _, err := v1.SHA256(bytes.NewReader(content))
		if diffID := must(l.DiffID()); err != nil || h != diffID {
			t.Errorf("diff ID %s, %v; want %s", h, err, diffID)
		}
		all = append(all, string(content))
	}
	return all
}

// dockerSaved lays an image out as docker save does: uncompressed layers, equal ones linked.
func dockerSaved(t *testing.T, img v1.Image) string {
	t.Helper()
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	l := lifecycletest.Layer{
		"config.json":   string(config),
		"manifest.json": `[{"Config":"config.json","RepoTags":["run:1"],"Layers":["a/layer.tar","b/layer.tar"]}]`,
		"b/layer.tar":   "-> ../c/layer.tar",
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a/layer.tar", "c/layer.tar"} {
		r, err := layers[i].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		l[name] = string(content)
	}
	file := filepath.Join(t.TempDir(), "saved.tar")
	if err := os.WriteFile(file, l.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOpenErrors(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	index := host.PushIndex("run:both", both)
	full := ociLayout(t, map[string]v1.Image{"one": one, "two": two}, nil)
	broken := ociLayout(t, map[string]v1.Image{"one": one}, nil)
	config, err := one.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "blobs/sha256", config.Hex), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no tar file ", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, ref string
		notFound  bool
		says      []string
	}{
		{"no tag", host.Name + "/run:none", true, []string{host.Name + "/run:none", "reading manifest from registry " + host.Name}},
		{"no platform", index, true, []string{"linux/s390x", "linux/amd64, linux/arm64"}},
		{"no registry", "127.0.0.1:1/run:1", false, []string{"reading manifest from registry 127.0.0.1:1", "connection refused"}},
		{"bad reference", "Run:1:2", false, []string{"parsing image reference Run:1:2"}},
		{"no layout", "oci:/no/such/dir", true, []string{"oci:/no/such/dir", "reading OCI layout"}},
		{"which of two", "oci:" + full, false, []string{"has 2 images", "oci:DIR@DIGEST"}},
		{"no such tag", "oci:" + full + ":none", true, []string{`named "none"`}},
		{"no such digest", "oci:" + full + "@sha256:" + strings.Repeat("0", 64), true, []string{"blobs/sha256/000"}},
		{"changed blob", "oci:" + broken, false, []string{"its content has digest"}},
		{"no tar file", "tar:/no/such.tar", true, []string{"reading tar file"}},
		{"not a tar file", "tar:" + text, false, []string{"reading tar file " + text, "decompress"}},
		{"no daemon", "docker://run:1", false, []string{"docker://run:1", "unix:///no/such.sock"}},
		{"a password", "user:hunter2@registry.example/run:1", false, []string{"***@registry.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &image.Opener{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}, DockerHost: "unix:///no/such.sock", Registry: registry.Client{Retry: quick}}
			img, err := o.Open(t.Context(), reference.Parse(tt.ref))
			if err == nil {
				t.Fatalf("opened %s", img.Digest)
			}
			if errors.Is(err, image.ErrNotFound) != tt.notFound {
				t.Errorf("%v: not found is %v, want %v", err, !tt.notFound, tt.notFound)
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q has the password", err)
			}
		})
	}
}

// A link in a layout must not lead out of it.
func TestLayoutKeepsToItsFolder(t *testing.T) {
	dir := ociLayout(t, map[string]v1.Image{"one": one}, nil)
	blob := filepath.Join(dir, "blobs/sha256", digest(t, one).Hex)
	outside := filepath.Join(t.TempDir(), "manifest")
	if err := errors.Join(os.Rename(blob, outside), os.Symlink(outside, blob)); err != nil {
		t.Fatal(err)
	}
	if _, err := (&image.Opener{}).Open(t.Context(), reference.Parse("oci:"+dir)); err == nil {
		t.Error("read a manifest outside of the layout")
	}
}

// guarded asks for an Authorization header and keeps the last one that it got.
type guarded struct {
	handler http.Handler
	want    string
	got     string
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.got = r.Header.Get("Authorization")
	if g.got != g.want {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}`, http.StatusUnauthorized)
		return
	}
	g.handler.ServeHTTP(w, r)
}

// TestCredentialHelper has a registry for which docker's configuration names a helper,
// a program that is asked over a pipe.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func dockerConfig(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRegistryAuth goes all the way to a registry that wants the header of CNB_REGISTRY_AUTH.
func TestRegistryAuth(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	host.Push("run:1", one)
	guard := &guarded{handler: host.Handler(), want: "Basic dXNlcjpwdw=="}
	server := httptest.NewServer(guard)
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://")
	keychain := credentials.New(`{"`+at+`":"`+guard.want+`"}`, nil)
	if _, err := (&image.Opener{}).Open(t.Context(), reference.Parse(at+"/run:1")); err == nil || !strings.Contains(err.Error(), "who are you?") {
		t.Errorf("as anonymous: %v", err)
	}
	img, err := (&image.Opener{Registry: registry.Client{Keychain: keychain}}).Open(t.Context(), reference.Parse(at+"/run:1"))
	if err != nil {
		t.Fatal(err)
	}
	if want := digest(t, one); img.Digest != want {
		t.Errorf("digest %s, want %s", img.Digest, want)
	}
}

func TestReference(t *testing.T) {
	o := &registry.Client{Insecure: []string{"plain.example:5000", "https://team.example/a/b/", "run", "docker.io"}}
	for ref, scheme := range map[string]string{
		"plain.example:5000/run:1":   "http",
		"plain.example/run:1":        "https",
		"127.0.0.1:5000/run:1":       "http",
		"127.8.8.8:5000/run:1":       "http",
		"localhost:5000/run":         "http",
		"registry.example/run:1":     "https",
		"run:noble":                  "http",
		"run/run:1":                  "http",
		"team.example/a/b:1":         "http",
		"team.example/a/b/c/d:1":     "http",
		"team.example/a/bc:1":        "https",
		"team.example/ab:1":          "https",
		"x.plain.example:5000/run:1": "https",
	} {
		r, err := o.Reference(reference.Parse(ref))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Context().Registry.Scheme(); got != scheme {
			t.Errorf("%s: %s, want %s", ref, got, scheme)
		}
	}
}

// The files of a tar file are a good fs.FS.
func TestTarMissingFile(t *testing.T) {
	file := archive(t, ociLayout(t, map[string]v1.Image{"one": one}, nil))
	img, err := (&image.Opener{}).Open(t.Context(), reference.Parse("tar:"+file))
	if err != nil {
		t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	layers, err := img.Image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// refs parses references.
func refs(all ...string) []reference.Reference {
	var parsed []reference.Reference
	for _, text := range all {
		parsed = append(parsed, reference.Parse(text))
	}
	return parsed
}

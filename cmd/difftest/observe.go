//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// Observations are decoded JSON with [json.Number] for numbers, so that 1 and 1.0 differ.

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// readTOML returns the content of a file, or a text if it does not exist.
func readTOML(path string) any {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "ABSENT"
	}
	table := map[string]any{}
	if err == nil {
		err = tomlfile.Decode(data, filepath.Base(path), &table)
	}
	if err != nil {
		return "BAD " + err.Error()
	}
	return jsonTypes(table)
}

// jsonTypes converts decoded TOML to the types of decoded JSON.
func jsonTypes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = jsonTypes(value)
		}
		return v
	case []map[string]any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = jsonTypes(v[i])
		}
		return out
	case []any:
		for i := range v {
			v[i] = jsonTypes(v[i])
		}
		return v
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return json.Number(text)
	case string, bool:
		return v
	}
	return fmt.Sprint(v)
}

// readJSON decodes JSON to an observation.
func readJSON(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// listing returns the files of a directory that keep accepts: their content, or the start of
// its SHA-256.
func listing(dir string, keep func(string) bool) map[string]any {
	out := map[string]any{}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if rel == "." || !keep(rel) && err == nil {
			return nil
		}
		if err == nil {
			out[rel], err = describeFile(path, entry)
		}
		if err != nil {
			out[rel] = "UNREADABLE"
		}
		return nil
	})
	return out
}

func describeFile(path string, entry fs.DirEntry) (any, error) {
	switch {
	case entry.IsDir():
		return "dir", nil
	case entry.Type() == fs.ModeSymlink:
		target, err := os.Readlink(path)
		return "-> " + target, err
	case strings.HasSuffix(path, ".toml"):
		return readTOML(path), nil
	}
	data, err := os.ReadFile(path)
	if err == nil && strings.HasSuffix(path, "metadata") {
		if v, err := readJSON(data); err == nil {
			return v, nil
		}
	}
	return digest(data), err
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12]
}

// lines returns the lines of each file in a directory, by name.
func lines(dir string) (map[string]any, error) {
	entries, err := os.ReadDir(dir)
	out := map[string]any{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		out[entry.Name()] = split(string(data))
	}
	return out, err
}

// An image is an image in the registry or the daemon. Its base has one layer.
type image struct {
	v1.Image
	manifest *v1.Manifest // nil in a daemon, which has none
	config   map[string]any
	raw      []byte // the configuration
}

// fetch reads the build's image from the registry or daemon.
func (b *build) fetch() (*image, error) {
	if b.side.Daemon {
		saved, err := b.save()
		if err != nil {
			return nil, err
		}
		return newImage(saved, nil)
	}
	parsed, err := name.ParseReference(b.image)
	if err != nil {
		return nil, err
	}
	stored, err := remote.Image(parsed)
	if err != nil {
		return nil, err
	}
	manifest, err := stored.Manifest()
	if err != nil {
		return nil, err
	}
	return newImage(stored, manifest)
}

func newImage(stored v1.Image, manifest *v1.Manifest) (*image, error) {
	img := &image{Image: stored, manifest: manifest}
	var err error
	if img.raw, err = img.RawConfigFile(); err != nil {
		return nil, err
	}
	v, err := readJSON(img.raw)
	if err != nil {
		return nil, err
	}
	img.config, _ = v.(map[string]any)
	return img, nil
}

func (img *image) inner() map[string]any {
	inner, _ := img.config["config"].(map[string]any)
	return inner
}

// env returns the environment of the image.
func (img *image) env() map[string]string {
	out := map[string]string{}
	values, _ := img.inner()["Env"].([]any)
	for _, v := range values {
		name, value, _ := strings.Cut(fmt.Sprint(v), "=")
		out[name] = value
	}
	return out
}

// labels returns the image's labels with JSON decoded, without the launcher's source.
func (img *image) labels() map[string]any {
	out := map[string]any{}
	labels, _ := img.inner()["Labels"].(map[string]any)
	for key, value := range labels {
		out[key] = value
		if text, _ := value.(string); strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
			if v, err := readJSON([]byte(text)); err == nil {
				out[key] = v
			}
		}
	}
	if build, ok := out["io.buildpacks.build.metadata"].(map[string]any); ok && build["launcher"] != nil {
		build["launcher"] = "NORMALISED"
	}
	return out
}

// named returns the configuration without labels. Diff IDs are replaced by their names in the
// label io.buildpacks.lifecycle.metadata, which is compared separately.
func (img *image) named() map[string]any {
	names := map[any]string{}
	meta, _ := img.labels()["io.buildpacks.lifecycle.metadata"].(map[string]any)
	for _, key := range []string{"sbom", "config", "launcher", "process-types"} {
		if layer, ok := meta[key].(map[string]any); ok {
			names[layer["sha"]] = key
		}
	}
	app, _ := meta["app"].([]any)
	for i, slice := range app {
		if sha := slice.(map[string]any)["sha"]; names[sha] == "" {
			names[sha] = fmt.Sprintf("app[%d]", i)
		}
	}
	buildpacks, _ := meta["buildpacks"].([]any)
	for _, bp := range buildpacks {
		bp := bp.(map[string]any)
		layers, _ := bp["layers"].(map[string]any)
		for layer, value := range layers {
			names[value.(map[string]any)["sha"]] = fmt.Sprintf("%s:%s", bp["key"], layer)
		}
	}
	config := maps.Clone(img.config)
	delete(config, "container")
	delete(config, "docker_version")
	inner := maps.Clone(img.inner())
	delete(inner, "Labels")
	config["config"] = inner
	rootfs, _ := config["rootfs"].(map[string]any)
	ids, _ := rootfs["diff_ids"].([]any)
	for i, id := range ids {
		if layer := names[id]; layer != "" {
			ids[i] = layer
		}
	}
	history, _ := config["history"].([]any)
	by := make([]any, len(history))
	for i, h := range history {
		by[i] = h.(map[string]any)["created_by"]
	}
	config["history"] = by
	return config
}

func (img *image) describe() (map[string]any, error) {
	var order struct {
		Config struct{ Labels json.RawMessage }
	}
	if err := json.Unmarshal(img.raw, &order); err != nil {
		return nil, err
	}
	out := map[string]any{"labels": img.labels(), "config": img.named(), "labelorder": keys(order.Config.Labels)}
	if m := img.manifest; m != nil {
		types := []any{string(m.MediaType), string(m.Config.MediaType)}
		for _, layer := range m.Layers {
			types = append(types, string(layer.MediaType))
		}
		out["mediaTypes"] = types
	}
	return out, nil
}

// keys returns the keys of a JSON object in order.
func keys(object []byte) []any {
	out, dec := []any{}, json.NewDecoder(bytes.NewReader(object))
	_, _ = dec.Token()
	for dec.More() {
		key, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			break
		}
		out = append(out, key)
	}
	return out
}

// extract unpacks the layers above the base and returns their files.
func (img *image) extract(to string) (map[string]any, error) {
	root, err := os.OpenRoot(to)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	files := map[string]any{}
	for _, layer := range layers[1:] {
		content, err := layer.Uncompressed()
		if err != nil {
			return nil, err
		}
		err = errors.Join(unpack(root, tar.NewReader(content), files), content.Close())
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func unpack(root *os.Root, layer *tar.Reader, files map[string]any) error {
	modes := map[string]fs.FileMode{} // of directories: set at the end, since one may be read-only
	for {
		h, err := layer.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(layer)
		if err != nil {
			return err
		}
		entry := strings.TrimSuffix(h.Name, "/")
		text := fmt.Sprintf("%o %d:%d %c %s %d %s%s", h.Mode, h.Uid, h.Gid, h.Typeflag, h.Linkname, h.ModTime.Unix(), h.Uname, h.Gname)
		if h.Typeflag == tar.TypeReg {
			text += " " + digest(data)
		}
		files[entry] = text
		if err := unpackEntry(root, h, data, modes); err != nil {
			return fmt.Errorf("unpacking %s: %w", h.Name, err)
		}
	}
	for _, dir := range slices.Backward(slices.Sorted(maps.Keys(modes))) {
		if err := root.Chmod(dir, modes[dir]); err != nil {
			return err
		}
	}
	return nil
}

func unpackEntry(root *os.Root, h *tar.Header, data []byte, modes map[string]fs.FileMode) error {
	path := strings.Trim(h.Name, "/")
	if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		modes[path] = h.FileInfo().Mode() &^ fs.ModeDir
		return root.MkdirAll(path, 0o755)
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, path)
	case tar.TypeLink:
		return root.Link(strings.TrimPrefix(h.Linkname, "/"), path)
	}
	if err := root.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	return root.Chmod(path, h.FileInfo().Mode())
}

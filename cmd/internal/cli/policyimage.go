package cli

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/scan"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A policyImage is an image in which phases run.
type policyImage struct {
	source *source
	kind   string       // for people: "builder" or "lifecycle image"
	image  *image.Image // nil: not known
	files  map[string][]byte
	passed map[string]bool // variables that the platform sets
	missed map[string]bool // files that a warning named

	given     *platform.Settings // for its baseplan.toml; nil: its own
	givenName string
}

// policyImage opens an image, if its name is not empty.
func (s *source) policyImage(ctx context.Context, name, kind string) (*policyImage, error) {
	i := &policyImage{source: s, kind: kind, files: map[string][]byte{}, missed: map[string]bool{}}
	if name == "" {
		return i, nil
	}
	var err error
	if i.image, err = s.open(ctx, reference.Parse(name)); err != nil {
		return nil, fmt.Errorf("the %s: %w", kind, err)
	}
	return i, nil
}

func (i *policyImage) close() {
	if i.image != nil {
		_ = i.image.Close() // all that was needed has been read
	}
}

// environment returns the variables of the image's configuration, overridden by what the platform passes.
func (i *policyImage) environment(passed []string) map[string]string {
	env := map[string]string{}
	if i.image != nil {
		for _, text := range i.image.Config.Config.Env {
			name, value, _ := strings.Cut(text, "=")
			env[name] = value
		}
	}
	i.passed = map[string]bool{}
	for _, text := range passed {
		name, value, _ := strings.Cut(text, "=")
		env[name], i.passed[name] = value, true
	}
	return env
}

// variable describes a variable as a source.
func (i *policyImage) variable(name string) string {
	if i.passed[name] {
		return name
	}
	return fmt.Sprintf("%s in the configuration of the %s", name, i.kind)
}

// readSettings reads a baseplan.toml of the image, and returns where it is; empty if there is none.
func (i *policyImage) readSettings(ctx context.Context, path string) (*platform.Settings, string, error) {
	if i.given != nil {
		return i.given, i.givenName, nil
	}
	data, err := i.read(ctx, path)
	if err != nil || data == nil {
		return &platform.Settings{}, "", err
	}
	where := fmt.Sprintf("%s in the %s", path, i.kind)
	s, err := platform.DecodeSettings(data, where)
	return s, where, err
}

// readTrust replaces paths of public keys by the keys, and warns if a file of the policy is missing.
func (i *policyImage) readTrust(ctx context.Context, p *platform.Policy) error {
	if i.image == nil {
		return nil
	}
	keys := append([]string{}, p.Keys...)
	for n, key := range keys {
		if strings.Contains(key, "-----BEGIN") {
			continue
		}
		data, err := i.need(ctx, key)
		if err != nil {
			return err
		}
		if data != nil {
			keys[n] = string(data)
		}
	}
	p.Keys = keys
	if p.TrustedRoot == "" || strings.HasPrefix(strings.TrimSpace(p.TrustedRoot), "{") {
		return nil
	}
	_, err := i.need(ctx, p.TrustedRoot)
	return err
}

// need reads a file, and warns once if the image does not have it.
func (i *policyImage) need(ctx context.Context, path string) ([]byte, error) {
	data, err := i.read(ctx, path)
	if data == nil && err == nil && !i.missed[path] {
		i.missed[path] = true
		i.source.console.warn("the %s has no %s, which its policy names; phases fail unless the platform mounts it", i.kind, path)
	}
	return data, err
}

// read returns the content of a file of the image, or nil if there is none.
func (i *policyImage) read(ctx context.Context, path string) ([]byte, error) {
	if i.image == nil {
		return nil, nil
	}
	data, known := i.files[path]
	if known {
		return data, nil
	}
	defer i.source.console.progress("reading %s of the %s", path, i.kind)()
	var err error
	if i.image.Files != nil {
		data, err = readArchived(ctx, i.image.Files, path)
	} else {
		var found map[string][]byte
		found, err = scan.ReadFiles(ctx, i.image.Image, i.source.cache, path)
		data = found[path]
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", path, i.image.Name, err)
	}
	i.files[path] = data
	return data, nil
}

// readArchived reads a file of an image in a daemon.
func readArchived(ctx context.Context, files *image.Files, path string) (_ []byte, err error) {
	stream, err := files.Archive(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	archive := tar.NewReader(stream)
	header, err := archive.Next()
	if err != nil || header.Typeflag != tar.TypeReg {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(archive, tomlfile.MaxSize+1))
}

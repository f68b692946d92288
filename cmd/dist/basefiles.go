package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// searchPath is PATH in the lifecycle image.
const searchPath = "/cnb/lifecycle:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// baseFiles returns the files that phases and platforms need in the image besides the
// lifecycle: a working directory, a directory for temporary files, root's home (for docker's
// config.json), CA certificates, time zones, the supported versions, and the operator's
// settings.
func (r *release) baseFiles(ctx context.Context, described []byte) ([]entry, error) {
	zones, err := r.zones(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading Go's time zones: %w", err)
	}
	all := slices.Concat(zones, below("etc/ssl/certs", []entry{{name: "ca-certificates.crt", mode: 0o644, body: roots()}}))
	all = append(all,
		entry{name: "cnb/", mode: 0o755},
		entry{name: "cnb/lifecycle.toml", mode: 0o644, body: described},
		entry{name: "etc/passwd", mode: 0o644, body: []byte("root:x:0:0:root:/root:/sbin/nologin\n")},
		entry{name: "layers/", mode: 0o755},
		entry{name: "root/", mode: 0o700},
		entry{name: "tmp/", mode: 0o1777},
	)
	if r.Settings != nil {
		all = append(all, entry{name: "cnb/baseplan.toml", mode: 0o644, body: r.Settings})
	}
	return all, nil
}

// roots returns the certificates of Mozilla's root program, from the Go module that go.mod
// pins.
func roots() []byte {
	var all bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue // it is trusted for old certificates only, which PEM cannot express
		}
		_ = pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer returns no error
	}
	return all.Bytes()
}

// zones returns the time zones of the Go toolchain that builds the release, so the result is
// reproducible with the same one and needs no network.
func (r *release) zones(ctx context.Context) ([]entry, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOROOT")
	cmd.Dir = r.Source
	root, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("reading GOROOT: %w", err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	all := below("usr/share/zoneinfo", nil)
	seen := map[string]bool{}
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") || !filepath.IsLocal(f.Name) {
			continue
		}
		for dir := filepath.Dir(f.Name); dir != "." && !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			all = append(all, entry{name: "usr/share/zoneinfo/" + dir + "/", mode: 0o755})
		}
		content, err := f.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(content)
		if err = errors.Join(err, content.Close()); err != nil {
			return nil, fmt.Errorf("reading %s: %w", f.Name, err)
		}
		all = append(all, entry{name: "usr/share/zoneinfo/" + f.Name, mode: 0o644, body: data})
	}
	return all, nil
}

// readSettings reads the operator's baseplan.toml. It must not refer to other files, since the
// image has none of the operator's.
func readSettings(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the settings: %w", err)
	}
	s, err := platform.DecodeSettings(data, path)
	if err != nil {
		return nil, err
	}
	for _, key := range s.Policy.Keys {
		if !strings.Contains(key, "-----BEGIN") {
			return nil, fmt.Errorf("reading %s: [policy]: key \"keys\": %q is a path, which does not exist in the lifecycle image; give the key itself, as PEM", path, key)
		}
	}
	if root := strings.TrimSpace(s.Policy.TrustedRoot); root != "" && !strings.HasPrefix(root, "{") {
		return nil, fmt.Errorf("reading %s: [policy]: key \"trusted-root\": %q is a path, which does not exist in the lifecycle image; give the trusted root itself, as JSON", path, root)
	}
	return data, nil
}

package lifecycletest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Module is a buildpack or an image extension to be written to disk.
type Module struct {
	Extension   bool
	ID, Version string
	API         string            // Buildpack API; empty: 0.10
	TOML        string            // added to buildpack.toml or extension.toml after the table with the ID
	Head        string            // added to the table with the ID
	Files       map[string]string // by path in the module; files in bin get mode 0755
}

// Write writes the module below root, in <id>/<version>, and returns its directory.
func (m Module) Write(t testing.TB, root string) string {
	t.Helper()
	kind, version := "buildpack", m.API
	if m.Extension {
		kind = "extension"
	}
	if version == "" {
		version = "0.10"
	}
	dir := filepath.Join(root, strings.ReplaceAll(m.ID, "/", "_"), m.Version)
	files := map[string]string{
		kind + ".toml": "api = \"" + version + "\"\n[" + kind + "]\nid = \"" + m.ID + "\"\nversion = \"" + m.Version + "\"\n" + m.Head + "\n" + m.TOML,
	}
	for name, content := range m.Files {
		files[name] = content
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "bin/") {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

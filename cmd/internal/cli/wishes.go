package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// extensionsFolder is the folder of the builder's extensions.
func (c *Console) extensionsFolder(flag string) string {
	return firstOf(flag, c.env("CNB_EXTENSIONS_DIR"), "/cnb/extensions")
}

// readWishes notes what the authors of the extensions say in extension.toml. One that is
// not in the folder says nothing.
func readWishes(files []*extensions.Dockerfile, dir string) error {
	for _, d := range files {
		file := filepath.Join(dir, platform.EscapeID(d.Extension.ID), d.Extension.Version, "extension.toml")
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			d.Wishes, err = extensions.DecodeWishes(data, file)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

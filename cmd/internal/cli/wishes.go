package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// extensionsFolder is the folder of the builder's extensions.
func (c *Console) extensionsFolder(flag string) string {
	return firstOf(flag, c.env("CNB_EXTENSIONS_DIR"), "/cnb/extensions")
}

// readWishes notes what the authors of the extensions say in extension.toml. One that is
// not in the folder says nothing. It might ask to be applied always, so that is warned of where there is
// such a folder, or something is changed.
func (c *Console) readWishes(files []*extensions.Dockerfile, dir string, changes bool) error {
	var missing []string
	for _, d := range files {
		file := filepath.Join(dir, platform.EscapeID(d.Extension.ID), d.Extension.Version, "extension.toml")
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			if name := d.Extension.String(); !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
			continue
		}
		if err == nil {
			d.Options, err = extensions.DecodeOptions(data, file)
		}
		if err != nil {
			return err
		}
	}
	if _, err := os.Stat(dir); len(missing) > 0 && (changes || err == nil) {
		c.warn("%s has no extension.toml of %s, so it is not known whether it asks to be applied always; --extensions names the builder's folder", dir, strings.Join(missing, ", "))
	}
	return nil
}

package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// builderFlags defines the flags of what the builder has: its image, and the directory of its extensions with settings.
func builderFlags(flags *pflag.FlagSet, image, extensions *string, settings string) {
	flags.StringVar(image, "build-image", "", "build image, to also judge build.Dockerfiles")
	flags.StringVar(extensions, "extensions", "", "directory of the builder's extensions, to read "+settings+" (default $CNB_EXTENSIONS_DIR, else /cnb/extensions)")
}

// extensionsFolder returns the directory of the builder's extensions.
func (c *Console) extensionsFolder(flag string) string {
	return cmp.Or(flag, c.env("CNB_EXTENSIONS_DIR"), "/cnb/extensions")
}

// readOptions reads the settings of the extensions in extension.toml. It warns of an extension that is not in the
// directory, since it might ask to be applied always, if the directory exists or changes is set.
func (c *Console) readOptions(files []*extensions.Dockerfile, dir string, changes bool) error {
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
		c.warn("%s has no extension.toml of %s, so always-apply is unknown; use --extensions to name the builder's directory", dir, strings.Join(missing, ", "))
	}
	return nil
}

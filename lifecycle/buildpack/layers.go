package buildpack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A LayersDir is <layers>/<id>, where a buildpack keeps its layers and their metadata
// (buildpack.md, "Layer Types"). Its content is not trusted: no link in it is followed, nor one in
// its place.
type LayersDir struct {
	Path string // absolute
	ID   string // the buildpack's
}

// LayersOf returns the directory of a buildpack below layers. It returns an error for an ID
// that could lead elsewhere.
func LayersOf(layers, id string) (LayersDir, error) {
	if err := platform.CheckID(id); err != nil {
		return LayersDir{}, err
	}
	return LayersDir{Path: filepath.Join(layers, platform.EscapeID(id)), ID: id}, nil
}

// A Layer is a layer of a buildpack. A launch layer without a directory is reused from the
// previous image.
type Layer struct {
	Name                 string
	Path                 string // of the directory
	Described            bool   // <name>.toml exists
	Build, Launch, Cache bool
	Metadata             any // the table "metadata"; nil: none
}

// Exists reports whether the layer's directory exists.
func (l Layer) Exists() bool {
	info, err := os.Stat(l.Path)
	return err == nil && info.IsDir()
}

// reserved are the names of files that do not describe a layer.
var reserved = []string{"launch", "build", "store"}

// Layers reads <name>.toml of each layer, by name. A directory without such a file is a layer
// without a type. unknown, if not nil, is called for keys that the specification does not define.
func (d LayersDir) Layers(unknown func(path string, keys []string)) ([]Layer, error) {
	dir, entries, err := d.list()
	if dir == nil {
		return nil, at(err, "reading the layers of "+d.ID)
	}
	defer dir.Close()
	var names []string
	for _, e := range entries {
		name, isTOML := strings.CutSuffix(e.Name(), ".toml")
		switch {
		case isTOML && !e.IsDir() && !slices.Contains(reserved, name), e.IsDir() && !strings.HasSuffix(name, ".ignore"):
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all []Layer
	for _, name := range slices.Compact(names) {
		l, err := d.layer(dir, name, unknown)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// A layerFile is <layer>.toml (buildpack.md, "Layer Content Metadata").
type layerFile struct {
	// Launch, Build and Cache were top-level keys until Buildpack API 0.6. They would be ignored
	// silently.
	Launch any `toml:"launch"`
	Build  any `toml:"build"`
	Cache  any `toml:"cache"`
	Types  struct {
		Launch bool `toml:"launch"`
		Build  bool `toml:"build"`
		Cache  bool `toml:"cache"`
	} `toml:"types"`
	Metadata any `toml:"metadata"`
}

func (d LayersDir) layer(dir *os.Root, name string, unknown func(string, []string)) (Layer, error) {
	if err := checkName(name); err != nil {
		return Layer{}, fmt.Errorf("reading the layers of %s: %w", d.ID, err)
	}
	l := Layer{Name: name, Path: filepath.Join(d.Path, name)}
	var file layerFile
	err := readTOMLIn(dir, name+".toml", &file, unknown)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Layer{}, err
	}
	l.Described = err == nil
	for _, flag := range []struct {
		key   string
		value any
	}{{"launch", file.Launch}, {"build", file.Build}, {"cache", file.Cache}} {
		if flag.value != nil {
			return Layer{}, fmt.Errorf("reading %s.toml: key %q is not supported at the top level: put it under [types]", l.Path, flag.key)
		}
	}
	l.Build, l.Launch, l.Cache, l.Metadata = file.Types.Build, file.Types.Launch, file.Types.Cache, file.Metadata
	return l, nil
}

func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("invalid name %q", name)
	}
	return nil
}

// WriteMetadata writes <layer>.toml with metadata but without types: a layer that a buildpack
// does not request again is ignored (buildpack.md, "Reusing Layers").
func (d LayersDir) WriteMetadata(name string, metadata any) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("restoring the layers of %s: %w", d.ID, err)
	}
	file := struct {
		Metadata any `toml:"metadata,omitempty"`
	}{metadata}
	return d.write(name+".toml", file)
}

// RemoveLayer removes a layer with its metadata and SBOMs.
func (d LayersDir) RemoveLayer(name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("removing a layer of %s: %w", d.ID, err)
	}
	dir, err := d.open(false)
	if dir == nil {
		return err
	}
	defer dir.Close()
	all := []string{name, name + ".toml"}
	for _, ext := range SBOMExtensions {
		all = append(all, name+".sbom."+ext)
	}
	var errs []error
	for _, f := range all {
		errs = append(errs, dir.RemoveAll(f))
	}
	return errors.Join(errs...)
}

// Store reads store.toml, or returns nil if there is none.
func (d LayersDir) Store() (*platform.Store, error) {
	var s platform.Store
	err := d.readTOML("store.toml", &s, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// WriteStore writes store.toml.
func (d LayersDir) WriteStore(s platform.Store) error { return d.write("store.toml", s) }

func (d LayersDir) write(name string, v any) error {
	data, err := tomlfile.Encode(v, name+" of "+d.ID)
	if err != nil {
		return err
	}
	return d.WriteFile(name, data)
}

// WriteFile writes a file, and creates the directory if needed.
func (d LayersDir) WriteFile(name string, data []byte) error {
	return files.WriteWithin(filepath.Dir(d.Path), filepath.Join(d.Path, name), data)
}

// Remove removes the directory with its content.
func (d LayersDir) Remove() error {
	return files.RemoveWithin(filepath.Dir(d.Path), filepath.Base(d.Path))
}

// Open opens a file in the directory; see [files.OpenIn].
func (d LayersDir) Open(name string) (*os.File, error) {
	return files.OpenWithin(filepath.Dir(d.Path), filepath.Join(d.Path, name))
}

// open opens the directory. Without create, it returns nil if there is none.
func (d LayersDir) open(create bool) (*os.Root, error) {
	dir, err := files.Within(filepath.Dir(d.Path), filepath.Base(d.Path), create)
	if errors.Is(err, fs.ErrNotExist) && !create {
		return nil, nil
	}
	return dir, err
}

// list opens the directory and lists its entries by name. The directory is nil if there is none, or on error.
func (d LayersDir) list() (*os.Root, []fs.DirEntry, error) {
	dir, err := d.open(false)
	if dir == nil {
		return nil, nil, err
	}
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return nil, nil, errors.Join(err, dir.Close())
	}
	return dir, entries, nil
}

// at prefixes an error; nil stays nil.
func at(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// SBOMExtensions are the file name extensions of SBOMs (buildpack.md, "Software-Bill-of-Materials").
var SBOMExtensions = []string{"cdx.json", "spdx.json", "syft.json"}

// An SBOMFile is a file <name>.sbom.<ext> of a buildpack.
type SBOMFile struct {
	Name string // of a layer, or "launch" or "build"
	Ext  string
	Path string
}

// SBOMs lists the SBOM files of a buildpack, by name and format.
func (d LayersDir) SBOMs() ([]SBOMFile, error) {
	dir, entries, err := d.list()
	if dir == nil {
		return nil, at(err, "reading the SBOMs of "+d.ID)
	}
	defer dir.Close()
	var all []SBOMFile
	for _, e := range entries {
		name, ext, ok := strings.Cut(e.Name(), ".sbom.")
		if !ok || !e.Type().IsRegular() || !slices.Contains(SBOMExtensions, ext) {
			continue
		}
		all = append(all, SBOMFile{Name: name, Ext: ext, Path: filepath.Join(d.Path, e.Name())})
	}
	return all, nil
}

// hide renames the directories of layers without a type, so that no later buildpack
// depends on them (buildpack.md, "Ignored Layers"). A directory without <layer>.toml stays:
// buildpacks keep files there for later ones.
func (d LayersDir) hide(layers []Layer) error {
	for _, l := range layers {
		if !l.Described || l.Build || l.Launch || l.Cache || !l.Exists() {
			continue
		}
		err := os.RemoveAll(l.Path + ".ignore")
		if err == nil {
			err = os.Rename(l.Path, l.Path+".ignore")
		}
		if err != nil {
			return fmt.Errorf("hiding layer %s of %s: %w", l.Name, d.ID, err)
		}
	}
	return nil
}

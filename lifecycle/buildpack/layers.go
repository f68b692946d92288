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

// A LayersDir is <layers>/<id>, where one buildpack keeps its layers and what it tells of
// them (buildpack.md, "Layer Types"). The buildpack may leave there what it likes, so no link in it
// is followed, nor one in its place.
type LayersDir struct {
	Path string // absolute
	ID   string // the buildpack's
}

// LayersOf is the directory of one buildpack among the layers. The error is about an ID
// that could lead elsewhere.
func LayersOf(layers, id string) (LayersDir, error) {
	if err := platform.CheckID(id); err != nil {
		return LayersDir{}, err
	}
	return LayersDir{Path: filepath.Join(layers, platform.EscapeID(id)), ID: id}, nil
}

// A Layer is a layer of a buildpack. Its directory may not be there: a launch layer is
// then to be reused from the previous image.
type Layer struct {
	Name                 string
	Path                 string // of the directory
	Described            bool   // there is a <name>.toml
	Build, Launch, Cache bool
	Metadata             any // the table "metadata"; nil: there is none
}

// Exists reports whether the layer's directory is there.
func (l Layer) Exists() bool {
	info, err := os.Stat(l.Path)
	return err == nil && info.IsDir()
}

// reserved are the names of files that describe no layer.
var reserved = []string{"launch", "build", "store"}

// Layers reads what <name>.toml says of each layer, by name. A directory without such a file is a layer
// of no type. Keys that the specification does not know are told to unknown, which may be nil.
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
	// Launch, Build and Cache stood at the top level until Buildpack API 0.6. There they would
	// silently mean nothing.
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
		return fmt.Errorf("%q cannot be the name of a layer", name)
	}
	return nil
}

// WriteMetadata writes <layer>.toml with the metadata alone, without types: a layer that a
// buildpack does not choose anew is ignored (buildpack.md, "Reusing Layers").
func (d LayersDir) WriteMetadata(name string, metadata any) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("restoring the layers of %s: %w", d.ID, err)
	}
	file := struct {
		Metadata any `toml:"metadata,omitempty"`
	}{metadata}
	return d.write(name+".toml", file)
}

// RemoveLayer removes what there is of a layer.
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

// Store reads store.toml; nil if there is none.
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

// WriteFile writes a file, and makes the directory if need be.
func (d LayersDir) WriteFile(name string, data []byte) error {
	return files.WriteWithin(filepath.Dir(d.Path), filepath.Join(d.Path, name), data)
}

// Remove removes the directory and all in it.
func (d LayersDir) Remove() error {
	return files.RemoveWithin(filepath.Dir(d.Path), filepath.Base(d.Path))
}

// Open opens a file of the directory; see [files.OpenIn].
func (d LayersDir) Open(name string) (*os.File, error) {
	return files.OpenWithin(filepath.Dir(d.Path), filepath.Join(d.Path, name))
}

// open opens the directory. Without create, it is nil if there is none.
func (d LayersDir) open(create bool) (*os.Root, error) {
	dir, err := files.Within(filepath.Dir(d.Path), filepath.Base(d.Path), create)
	if errors.Is(err, fs.ErrNotExist) && !create {
		return nil, nil
	}
	return dir, err
}

// list opens the directory and says what is in it, by name. The directory is nil if there is none, or on an error.
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

// at says what an error interrupted; nil stays nil.
func at(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// SBOMExtensions are the formats of SBOM files (buildpack.md, "Software-Bill-of-Materials").
var SBOMExtensions = []string{"cdx.json", "spdx.json", "syft.json"}

// An SBOMFile is <name>.sbom.<ext> of a buildpack.
type SBOMFile struct {
	Name string // of the layer, or "launch" or "build" for what is in none
	Ext  string
	Path string
}

// SBOMs are the SBOM files of a buildpack, by name and format.
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
// buildpacks keep files there for those that follow.
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

package buildpack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// A Store is a directory of buildpacks or image extensions, each in <id>/<version>, with
// underscores for the slashes of the ID (platform.md, "Buildpacks Directory Layout").
type Store struct {
	Buildpacks, Extensions string
	Deprecation            api.DeprecationMode
	Warn                   func(string)                     // called for deprecated versions; may be nil
	Unknown                func(path string, keys []string) // called for unknown keys; may be nil
}

// A Descriptor is a decoded buildpack.toml or extension.toml (buildpack.md, "buildpack.toml";
// image_extension.md, "extension.toml").
type Descriptor struct {
	Kind        resolver.Kind
	Dir         string // of the buildpack, absolute
	API         api.Version
	ID, Version string
	Name        string
	Homepage    string
	ClearEnv    bool
	SBOMFormats []string
	ExecEnv     []string // supported execution environments; none: all
	Order       Order    // of a composite buildpack
	Targets     []Target
	Stacks      []string           // IDs; "*" matches any
	Options     extensions.Options // of an extension
}

// An Order is the order of a composite buildpack.
type Order []Group

// A Group is a group of an [Order].
type Group []Reference

// A Reference is a buildpack in a [Group].
type Reference struct {
	resolver.Element
	ExecEnv []string // where it takes part; none: everywhere
}

// For returns the order for an execution environment; all of it if execEnv is empty.
func (o Order) For(execEnv string) resolver.Order {
	var order resolver.Order
	for _, g := range o {
		var group resolver.Group
		for _, r := range g {
			if supports(r.ExecEnv, execEnv) {
				group = append(group, r.Element)
			}
		}
		if len(group) > 0 {
			order = append(order, group)
		}
	}
	return order
}

// supports reports whether a list of execution environments includes one.
func supports(list []string, execEnv string) bool {
	return execEnv == "" || len(list) == 0 || slices.Contains(list, execEnv) || slices.Contains(list, "*")
}

// A descriptorFile is buildpack.toml or extension.toml.
type descriptorFile struct {
	API       string     `toml:"api"`
	Buildpack moduleFile `toml:"buildpack"`
	Extension moduleFile `toml:"extension"`
	Order     []struct {
		Group []struct {
			ID       string   `toml:"id"`
			Version  string   `toml:"version"`
			Optional bool     `toml:"optional"`
			ExecEnv  []string `toml:"exec-env"`
		} `toml:"group"`
	} `toml:"order"`
	Targets []targetFile `toml:"targets"`
	Stacks  []struct {
		ID     string   `toml:"id"`
		Mixins []string `toml:"mixins"`
	} `toml:"stacks"`
	Metadata map[string]any `toml:"metadata"`
}

type moduleFile struct {
	ID          string           `toml:"id"`
	Version     string           `toml:"version"`
	Name        string           `toml:"name"`
	Homepage    string           `toml:"homepage"`
	Description string           `toml:"description"`
	Keywords    []string         `toml:"keywords"`
	ClearEnv    bool             `toml:"clear-env"`
	SBOMFormats []string         `toml:"sbom-formats"`
	Licenses    []map[string]any `toml:"licenses"`
	ExecEnv     execEnvs         `toml:"exec-env"`
}

// execEnvs is a list of names. The specification has tables with a name, older buildpacks plain
// strings.
type execEnvs []string

// UnmarshalTOML decodes either form.
func (e *execEnvs) UnmarshalTOML(v any) error {
	add := func(v any) error {
		if table, ok := v.(map[string]any); ok {
			v = table["name"]
		}
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("key \"exec-env\": want names, not %T", v)
		}
		*e = append(*e, s)
		return nil
	}
	var err error
	switch list := v.(type) {
	case []any:
		for _, element := range list {
			err = errors.Join(err, add(element))
		}
	case []map[string]any:
		for _, element := range list {
			err = errors.Join(err, add(element))
		}
	default:
		err = fmt.Errorf("key \"exec-env\": want a list, not %T", v)
	}
	return err
}

// Open reads the descriptor of a module. The error has code 12 if its Buildpack API is
// not supported.
func (s Store) Open(m resolver.Module) (*Descriptor, error) {
	root, file := s.Buildpacks, "buildpack.toml"
	if m.Kind == resolver.Extension {
		root, file = s.Extensions, "extension.toml"
	}
	if err := errors.Join(platform.CheckID(m.ID), checkName(m.Version)); err != nil {
		return nil, fmt.Errorf("opening %s %s: %w", m.Kind, m, err)
	}
	dir := filepath.Join(root, platform.EscapeID(m.ID), m.Version)
	path := filepath.Join(dir, file)
	var f descriptorFile
	if err := readTOML(path, &f, s.Unknown); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: it is in the order, but not in %s", err, root)
		}
		return nil, fmt.Errorf("opening %s %s: %w", m.Kind, m, err)
	}
	d, err := s.describe(m, dir, path, f)
	if err != nil {
		return nil, fmt.Errorf("opening %s %s: %w", m.Kind, m, err)
	}
	return d, nil
}

func (s Store) describe(m resolver.Module, dir, path string, f descriptorFile) (*Descriptor, error) {
	about := f.Buildpack
	if m.Kind == resolver.Extension {
		about = f.Extension
	}
	if about.ID == "" {
		return nil, fmt.Errorf("reading %s: key \"%s.id\" is missing", path, m.Kind)
	}
	version, warning, err := api.Buildpack.Check(f.API, string(m.Kind)+" "+m.String(), s.Deprecation)
	if err != nil {
		return nil, err
	}
	if warning != "" && s.Warn != nil {
		s.Warn(warning)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	d := &Descriptor{
		Kind: m.Kind, Dir: abs, API: version, ID: m.ID, Version: m.Version, Name: about.Name, Homepage: about.Homepage,
		ClearEnv: about.ClearEnv, SBOMFormats: about.SBOMFormats, ExecEnv: about.ExecEnv,
	}
	for _, t := range f.Targets {
		d.Targets = append(d.Targets, Target(t))
	}
	for _, stack := range f.Stacks {
		d.Stacks = append(d.Stacks, stack.ID)
	}
	if d.Order, err = f.order(path); err != nil {
		return nil, err
	}
	if m.Kind == resolver.Extension {
		if len(d.Order) > 0 {
			return nil, fmt.Errorf("reading %s: key \"order\" is not allowed in an extension", path)
		}
		data, err := platform.ReadBounded(path)
		if err != nil {
			return nil, err
		}
		if d.Options, err = extensions.DecodeOptions(data, path); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (f descriptorFile) order(path string) (Order, error) {
	var order Order
	for i, g := range f.Order {
		var group Group
		for j, r := range g.Group {
			if r.ID == "" || r.Version == "" {
				return nil, fmt.Errorf("reading %s: key \"order\", group %d, element %d: \"id\" and \"version\" are required", path, i+1, j+1)
			}
			group = append(group, Reference{ExecEnv: r.ExecEnv, Element: resolver.Element{
				Module:   resolver.Module{Kind: resolver.Buildpack, ID: r.ID, Version: r.Version},
				Optional: r.Optional,
			}})
		}
		order = append(order, group)
	}
	return order, nil
}

// Module returns the module for a build plan.
func (d *Descriptor) Module() resolver.Module {
	return resolver.Module{Kind: d.Kind, ID: d.ID, Version: d.Version}
}

// Group returns the module for group.toml.
func (d *Descriptor) Group() platform.Module {
	return platform.Module{ID: d.ID, Version: d.Version, API: d.API.String(), Homepage: d.Homepage}
}

// InExecEnv reports whether the module supports an execution environment.
func (d *Descriptor) InExecEnv(execEnv string) bool { return supports(d.ExecEnv, execEnv) }

// has reports whether the module has an executable.
func (d *Descriptor) has(executable string) bool {
	info, err := os.Stat(filepath.Join(d.Dir, "bin", executable))
	return err == nil && !info.IsDir()
}

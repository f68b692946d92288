package platform

import (
	"fmt"

	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A Group is group.toml: the buildpacks that build the app and the image extensions that run
// before them (platform.md, "group.toml").
type Group struct {
	Buildpacks []Module `toml:"group"`
	Extensions []Module `toml:"group-extensions,omitempty"`
}

// A Module is a buildpack or an image extension of a group.
type Module struct {
	ID       string `toml:"id"`
	Version  string `toml:"version"`
	API      string `toml:"api"`
	Homepage string `toml:"homepage,omitempty"`
}

// String returns id@version.
func (m Module) String() string { return m.ID + "@" + m.Version }

// ExtensionModules returns the extensions of the group in order, never nil.
func (g *Group) ExtensionModules() []resolver.Module {
	all := []resolver.Module{}
	for _, m := range g.Extensions {
		all = append(all, m.Resolver(resolver.Extension))
	}
	return all
}

// Resolver returns the module for the resolver.
func (m Module) Resolver(kind resolver.Kind) resolver.Module {
	return resolver.Module{Kind: kind, ID: m.ID, Version: m.Version}
}

// DecodeGroup decodes group.toml. The name is used in errors.
func DecodeGroup(data []byte, name string) (*Group, error) {
	var g Group
	if err := tomlfile.Decode(data, name, &g); err != nil {
		return nil, err
	}
	for key, list := range map[string][]Module{"group": g.Buildpacks, "group-extensions": g.Extensions} {
		for i, m := range list {
			if err := m.check(); err != nil {
				return nil, fmt.Errorf("reading %s: key %q, element %d: %w", name, key, i+1, err)
			}
		}
	}
	return &g, nil
}

func (m Module) check() error {
	for _, key := range []struct{ name, value string }{{"id", m.ID}, {"version", m.Version}, {"api", m.API}} {
		if key.value == "" {
			return fmt.Errorf("key %q is missing", key.name)
		}
	}
	return CheckID(m.ID)
}

// CheckID rejects an ID that could be a path to another directory. The specification allows
// numbers, letters, ".", "/" and "-" (buildpack.md, "buildpack.toml"); other characters that
// are harmless in a path are accepted.
func CheckID(id string) error {
	switch EscapeID(id) {
	case "", ".", "..", "config", "sbom", "generated":
		return fmt.Errorf("%q is not a valid id of a buildpack or extension", id)
	}
	for _, r := range id {
		if r < ' ' || r == '\\' {
			return fmt.Errorf("%q is not a valid id of a buildpack or extension", id)
		}
	}
	return nil
}

// Encode encodes the file as TOML.
func (g *Group) Encode() ([]byte, error) { return tomlfile.Encode(g, "group.toml") }

// A Plan is plan.toml: the build plan without entries that only a base image or an extension
// provides (platform.md, "plan.toml").
type Plan struct {
	Entries  []resolver.Entry
	Warnings []string // warnings about what DecodePlan ignored, a sentence each
}

// planFile is the encoded form of plan.toml.
type planFile struct {
	Entries []planEntry `toml:"entries,omitempty"`
}

type planEntry struct {
	Providers []planProvider `toml:"providers"`
	Requires  []planRequire  `toml:"requires"`
}

type planProvider struct {
	ID        string `toml:"id"`
	Version   string `toml:"version"`
	Extension bool   `toml:"extension,omitempty"`
}

type planRequire struct {
	Name     string         `toml:"name"`
	Metadata map[string]any `toml:"metadata,omitempty"`
}

// DecodePlan decodes plan.toml. The name is used in errors.
func DecodePlan(data []byte, name string) (*Plan, error) {
	var file planFile
	if err := tomlfile.Decode(data, name, &file); err != nil {
		return nil, err
	}
	var p Plan
	for i, e := range file.Entries {
		var entry resolver.Entry
		for _, m := range e.Providers {
			kind := resolver.Buildpack
			if m.Extension {
				kind = resolver.Extension
			}
			entry.Providers = append(entry.Providers, resolver.Module{Kind: kind, ID: m.ID, Version: m.Version})
		}
		for _, r := range e.Requires {
			if entry.Name != "" && entry.Name != r.Name {
				return nil, fmt.Errorf("reading %s: key \"entries\", element %d requires both %q and %q", name, i+1, entry.Name, r.Name)
			}
			entry.Name = r.Name
			entry.Requires = append(entry.Requires, resolver.Require{Name: r.Name, Metadata: r.Metadata})
		}
		if entry.Name == "" {
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s: key \"entries\", element %d is ignored: it has no requires", name, i+1))
			continue
		}
		p.Entries = append(p.Entries, entry)
	}
	return &p, nil
}

// Encode encodes the file as TOML.
func (p *Plan) Encode() ([]byte, error) {
	var file planFile
	for _, e := range p.Entries {
		var out planEntry
		for _, m := range e.Providers {
			out.Providers = append(out.Providers, planProvider{m.ID, m.Version, m.Kind == resolver.Extension})
		}
		for _, r := range e.Requires {
			out.Requires = append(out.Requires, planRequire{r.Name, r.Metadata})
		}
		file.Entries = append(file.Entries, out)
	}
	return tomlfile.Encode(file, "plan.toml")
}

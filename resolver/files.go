package resolver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// DecodePlan decodes the build plan that bin/detect wrote (buildpack.md, "Build
// Plan"): the top-level section, then each of `or`. The name, its path, is used in
// errors. Unknown keys are ignored; [UnknownPlanKeys] lists them.
func DecodePlan(data []byte, name string) ([]Section, error) {
	var file planFile
	if err := tomlfile.Decode(data, name, &file); err != nil {
		return nil, err
	}
	var sections []Section
	for i, s := range append([]planSection{file.planSection}, file.Or...) {
		where := ""
		if i > 0 {
			where = fmt.Sprintf("or[%d].", i-1)
		}
		section, err := s.section(where)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		sections = append(sections, section)
	}
	return sections, nil
}

// UnknownPlanKeys lists the keys of a build plan that are not in the specification,
// in order. Callers log them, since a typo such as "require" has no effect. The
// name, its path, is used in errors.
func UnknownPlanKeys(data []byte, name string) ([]string, error) {
	unknown, err := tomlfile.DecodeUnknown(data, name, &planFile{})
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, text := range unknown {
		rest, _ := strings.CutPrefix(text, "or.")
		inMetadata := strings.HasPrefix(rest, "requires.metadata.") // free-form
		if !inMetadata && !slices.Contains(keys, text) {
			keys = append(keys, text)
		}
	}
	return keys, nil
}

type planFile struct {
	planSection
	Or []planSection `toml:"or"`
}

type planSection struct {
	Provides []planProvide `toml:"provides"`
	Requires []planRequire `toml:"requires"`
}

type planProvide struct {
	Name string `toml:"name"`
}

// planRequire is an entry of requires. The key version is an error: no supported
// Buildpack API has it, and ignoring it would hide the mistake.
type planRequire struct {
	Name     string `toml:"name"`
	Version  any    `toml:"version,omitempty"`
	Metadata any    `toml:"metadata,omitempty"` // a table; any, because the library decodes other types as an empty table
}

func (s planSection) section(where string) (Section, error) {
	var out Section
	for i, p := range s.Provides {
		if p.Name == "" {
			return out, fmt.Errorf("key %sprovides[%d].name is missing: every provide needs a name", where, i)
		}
		out.Provides = append(out.Provides, p.Name)
	}
	for i, r := range s.Requires {
		if r.Name == "" {
			return out, fmt.Errorf("key %srequires[%d].name is missing: every require needs a name", where, i)
		}
		metadata, ok := r.Metadata.(map[string]any)
		if !ok && r.Metadata != nil {
			return out, fmt.Errorf("key %srequires[%d].metadata is %T: it must be a table", where, i, r.Metadata)
		}
		if r.Version != nil {
			return out, fmt.Errorf("key %srequires[%d].version is not supported: use %srequires[%d].metadata.version", where, i, where, i)
		}
		out.Requires = append(out.Requires, Require{Name: r.Name, Metadata: metadata})
	}
	return out, nil
}

// An OrderFile is order.toml (platform.md, "order.toml").
type OrderFile struct {
	Order, Extensions Order
}

// DecodeOrder decodes order.toml. The name, its path, is used in errors.
func DecodeOrder(data []byte, name string) (*OrderFile, error) {
	type group struct {
		Group []struct {
			ID       string `toml:"id"`
			Version  string `toml:"version"`
			Optional bool   `toml:"optional"`
		} `toml:"group"`
	}
	var file struct {
		Order      []group `toml:"order"`
		Extensions []group `toml:"order-extensions"`
	}
	if err := tomlfile.Decode(data, name, &file); err != nil {
		return nil, err
	}
	order := func(key string, groups []group, kind Kind) (Order, error) {
		var all Order
		for i, g := range groups {
			var out Group
			for k, e := range g.Group {
				for _, part := range []struct{ key, value string }{{"id", e.ID}, {"version", e.Version}} {
					if part.value == "" {
						return nil, fmt.Errorf("reading %s: key %s[%d].group[%d].%s is missing", name, key, i, k, part.key)
					}
				}
				out = append(out, Element{Module: Module{Kind: kind, ID: e.ID, Version: e.Version}, Optional: e.Optional || kind == Extension})
			}
			all = append(all, out)
		}
		return all, nil
	}
	var out OrderFile
	var err error
	if out.Order, err = order("order", file.Order, Buildpack); err != nil {
		return nil, err
	}
	if out.Extensions, err = order("order-extensions", file.Extensions, Extension); err != nil {
		return nil, err
	}
	if len(out.Order) == 0 {
		return nil, fmt.Errorf("reading %s: it has no [[order]] with an [[order.group]]", name)
	}
	return &out, nil
}

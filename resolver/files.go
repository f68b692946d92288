package resolver

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/BurntSushi/toml"
)

// DecodePlan reads the build plan that a module's bin/detect wrote
// (buildpack.md, "Build Plan"): the top-level section, then each of `or`. name is
// its path, for errors. Keys that the specification does not know are ignored.
func DecodePlan(data []byte, name string) ([]Section, error) {
	var file struct {
		planSection
		Or []planSection `toml:"or"`
	}
	if err := decode(data, name, &file); err != nil {
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

type planSection struct {
	Provides []struct {
		Name string `toml:"name"`
	} `toml:"provides"`
	Requires []planRequire `toml:"requires"`
}

// planRequire is an entry of requires. A version beside metadata is deprecated
// and means the same as metadata.version.
type planRequire struct {
	Name     string         `toml:"name"`
	Version  string         `toml:"version,omitempty"`
	Metadata map[string]any `toml:"metadata,omitempty"`
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
		if _, ok := r.Metadata["version"]; !ok && r.Version != "" {
			if r.Metadata == nil {
				r.Metadata = map[string]any{}
			}
			r.Metadata["version"] = r.Version
		}
		out.Requires = append(out.Requires, Require{Name: r.Name, Metadata: r.Metadata})
	}
	return out, nil
}

// EncodePlan gives the bytes of plan.toml (platform.md, "plan.toml").
func EncodePlan(plan []Entry) ([]byte, error) {
	type provider struct {
		ID        string `toml:"id"`
		Version   string `toml:"version"`
		Extension bool   `toml:"extension,omitempty"`
	}
	type entry struct {
		Providers []provider    `toml:"providers"`
		Requires  []planRequire `toml:"requires"`
	}
	var file struct {
		Entries []entry `toml:"entries,omitempty"`
	}
	for _, e := range plan {
		var out entry
		for _, m := range e.Providers {
			out.Providers = append(out.Providers, provider{m.ID, m.Version, m.Kind == Extension})
		}
		for _, r := range e.Requires {
			out.Requires = append(out.Requires, planRequire{Name: r.Name, Metadata: r.Metadata})
		}
		file.Entries = append(file.Entries, out)
	}
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(file); err != nil {
		return nil, fmt.Errorf("encoding plan.toml: %w", err)
	}
	return b.Bytes(), nil
}

// An OrderFile is order.toml (platform.md, "order.toml").
type OrderFile struct {
	Order, Extensions Order
}

// DecodeOrder reads order.toml; name is its path, for errors.
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
	if err := decode(data, name, &file); err != nil {
		return nil, err
	}
	order := func(key string, groups []group, kind Kind) (Order, error) {
		var all Order
		for i, g := range groups {
			var out Group
			for k, e := range g.Group {
				if e.ID == "" {
					return nil, fmt.Errorf("reading %s: key %s[%d].group[%d].id is missing", name, key, i, k)
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
		return nil, fmt.Errorf("reading %s: there is no [[order]] with a [[order.group]] in it", name)
	}
	return &out, nil
}

// decode reads TOML into v; an error names the file and where in it.
func decode(data []byte, name string, v any) error {
	err := toml.Unmarshal(data, v)
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		return fmt.Errorf("reading %s, line %d: %s", name, parse.Position.Line, parse.Message)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

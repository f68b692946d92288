package provides

import (
	_ "embed" // the built-in mapping is a data file
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A Mapping says which packages back a name of the build plan: an entry
// [[provides]] of /cnb/baseplan.toml and of the built-in table.
type Mapping struct {
	Name     string   `toml:"name" json:"name"`
	Packages []string `toml:"packages" json:"packages"`                 // patterns of package URLs; none: nothing is the name, a package called so neither
	Prefer   bool     `toml:"prefer,omitempty" json:"prefer,omitempty"` // the image consumes launch-only requirements of the name
}

//go:embed mapping.toml
var builtin string

// Builtin is the mapping that holds where the operator says nothing else. The
// caller must not change it.
var Builtin = sync.OnceValue(func() []Mapping {
	table, err := DecodeMapping([]byte(builtin), "built-in mapping")
	if err != nil {
		panic(err) // a test reads it
	}
	return table
})

// DecodeMapping reads [[provides]] entries; name says where they are from, for
// errors.
func DecodeMapping(data []byte, name string) ([]Mapping, error) {
	var file struct {
		Provides []Mapping `toml:"provides"`
	}
	if err := tomlfile.DecodeStrict(data, name, &file); err != nil {
		return nil, err
	}
	if err := CheckMapping(file.Provides); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return file.Provides, nil
}

// CheckMapping says what is wrong with a table, naming the entry.
func CheckMapping(table []Mapping) error {
	seen := map[string]bool{}
	for i, m := range table {
		switch {
		case m.Name == "" || strings.TrimSpace(m.Name) != m.Name:
			return fmt.Errorf("[[provides]] number %d: key \"name\": give the name that buildpacks require", i+1)
		case seen[m.Name]:
			return fmt.Errorf("[[provides]] %q stands twice: put its packages into one entry", m.Name)
		}
		seen[m.Name] = true
		for _, text := range m.Packages {
			if _, err := ParsePattern(text); err != nil {
				return fmt.Errorf("[[provides]] %q: key \"packages\": %w", m.Name, err)
			}
		}
	}
	return nil
}

// effective is the operator's table over the built-in one, by name. An entry
// without packages stays: it maps the name to nothing.
func effective(operator []Mapping) []Mapping {
	all := slices.Clone(operator)
	for _, m := range Builtin() {
		if !slices.ContainsFunc(operator, func(o Mapping) bool { return o.Name == m.Name }) {
			all = append(all, m)
		}
	}
	return all
}

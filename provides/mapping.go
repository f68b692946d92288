package provides

import (
	_ "embed" // the built-in mapping is a data file
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A Mapping lists the packages that back a name of the build plan: an entry
// [[provides]] of /cnb/baseplan.toml or of the built-in table.
type Mapping struct {
	Name     string   `toml:"name" json:"name"`
	Packages []string `toml:"packages" json:"packages"`                 // patterns of package URLs; if empty, the name is never provided, not even by a package of that name
	Prefer   bool     `toml:"prefer,omitempty" json:"prefer,omitempty"` // the image consumes launch-only requirements of the name
}

//go:embed mapping.toml
var builtin string

// Builtin returns the built-in mapping, used for names that the operator does not
// map. The caller must not modify it.
var Builtin = sync.OnceValue(func() []Mapping {
	table, err := DecodeMapping([]byte(builtin), "built-in mapping")
	if err != nil {
		panic(err) // unreachable: a test decodes it
	}
	return table
})

// DecodeMapping decodes [[provides]] entries. The name of their source is used in
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

// CheckMapping returns an error if a table is invalid.
func CheckMapping(table []Mapping) error {
	for _, err := range MappingErrors(table) {
		return err
	}
	return nil
}

// MappingErrors returns all errors of a table.
func MappingErrors(table []Mapping) (all []error) {
	seen := map[string]bool{}
	for i, m := range table {
		switch {
		case m.Name == "" || strings.TrimSpace(m.Name) != m.Name:
			all = append(all, fmt.Errorf("[[provides]] number %d: key \"name\": give the name that buildpacks require", i+1))
		case seen[m.Name]:
			all = append(all, fmt.Errorf("[[provides]] %q occurs twice: put its packages into one entry", m.Name))
		}
		seen[m.Name] = true
		for _, text := range m.Packages {
			if _, err := ParsePattern(text); err != nil {
				all = append(all, fmt.Errorf("[[provides]] %q: key \"packages\": %w", m.Name, err))
			}
		}
	}
	return all
}

// effective merges the operator's table over the built-in one by name. An entry
// without packages stays and maps the name to nothing.
func effective(operator []Mapping) []Mapping {
	all := slices.Clone(operator)
	for _, m := range Builtin() {
		if !slices.ContainsFunc(operator, func(o Mapping) bool { return o.Name == m.Name }) {
			all = append(all, m)
		}
	}
	return all
}

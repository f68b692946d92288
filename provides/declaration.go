package provides

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/tomlfile/keys"
)

// A Declaration is what an image's publisher declares that the image provides
// (docs/reference/files.md, "label io.buildpacks.base.provides").
type Declaration struct {
	Version  string          `json:"version"`
	Provides []DeclaredEntry `json:"provides"`
}

// A DeclaredEntry is one declared name.
type DeclaredEntry struct {
	Name     string   `json:"name"`
	Version  string   `json:"version,omitempty"`
	Evidence []string `json:"evidence"` // package URL patterns or file:/absolute/path; all must be backed
}

// A Refusal is a declared entry that the inventory does not back.
type Refusal struct{ Name, Why string }

// DecodeDeclaration decodes a declaration. The name of its source is used in
// errors.
func DecodeDeclaration(data []byte, name string) (*Declaration, error) {
	var d Declaration
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if err := sbom.CheckFileVersion(d.Version); err != nil {
		return nil, fmt.Errorf("reading %s: key \"version\": %w", name, err)
	}
	for i, e := range d.Provides {
		if strings.TrimSpace(e.Name) == "" {
			return nil, fmt.Errorf("reading %s: provides[%d]: key \"name\" is missing", name, i)
		}
		if len(e.Evidence) == 0 {
			return nil, fmt.Errorf("reading %s: provides[%d] (%s): key \"evidence\": name the packages or files that back it", name, i, e.Name)
		}
		for _, text := range e.Evidence {
			if err := checkEvidence(text); err != nil {
				return nil, fmt.Errorf("reading %s: provides[%d] (%s): key \"evidence\": %w", name, i, e.Name, err)
			}
		}
	}
	return &d, nil
}

// DecodeDeclarationFile decodes a declaration written by hand. Unlike
// [DecodeDeclaration], it rejects unknown keys.
func DecodeDeclarationFile(data []byte, name string) (*Declaration, error) {
	var file map[string]any
	err := json.Unmarshal(data, &file)
	if err == nil {
		err = checkKeys(file, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return DecodeDeclaration(data, name)
}

// checkKeys returns an error for unknown keys in the value of a key.
func checkKeys(v any, under []string) error {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			if err := checkKeys(element, under); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			key := append(slices.Clone(under), name)
			if err := keys.Check(reflect.TypeFor[Declaration](), "json", key); err != nil {
				return err
			}
			if err := checkKeys(v[name], key); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkEvidence(text string) error {
	if file, ok := strings.CutPrefix(text, "file:"); ok {
		if !path.IsAbs(file) || path.Clean(file) != file {
			return fmt.Errorf("%q: spell the path absolute and clean", text)
		}
		return nil
	}
	_, err := ParsePattern(text)
	return err
}

// backed converts a declared entry to a provide, or returns why the inventory does
// not back it.
func (s *Set) backed(entry DeclaredEntry) (Provide, string) {
	p := Provide{Name: entry.Name, Kind: Declared, Version: entry.Version, Rule: Semver}
	for _, text := range entry.Evidence {
		evidence, why := s.evidence(text)
		if why != "" {
			return p, why
		}
		p.Evidence = append(p.Evidence, evidence...)
	}
	if first := p.Evidence[0]; p.Version == "" && first.Package != "" {
		for _, pkg := range s.native {
			if pkg.PURL == first.PURL && pkg.Name == first.Package {
				p.Rule = RuleOf(pkg.Type)
				p.Version, p.Full = Upstream(p.Rule, pkg.Version), pkg.Version
			}
		}
	}
	return p, ""
}

// absent returns which package owns a file that is not in the image, or "".
func (s *Set) absent(file string) string {
	for _, pkg := range s.native {
		if holds(pkg.Absent, file) {
			return notInImage(pkg, file)
		}
	}
	return ""
}

// evidence returns what the inventory has for one entry of "evidence", or why it
// has nothing.
func (s *Set) evidence(text string) ([]Evidence, string) {
	if file, ok := strings.CutPrefix(text, "file:"); ok {
		switch {
		case holds(s.document.Files, file) || len(s.Owners(file)) > 0:
			return []Evidence{{Pattern: text, Path: file}}, ""
		case s.absent(file) != "":
			return nil, s.absent(file)
		case !s.document.Knows(sbom.Files):
			return nil, fmt.Sprintf("this SBOM does not list files, so whether %s is there is unknown", file)
		}
		return nil, fmt.Sprintf("no package owns %s", file)
	}
	pattern, err := ParsePattern(text)
	if err != nil {
		return nil, err.Error()
	}
	var found []Evidence
	for _, pkg := range s.native {
		if _, ok := pattern.Match(pkg); ok {
			e := evidenceOf(pkg)
			found = append(found, e)
		}
	}
	if found == nil {
		return nil, fmt.Sprintf("no package matches %s", text)
	}
	return found, ""
}

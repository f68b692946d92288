//go:build linux

package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A Known is a kind of difference that is allowed, with the reason.
type Known struct {
	Path   string `toml:"path"` // regular expression of Difference.Kind
	A      string `toml:"a"`    // regular expression of A's value as JSON; empty: any
	B      string `toml:"b"`
	Failed bool   `toml:"failed"` // only in failed builds
	Reason string `toml:"reason"`
	Clause string `toml:"clause"` // of the specification, if any

	path, a, b *regexp.Regexp
	count      int
}

// Expected is the content of known.toml.
type Expected struct {
	CodesOnly []codesOnly `toml:"codes-only"`
	Kinds     []*Known    `toml:"kind"`
}

type codesOnly struct {
	Seeds  []uint64 `toml:"seeds"`
	Reason string   `toml:"reason"`
}

//go:embed known.toml
var knownTOML []byte

// parseExpected parses the allowed kinds of difference.
func parseExpected(data []byte, path string) (*Expected, error) {
	e := &Expected{}
	err := tomlfile.DecodeStrict(data, path, e)
	if err != nil {
		return nil, err
	}
	for i, k := range e.Kinds {
		if k.Reason == "" {
			return nil, fmt.Errorf("reading %s: kind %d, %s: no reason", path, i+1, k.Path)
		}
		for _, p := range []struct {
			pattern string
			into    **regexp.Regexp
		}{{"^(?:" + k.Path + ")$", &k.path}, {k.A, &k.a}, {k.B, &k.b}} {
			if *p.into, err = regexp.Compile(p.pattern); err != nil {
				return nil, fmt.Errorf("reading %s: kind %d: %w", path, i+1, err)
			}
		}
	}
	return e, nil
}

// match returns the first kind that matches d, and counts it; nil: none. failed reports
// whether the build failed.
func (e *Expected) match(d Difference, failed bool) *Known {
	kind := d.Kind()
	for _, k := range e.Kinds {
		if k.Failed && !failed || !k.path.MatchString(kind) {
			continue
		}
		a, b := d.short()
		if k.a.MatchString(a) && k.b.MatchString(b) {
			k.count++
			return k
		}
	}
	return nil
}

// codesOnly reports whether only the exit codes of a case are compared.
func (e *Expected) codesOnly(seed uint64) bool {
	return slices.ContainsFunc(e.CodesOnly, func(c codesOnly) bool { return slices.Contains(c.Seeds, seed) })
}

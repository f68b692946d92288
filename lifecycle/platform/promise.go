package platform

import (
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A Promise is what every image of a publisher provides, the file of baseplan sbom publish --promise.
type Promise struct {
	Version  string         `toml:"version"`
	Provides []PromisedName `toml:"provides"`
}

// A PromisedName is a name that an image provides to a build plan.
type PromisedName struct {
	Name       string `toml:"name"`
	Constraint string `toml:"constraint,omitempty"` // on the version, such as ">= 17"; absent: any version
}

// DecodePromise decodes a promise. The name is used in errors.
func DecodePromise(data []byte, name string) (*Promise, error) {
	var p Promise
	if err := tomlfile.DecodeVersionedStrict(data, name, &p, &p.Version, sbom.CheckFileVersion); err != nil {
		return nil, err
	}
	if len(p.Provides) == 0 {
		return nil, fmt.Errorf("reading %s: it has no [[provides]]: name what the images provide", name)
	}
	for i, entry := range p.Provides {
		if strings.TrimSpace(entry.Name) == "" {
			return nil, fmt.Errorf("reading %s: [[provides]], element %d: key \"name\" is missing", name, i+1)
		}
		if _, err := provides.ParseConstraint(entry.Constraint); err != nil {
			return nil, fmt.Errorf("reading %s: [[provides]], element %d (%s): key \"constraint\": %w", name, i+1, entry.Name, err)
		}
	}
	return &p, nil
}

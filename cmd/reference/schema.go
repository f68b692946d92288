package main

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/invopop/jsonschema"

	"github.com/baseplan/baseplan/cmd/internal/cli"
)

// schemaPage returns the JSON Schema of what commands print with --output json: a definition
// for each kind of document.
func schemaPage() (string, error) {
	documents := cli.Documents()
	all := &jsonschema.Schema{
		Version: jsonschema.Version, Title: "Output of baseplan --output json", Definitions: jsonschema.Definitions{},
		Comments: "Written by `go generate ./cmd/reference`. Do not edit.",
	}
	for _, kind := range slices.Sorted(maps.Keys(documents)) {
		r := &jsonschema.Reflector{Anonymous: true, DoNotReference: true, AllowAdditionalProperties: true}
		s := r.Reflect(documents[kind])
		s.Version = ""
		if p, ok := s.Properties.Get("kind"); ok {
			p.Const = kind
		}
		if p, ok := s.Properties.Get("version"); ok {
			p.Const = "1.0"
		}
		all.Definitions[kind] = s
		all.OneOf = append(all.OneOf, &jsonschema.Schema{Ref: "#/$defs/" + kind})
	}
	data, err := json.MarshalIndent(all, "", "  ")
	return string(data) + "\n", err
}

package resolver_test

import (
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/resolver"
)

func TestDecodePlan(t *testing.T) {
	got, err := resolver.DecodePlan([]byte(`
unknown = 1
[[provides]]
name = "node"
[[requires]]
name = "node"
[requires.metadata]
launch = true
version = "18"
[[or]]
[[or.requires]]
name = "npm"
[or.requires.metadata]
version = "10"
`), "plan.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := []resolver.Section{
		{Provides: []string{"node"}, Requires: []resolver.Require{{Name: "node", Metadata: map[string]any{"launch": true, "version": "18"}}}},
		{Requires: []resolver.Require{{Name: "npm", Metadata: map[string]any{"version": "10"}}}},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDecodeErrors(t *testing.T) {
	plan := func(data []byte, name string) error { _, err := resolver.DecodePlan(data, name); return err }
	order := func(data []byte, name string) error { _, err := resolver.DecodeOrder(data, name); return err }
	for _, tt := range []struct {
		name, in, want string
		decode         func([]byte, string) error
	}{
		{"no toml", "[[provides", "reading f, line 1: ", plan},
		{"nameless provide", "[[provides]]\n", "reading f: key provides[0].name is missing", plan},
		{"nameless require in or", "[[or]]\n[[or.requires]]\n", "reading f: key or[0].requires[0].name is missing", plan},
		{"wrong type", "requires = 3", "requires", plan},
		{"a version beside metadata", "[[requires]]\nname = \"a\"\nversion = \"1\"\n", "key requires[0].version is not supported: use requires[0].metadata.version", plan},
		{"a version beside metadata in or", "[[or]]\n[[or.requires]]\nname = \"a\"\nversion = 1\n", "key or[0].requires[0].version is not supported", plan},
		{"metadata that is no table", "[[or]]\n[[or.requires]]\nname = \"a\"\nmetadata = 3\n", "key or[0].requires[0].metadata is int64", plan},
		{"empty order", "", "reading f: it has no [[order]]", order},
		{"no id", "[[order]]\n[[order.group]]\nversion = \"1\"\n", "reading f: key order[0].group[0].id is missing", order},
		{"no version", "[[order]]\n[[order.group]]\nid = \"a\"\n", "reading f: key order[0].group[0].version is missing", order},
		{"wrong type of optional", "[[order]]\n[[order.group]]\nid = \"a\"\noptional = \"yes\"\n", "optional", order},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.decode([]byte(tt.in), "f")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "reading f") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestUnknownPlanKeys(t *testing.T) {
	got, err := resolver.UnknownPlanKeys([]byte(`
[[require]]
name = "a"
[[requires]]
name = "b"
colour = "red"
[requires.metadata]
anything = {goes = true}
[[requires]]
name = "c"
colour = "blue"
`), "plan.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]string{"require", "require.name", "requires.colour"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// maxFuzzed bounds what the TOML library is fuzzed with: nesting of some 10,000
// levels takes it seconds.
const maxFuzzed = 4096

func TestLargePlan(t *testing.T) {
	var b strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&b, "[[provides]]\nname = \"n%d\"\n[[requires]]\nname = \"n%d\"\n", i, i)
	}
	sections, err := resolver.DecodePlan([]byte(b.String()), "plan.toml")
	if err != nil {
		t.Fatal(err)
	}
	r, err := resolver.Resolve(resolver.Problem{Candidates: []resolver.Candidate{{Module: module(resolver.Buildpack, "big"), Plans: sections}}})
	if err != nil || len(r.Plan) != 10_000 {
		t.Errorf("%v", err)
	}
}

func FuzzDecodePlan(f *testing.F) {
	f.Add([]byte("[[provides]]\nname = \"a\"\n[[or]]\n[[or.requires]]\nname = \"a\"\nmetadata = {launch = true}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxFuzzed {
			return
		}
		sections, err := resolver.DecodePlan(data, "plan.toml")
		if err != nil {
			return
		}
		if len(sections) == 0 {
			t.Error("a plan without its top-level section")
		}
		for _, s := range sections {
			for _, r := range s.Requires {
				if r.Name == "" {
					t.Error("a require without a name")
				}
			}
		}
		_, _ = resolver.Resolve(resolver.Problem{Limit: 100, Candidates: []resolver.Candidate{{Module: module(resolver.Buildpack, "m"), Plans: sections}}})
	})
}

func FuzzDecodeOrder(f *testing.F) {
	f.Add([]byte("[[order]]\n[[order.group]]\nid = \"a\"\nversion = \"1\"\noptional = true\n[[order-extensions]]\n[[order-extensions.group]]\nid = \"e\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxFuzzed {
			return
		}
		order, err := resolver.DecodeOrder(data, "order.toml")
		if err == nil && len(order.Order) == 0 {
			t.Error("an order without groups")
		}
	})
}

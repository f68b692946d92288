package resolver_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/resolver"
)

// observed is a detection that was observed; see testdata/README.md.
type observed struct {
	Case       int
	Order      [][]observedElement
	Extensions [][]observedElement `json:"order-extensions"`
	Plans      map[string]observedPlan
	DetectExit map[string]int `json:"detect-exit"`
	Want       outcome
}

type observedElement struct {
	ID       string
	Optional bool
}

type observedSection struct{ Provides, Requires []string }

type observedPlan struct {
	observedSection
	Or []observedSection
}

type outcome struct {
	Exit       int             `json:"exit"`
	Group      []string        `json:"group"`
	Extensions []string        `json:"group-extensions"`
	Plan       []observedEntry `json:"plan"`
}

type observedEntry struct {
	Name      string
	Providers []string
	Requires  int
}

func TestObservedDetections(t *testing.T) {
	file, err := os.Open("testdata/resolution.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	cases := 0
	for ; lines.Scan(); cases++ {
		var o observed
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint(o.Case), func(t *testing.T) {
			if diff := gocmp.Diff(o.Want, o.run(t)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if lines.Err() != nil || cases != 402 {
		t.Errorf("read %d cases, want 402: %v", cases, lines.Err())
	}
}

func (o observed) run(t *testing.T) outcome {
	t.Helper()
	asked := map[resolver.Module]bool{}
	d := resolver.Selection{
		Order: o.order(o.Order), Extensions: o.order(o.Extensions),
		Detect: func(modules []resolver.Module) ([]resolver.Detection, error) {
			var all []resolver.Detection
			for _, m := range modules {
				if asked[m] {
					t.Errorf("%s is detected twice", m)
				}
				asked[m] = true
				all = append(all, o.outcome(m.ID))
			}
			return all, nil
		},
	}
	found, err := d.Select()
	if undetected, ok := errors.AsType[*resolver.UndetectedError](err); ok {
		if undetected.Errored {
			return outcome{Exit: 21}
		}
		return outcome{Exit: 20}
	}
	if err != nil {
		t.Fatal(err)
	}
	return summary(found.Resolution)
}

func (o observed) order(groups [][]observedElement) resolver.Order {
	var order resolver.Order
	for _, g := range groups {
		var group resolver.Group
		for _, e := range g {
			group = append(group, resolver.Element{Module: resolver.Module{ID: e.ID, Version: "1"}, Optional: e.Optional})
		}
		order = append(order, group)
	}
	return order
}

func (o observed) outcome(id string) resolver.Detection {
	switch o.DetectExit[id] {
	case 0:
	case 100:
		return resolver.Detection{Status: resolver.Fail}
	default:
		return resolver.Detection{Status: resolver.Errored}
	}
	plan := o.Plans[id]
	var sections []resolver.Section
	for _, s := range append([]observedSection{plan.observedSection}, plan.Or...) {
		section := resolver.Section{Provides: s.Provides}
		for _, name := range s.Requires {
			section.Requires = append(section.Requires, resolver.Require{Name: name})
		}
		sections = append(sections, section)
	}
	return resolver.Detection{Plans: sections}
}

func summary(r *resolver.Resolution) outcome {
	o := outcome{Group: []string{}, Extensions: []string{}, Plan: []observedEntry{}}
	for _, c := range r.Group {
		if c.Module.Kind == resolver.Extension {
			o.Extensions = append(o.Extensions, c.Module.ID)
		} else {
			o.Group = append(o.Group, c.Module.ID)
		}
	}
	for _, e := range r.Plan {
		entry := observedEntry{Name: e.Name, Requires: len(e.Requires)}
		byExtension := false
		for _, m := range e.Providers {
			byExtension = byExtension || m.Kind == resolver.Extension
			entry.Providers = append(entry.Providers, m.ID)
		}
		if !byExtension {
			o.Plan = append(o.Plan, entry)
		}
	}
	slices.SortFunc(o.Plan, func(a, b observedEntry) int { return cmp.Compare(a.Name, b.Name) })
	return o
}

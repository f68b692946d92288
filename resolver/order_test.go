package resolver_test

import (
	"errors"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/resolver"
)

func elements(ids ...string) resolver.Group {
	var g resolver.Group
	for _, id := range ids {
		name, optional := strings.CutSuffix(id, "?")
		g = append(g, resolver.Element{Module: resolver.Module{ID: name, Version: "1"}, Optional: optional})
	}
	return g
}

// tried is the groups that a detection tries, with composites and outcomes by id.
func tried(t *testing.T, d resolver.Detection, nested map[string]resolver.Order, status map[string]resolver.Status) ([]string, error) {
	t.Helper()
	d.Nested = func(m resolver.Module) (resolver.Order, error) { return nested[m.ID], nil }
	d.Detect = func(modules []resolver.Module) ([]resolver.Outcome, error) {
		var all []resolver.Outcome
		for _, m := range modules {
			all = append(all, resolver.Outcome{Status: status[m.ID]})
		}
		return all, nil
	}
	found, err := d.Select()
	tries := []resolver.Try{}
	if found != nil {
		tries = found.Tries
	}
	if undetected, ok := errors.AsType[*resolver.UndetectedError](err); ok {
		tries = undetected.Tries
	}
	var groups []string
	for _, try := range tries {
		var ids []string
		for _, e := range try.Group {
			ids = append(ids, e.Module.ID)
		}
		groups = append(groups, strings.Join(ids, " "))
	}
	return groups, err
}

func TestOrderExpansion(t *testing.T) {
	for _, tt := range []struct {
		name   string
		d      resolver.Detection
		nested map[string]resolver.Order
		want   []string
	}{
		{"an order in a group (E O F)", resolver.Detection{Order: resolver.Order{elements("E", "O", "F")}},
			map[string]resolver.Order{"O": {elements("A", "B"), elements("C", "D")}}, []string{"E A B F", "E C D F"}},
		{"an optional one", resolver.Detection{Order: resolver.Order{elements("O?", "F")}},
			map[string]resolver.Order{"O": {elements("A")}}, []string{"A F", "F"}},
		{"extensions first (O P)", resolver.Detection{Order: resolver.Order{elements("E", "F"), elements("G", "H")}, Extensions: resolver.Order{elements("A", "B"), elements("C", "D")}},
			nil, []string{"A B E F", "A B G H", "C D E F", "C D G H", "E F", "G H"}},
		{"what is there already", resolver.Detection{Order: resolver.Order{elements("A", "O", "B")}},
			map[string]resolver.Order{"O": {elements("B", "A", "C")}}, []string{"A B C"}},
		{"nested twice", resolver.Detection{Order: resolver.Order{elements("O")}},
			map[string]resolver.Order{"O": {elements("P", "X")}, "P": {elements("A"), elements("B")}}, []string{"A X", "B X"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status := map[string]resolver.Status{}
			for _, id := range strings.Split("A B C D E F G H X", " ") {
				status[id] = resolver.Fail // so that every group is tried
			}
			got, err := tried(t, tt.d, tt.nested, status)
			if err == nil {
				t.Fatal("no group should pass")
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestCycle(t *testing.T) {
	_, err := tried(t, resolver.Detection{Order: resolver.Order{elements("O")}},
		map[string]resolver.Order{"O": {elements("P")}, "P": {elements("A", "O")}}, nil)
	want := "composite buildpack O@1 contains itself: O@1 > P@1 > O@1"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSameIDInBothKinds(t *testing.T) {
	got, err := tried(t, resolver.Detection{Order: resolver.Order{elements("same")}, Extensions: resolver.Order{elements("same")}}, nil, nil)
	if err != nil || len(got) != 1 || got[0] != "same same" {
		t.Errorf("groups %q, %v", got, err)
	}
}

func TestErroredGroups(t *testing.T) {
	errored := map[string]resolver.Status{"bad": resolver.Errored, "no": resolver.Fail}
	for _, tt := range []struct {
		name  string
		order resolver.Order
		want  bool
	}{
		{"a required one errors", resolver.Order{elements("bad"), elements("no")}, true},
		{"only optional ones error", resolver.Order{elements("bad?")}, false},
		{"a required one fails where another errors", resolver.Order{elements("bad?", "no")}, true},
		{"plain failure", resolver.Order{elements("no")}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tried(t, resolver.Detection{Order: tt.order}, nil, errored)
			undetected, ok := errors.AsType[*resolver.UndetectedError](err)
			if !ok || undetected.Errored != tt.want {
				t.Errorf("errored %v, want %v: %v", ok && undetected.Errored, tt.want, err)
			}
		})
	}
}

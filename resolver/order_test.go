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
func tried(t *testing.T, d resolver.Selection, nested map[string]resolver.Order, status map[string]resolver.Status) ([]string, error) {
	t.Helper()
	d.Nested = func(m resolver.Module) (resolver.Order, error) { return nested[m.ID], nil }
	d.Detect = func(modules []resolver.Module) ([]resolver.Detection, error) {
		var all []resolver.Detection
		for _, m := range modules {
			all = append(all, resolver.Detection{Status: status[m.ID]})
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
		d      resolver.Selection
		nested map[string]resolver.Order
		want   []string
	}{
		{"an order in a group (E O F)", resolver.Selection{Order: resolver.Order{elements("E", "O", "F")}},
			map[string]resolver.Order{"O": {elements("A", "B"), elements("C", "D")}}, []string{"E A B F", "E C D F"}},
		{"an optional one", resolver.Selection{Order: resolver.Order{elements("O?", "F")}},
			map[string]resolver.Order{"O": {elements("A")}}, []string{"A F", "F"}},
		{"extensions first (O P)", resolver.Selection{Order: resolver.Order{elements("E", "F"), elements("G", "H")}, Extensions: resolver.Order{elements("A", "B"), elements("C", "D")}},
			nil, []string{"A B E F", "A B G H", "C D E F", "C D G H", "E F", "G H"}},
		{"already present", resolver.Selection{Order: resolver.Order{elements("A", "O", "B")}},
			map[string]resolver.Order{"O": {elements("B", "A", "C")}}, []string{"A B C"}},
		{"nested twice", resolver.Selection{Order: resolver.Order{elements("O")}},
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
	_, err := tried(t, resolver.Selection{Order: resolver.Order{elements("O")}},
		map[string]resolver.Order{"O": {elements("P")}, "P": {elements("A", "O")}}, nil)
	want := "composite buildpack O@1 contains itself: O@1 > P@1 > O@1"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestBuildpackAndExtensionWithTheSameID(t *testing.T) {
	got, err := tried(t, resolver.Selection{Order: resolver.Order{elements("same")}, Extensions: resolver.Order{elements("same")}}, nil, nil)
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
			_, err := tried(t, resolver.Selection{Order: tt.order}, nil, errored)
			undetected, ok := errors.AsType[*resolver.UndetectedError](err)
			if !ok || undetected.Errored != tt.want {
				t.Errorf("errored %v, want %v: %v", ok && undetected.Errored, tt.want, err)
			}
		})
	}
}

// TestMismatch holds that a target mismatch counts only where the buildpack is required.
func TestMismatch(t *testing.T) {
	var asked []string
	d := resolver.Selection{
		Order:    resolver.Order{elements("arm", "app"), elements("arm?", "app")},
		Mismatch: func(m resolver.Module) bool { return m.ID == "arm" },
		Detect: func(modules []resolver.Module) ([]resolver.Detection, error) {
			for _, m := range modules {
				asked = append(asked, m.ID)
			}
			return make([]resolver.Detection, len(modules)), nil
		},
	}
	found, err := d.Select()
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Group) != 2 || len(found.Tries) != 2 || !found.Tries[0].Errored {
		t.Errorf("group %v, tries %+v", found.Group, found.Tries)
	}
	if diff := gocmp.Diff([]string{"app", "arm"}, asked); diff != "" {
		t.Errorf("asked: -want +got:\n%s", diff)
	}
}

// TestManyGroups has nested orders that multiply to 3^8 groups.
func TestManyGroups(t *testing.T) {
	nested, status := map[string]resolver.Order{}, map[string]resolver.Status{}
	var outer []string
	for i := range 8 {
		id := string(rune('O' + i))
		outer = append(outer, id)
		for k := range 3 {
			leaf := id + string(rune('a'+k))
			nested[id] = append(nested[id], elements(leaf))
			status[leaf] = resolver.Fail
		}
	}
	groups, err := tried(t, resolver.Selection{Order: resolver.Order{elements(outer...)}}, nested, status)
	undetected, ok := errors.AsType[*resolver.UndetectedError](err)
	if !ok {
		t.Fatal(err)
	}
	if undetected.Tried != 6561 || len(groups) != 1000 || groups[998] == groups[999] || groups[999] != "Oc Pc Qc Rc Sc Tc Uc Vc" {
		t.Errorf("tried %d, kept %d, the last %s", undetected.Tried, len(groups), groups[len(groups)-1])
	}
}

func TestDetectionWithoutOrder(t *testing.T) {
	groups, err := tried(t, resolver.Selection{}, nil, nil)
	if undetected, ok := errors.AsType[*resolver.UndetectedError](err); !ok || undetected.Errored || len(groups) > 0 {
		t.Errorf("tried %q: %v", groups, err)
	}
}

func TestMissingOutcomes(t *testing.T) {
	d := resolver.Selection{Order: resolver.Order{elements("a", "b")}, Detect: func([]resolver.Module) ([]resolver.Detection, error) { return nil, nil }}
	if _, err := d.Select(); err == nil || !strings.Contains(err.Error(), "detecting 2 modules: got 0 results") {
		t.Errorf("got %v", err)
	}
}

func TestUndetectedErrorWithoutTries(t *testing.T) {
	if got := (&resolver.UndetectedError{}).Error(); got != "no buildpack group passed detection" {
		t.Error(got)
	}
}

package resolver

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An Order is a list of groups to try (platform.md, "order.toml").
type Order []Group

// A Group is a list of buildpacks or of extensions.
type Group []Element

// An Element is a module in a group.
type Element struct {
	Module   Module
	Optional bool
}

// A Detection is the result of a module's bin/detect. The zero value is a pass with
// an empty plan.
type Detection struct {
	Status Status
	Plans  []Section // if it passed: the top-level section, then each of `or`
}

// A Status is the result of bin/detect: exit code 0, 100, or any other.
type Status int

// The statuses.
const (
	Pass Status = iota
	Fail
	Errored
)

// A Selection finds the first group of an order that passes detection and resolves
// (buildpack.md, "Order Resolution").
type Selection struct {
	Order      Order
	Extensions Order // each of its groups is tried in front of every group of Order; none at last

	// Nested returns the order of a composite buildpack, nil for any other module.
	// A nil func means that there are no composite buildpacks.
	Nested func(Module) (Order, error)
	// Mismatch reports whether no target of a buildpack matches the images. A
	// required one then counts as errored and is not run; for an optional one it
	// makes no difference (docs/compatibility.md, "Detection"). A nil func means
	// that all match.
	Mismatch func(Module) bool
	// Detect returns the results of modules in the same order. It is called at most
	// once for each module.
	Detect func([]Module) ([]Detection, error)

	Run, Build Base
	Limit      int // see Problem
}

// A Selected is the chosen group.
type Selected struct {
	*Resolution
	Tries []Try // the first 999 groups that were tried, and the last, which is the chosen one
	Tried int   // the number of groups tried
}

// A Try is a group that was tried.
type Try struct {
	Group    []Element
	Outcomes []Status // by element
	Err      error    // why the group was not chosen; nil for the chosen one
	Errored  bool     // a required module failed, and some module errored
}

// An UndetectedError is returned if no group of the order passes.
type UndetectedError struct {
	Errored bool  // a group errored at the decisive level of the order
	Tries   []Try // the first 999 groups that were tried, and the last
	Tried   int   // the number of groups tried
}

func (e *UndetectedError) Error() string {
	text := "no buildpack group passed detection"
	if len(e.Tries) > 0 {
		text += fmt.Sprintf(": of %d tried, the last: %v", e.Tried, e.Tries[len(e.Tries)-1].Err)
	}
	return text
}

// Select tries the groups of the order and returns the first that passes and
// resolves. If there is none, the error is an *[UndetectedError]. Select fails if
// Nested or Detect fail or a composite buildpack contains itself.
func (d Selection) Select() (*Selected, error) {
	w := &walk{Selection: d, outcomes: map[Module]Detection{}}
	rest := []place{{isOrder: true, order: d.Order}}
	result, err := w.order(d.Extensions, Extension, nil, rest, nil, true)
	if err != nil {
		return nil, err
	}
	if w.found == nil {
		return nil, &UndetectedError{Errored: result == Errored, Tries: w.tries, Tried: w.tried}
	}
	return &Selected{Resolution: w.found, Tries: w.tries, Tried: w.tried}, nil
}

// A walk is the state of Select.
type walk struct {
	Selection
	outcomes map[Module]Detection
	tries    []Try
	tried    int
	found    *Resolution
}

// maxTries limits the recorded tries, because nested orders multiply.
const maxTries = 1000

// A place is an element of a group, or an order to expand.
type place struct {
	element Element
	isOrder bool
	order   Order
	inside  []Module // the composite buildpacks around it
}

// order tries the groups of an order in place of one element, followed by the rest
// of the outer group. An optional element is left out last, and the result of that
// is the result of the order.
func (w *walk) order(o Order, kind Kind, group []Element, rest []place, inside []Module, optional bool) (Status, error) {
	worst := Fail
	for _, g := range o {
		places := make([]place, 0, len(g)+len(rest))
		for _, e := range g {
			e.Module.Kind = kind
			places = append(places, place{element: e, inside: inside})
		}
		status, err := w.group(group, append(places, rest...))
		if err != nil || status == Pass {
			return status, err
		}
		worst = max(worst, status)
	}
	if optional {
		return w.group(group, rest)
	}
	return worst, nil
}

// group expands the rest of a group after the elements already in it.
func (w *walk) group(group []Element, rest []place) (Status, error) {
	group = slices.Clip(group)
	for i, p := range rest {
		if p.isOrder {
			return w.order(p.order, Buildpack, group, rest[i+1:], nil, false)
		}
		nested, err := w.nested(p)
		if err != nil {
			return Fail, err
		}
		if nested != nil {
			return w.order(nested, Buildpack, group, rest[i+1:], append(slices.Clip(p.inside), p.element.Module), p.element.Optional)
		}
		p.element.Optional = p.element.Optional || p.element.Module.Kind == Extension
		same := func(e Element) bool {
			return e.Module.Kind == p.element.Module.Kind && e.Module.ID == p.element.Module.ID
		}
		if !slices.ContainsFunc(group, same) {
			group = append(group, p.element)
		}
	}
	return w.try(group)
}

func (w *walk) nested(p place) (Order, error) {
	m := p.element.Module
	if w.Nested == nil || m.Kind == Extension {
		return nil, nil
	}
	order, err := w.Nested(m)
	if err != nil || order == nil {
		return nil, err
	}
	if i := slices.Index(p.inside, m); i >= 0 {
		var names []string
		for _, c := range append(slices.Clone(p.inside[i:]), m) {
			names = append(names, c.String())
		}
		return nil, fmt.Errorf("expanding order: composite buildpack %s contains itself: %s", m, strings.Join(names, " > "))
	}
	return order, nil
}

// try runs detection for a group and resolves its plan.
func (w *walk) try(group []Element) (Status, error) {
	if err := w.detect(group); err != nil {
		return Fail, err
	}
	t := Try{Group: group}
	var candidates []Candidate
	var failed []string
	buildpack, errored := false, false
	for _, e := range group {
		o := w.outcomes[e.Module]
		if w.unfit(e) {
			o = Detection{Status: Errored}
		}
		t.Outcomes = append(t.Outcomes, o.Status)
		errored = errored || o.Status == Errored
		switch {
		case o.Status == Pass:
			buildpack = buildpack || e.Module.Kind == Buildpack
			candidates = append(candidates, Candidate{Module: e.Module, Optional: e.Optional, Plans: o.Plans})
		case !e.Optional:
			failed = append(failed, e.Module.String())
		}
	}
	switch {
	case failed != nil:
		t.Errored = errored
		t.Err = fmt.Errorf("%s did not pass detection", strings.Join(failed, ", "))
	case !buildpack:
		t.Err = errors.New("no buildpack participates")
	default:
		w.found, t.Err = Resolve(Problem{Candidates: candidates, Run: w.Run, Build: w.Build, Limit: w.Limit})
	}
	w.record(t)
	switch {
	case t.Err == nil:
		return Pass, nil
	case t.Errored:
		return Errored, nil
	}
	return Fail, nil
}

// unfit reports whether a target mismatch excludes an element.
func (w *walk) unfit(e Element) bool {
	return !e.Optional && w.Mismatch != nil && w.Mismatch(e.Module)
}

// record adds a try. The last one is always kept.
func (w *walk) record(t Try) {
	w.tried++
	if len(w.tries) == maxTries {
		w.tries = w.tries[:maxTries-1]
	}
	w.tries = append(w.tries, t)
}

// detect runs bin/detect of all modules without a result.
func (w *walk) detect(group []Element) error {
	var unknown []Module
	for _, e := range group {
		if _, ok := w.outcomes[e.Module]; !ok && !w.unfit(e) {
			unknown = append(unknown, e.Module)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	outcomes, err := w.Detect(unknown)
	if err != nil {
		return err
	}
	if len(outcomes) != len(unknown) {
		return fmt.Errorf("detecting %d modules: got %d results", len(unknown), len(outcomes))
	}
	for i, m := range unknown {
		w.outcomes[m] = outcomes[i]
	}
	return nil
}

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

// An Element is a module's place in a group.
type Element struct {
	Module   Module
	Optional bool
}

// An Outcome is what came of a module's bin/detect. The zero value is a pass
// with an empty plan.
type Outcome struct {
	Status Status
	Plans  []Section // of a pass: the top-level section, then each of `or`
}

// A Status is the result of bin/detect (COMPAT: 0, 100, and any other exit code).
type Status int

// The statuses.
const (
	Pass Status = iota
	Fail
	Errored
)

// A Detection looks for the first group of an order that passes and resolves
// (buildpack.md, "Order Resolution").
type Detection struct {
	Order      Order
	Extensions Order // every group of it goes before every group of Order, and none at last

	// Nested is the order of a composite buildpack, nil for any other module.
	// A nil func means that there are none.
	Nested func(Module) (Order, error)
	// Mismatch reports whether no target of a buildpack matches the images. Where
	// it is required it then counts as errored, and Detect is not asked; where it
	// is optional that makes no difference (COMPAT). A nil func means that all match.
	Mismatch func(Module) bool
	// Detect gives the outcomes of modules, in order; no module is asked for twice.
	Detect func([]Module) ([]Outcome, error)

	Run, Build Base
	Limit      int // see Problem
}

// A Detected is the group that was chosen.
type Detected struct {
	*Resolution
	Tries []Try // the groups that were tried: the first 999, and the last, which is the chosen one
	Tried int   // how many were tried
}

// A Try is a group that was tried.
type Try struct {
	Group    []Element
	Outcomes []Status // of each element
	Err      error    // why the group was not chosen; nil for the chosen one
	Errored  bool     // a required module failed, and some module errored
}

// An UndetectedError says that no group of the order passes.
type UndetectedError struct {
	Errored bool  // at the level of the order that decides, a group errored
	Tries   []Try // the first 999 that were tried, and the last
	Tried   int   // how many were tried
}

func (e *UndetectedError) Error() string {
	text := "no buildpack group passed detection"
	if len(e.Tries) > 0 {
		text += fmt.Sprintf(": of %d tried, the last: %v", e.Tried, e.Tries[len(e.Tries)-1].Err)
	}
	return text
}

// Select tries the groups of the order and returns the first that passes and
// resolves. If there is none, the error is an *[UndetectedError]. Errors of
// Nested and Detect, and a composite buildpack that contains itself, end it.
func (d Detection) Select() (*Detected, error) {
	w := &walk{Detection: d, outcomes: map[Module]Outcome{}}
	rest := []place{{isOrder: true, order: d.Order}}
	result, err := w.order(d.Extensions, Extension, nil, rest, nil, true)
	if err != nil {
		return nil, err
	}
	if w.found == nil {
		return nil, &UndetectedError{Errored: result == Errored, Tries: w.tries, Tried: w.tried}
	}
	return &Detected{Resolution: w.found, Tries: w.tries, Tried: w.tried}, nil
}

// A walk is a detection under way.
type walk struct {
	Detection
	outcomes map[Module]Outcome
	tries    []Try
	tried    int
	found    *Resolution
}

// maxTries is how many groups are kept to tell of: nested orders multiply.
const maxTries = 1000

// A place in a group that is being expanded: an element, or a whole order.
type place struct {
	element Element
	isOrder bool
	order   Order
	inside  []Module // the composite buildpacks that it comes from
}

// order tries the groups of an order in the place of one element, with the rest of the
// outer group behind it. An optional one is left out at last, and what comes of
// that is what comes of the order.
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

// group expands what is left of a group, behind what is already in it.
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

// try detects a group and resolves its plan.
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
			o = Outcome{Status: Errored}
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
	w.tell(t)
	switch {
	case t.Err == nil:
		return Pass, nil
	case t.Errored:
		return Errored, nil
	}
	return Fail, nil
}

// unfit reports whether a target mismatch rules an element out.
func (w *walk) unfit(e Element) bool {
	return !e.Optional && w.Mismatch != nil && w.Mismatch(e.Module)
}

// tell keeps a try to tell of, the last one always.
func (w *walk) tell(t Try) {
	w.tried++
	if len(w.tries) == maxTries {
		w.tries = w.tries[:maxTries-1]
	}
	w.tries = append(w.tries, t)
}

// detect asks for the modules that were not asked for yet, all at once.
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
		return fmt.Errorf("detecting %d modules: got %d outcomes", len(unknown), len(outcomes))
	}
	for i, m := range unknown {
		w.outcomes[m] = outcomes[i]
	}
	return nil
}

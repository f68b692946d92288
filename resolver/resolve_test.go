package resolver_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
)

func module(kind resolver.Kind, id string) resolver.Module {
	return resolver.Module{Kind: kind, ID: id, Version: "1"}
}

func need(name string, metadata map[string]any) resolver.Section {
	return resolver.Section{Requires: []resolver.Require{{Name: name, Metadata: metadata}}}
}

func TestContexts(t *testing.T) {
	has := fakeBase{offers: map[string]string{"curl": "7"}}
	for _, tt := range []struct {
		name       string
		metadata   map[string]any
		run, build resolver.Base
		want       bool
	}{
		{"launch by the run image", map[string]any{"launch": true}, has, nil, true},
		{"launch not by the build image", map[string]any{"launch": true}, nil, has, false},
		{"build by the build image", map[string]any{"build": true}, nil, has, true},
		{"build not by the run image", map[string]any{"build": true}, has, nil, false},
		{"both need both", map[string]any{"build": true, "launch": true}, has, has, true},
		{"both are not met by one", map[string]any{"build": true, "launch": true}, has, nil, false},
		{"no flag alone is launch", nil, has, nil, true},
		{"no flag alone is not build", nil, nil, has, false},
		{"only true counts", map[string]any{"build": "true", "launch": 1}, has, nil, true},
		{"version met", map[string]any{"launch": true, "version": "7"}, has, nil, true},
		{"version not met", map[string]any{"launch": true, "version": "8"}, has, nil, false},
		{"a number is a version", map[string]any{"launch": true, "version": int64(7)}, has, nil, true},
		{"a fraction is not: 7.0 or 7.00", map[string]any{"launch": true, "version": 7.0}, has, nil, false},
		{"a list is not", map[string]any{"launch": true, "version": []any{"7"}}, has, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := resolver.Resolve(resolver.Problem{Run: tt.run, Build: tt.build, Candidates: []resolver.Candidate{
				{Module: module(resolver.Buildpack, "app"), Plans: []resolver.Section{need("curl", tt.metadata)}},
			}})
			if (err == nil) != tt.want {
				t.Fatalf("resolved: %v, want %v: %v", err == nil, tt.want, err)
			}
			if err == nil && (len(r.Plan) > 0 || len(r.Requirements) != 1) {
				t.Errorf("what only a base image meets is a requirement and no entry: %+v", r)
			}
		})
	}
}

func TestPrefer(t *testing.T) {
	run := fakeBase{offers: map[string]string{"jre": "17"}, prefer: map[string]bool{"jre": true}}
	group := func(optional bool, metadata map[string]any) []resolver.Candidate {
		return []resolver.Candidate{
			{Module: module(resolver.Buildpack, "jre"), Optional: optional, Plans: []resolver.Section{{Provides: []string{"jre"}}}},
			{Module: module(resolver.Buildpack, "app"), Plans: []resolver.Section{need("jre", metadata)}},
		}
	}
	launch := map[string]any{"launch": true}
	for _, tt := range []struct {
		name     string
		run      resolver.Base
		optional bool
		metadata map[string]any
		want     int // modules in the group
	}{
		{"consumes", run, true, launch, 1},
		{"not if not preferred", fakeBase{offers: run.offers}, true, launch, 2},
		{"not from a required buildpack", run, false, launch, 2},
		{"not at build too", run, true, map[string]any{"launch": true, "build": true}, 2},
		{"not without a flag", run, true, nil, 2},
		{"not in another version", run, true, map[string]any{"launch": true, "version": "21"}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := resolver.Resolve(resolver.Problem{Run: tt.run, Candidates: group(tt.optional, tt.metadata)})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Group) != tt.want || r.Requirements[0].Consumed != (tt.want == 1) {
				t.Errorf("group %v, consumed %v", r.Group, r.Requirements[0].Consumed)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	run := fakeBase{offers: map[string]string{"curl": "7"}}
	_, err := resolver.Resolve(resolver.Problem{Run: run, Candidates: []resolver.Candidate{
		{Module: module(resolver.Buildpack, "extra"), Optional: true, Plans: []resolver.Section{{Provides: []string{"extra"}}}},
		{Module: module(resolver.Buildpack, "app"), Plans: []resolver.Section{need("curl", map[string]any{"launch": true, "version": "8"})}},
	}})
	unresolved, ok := errors.AsType[*resolver.UnresolvedError](err)
	if !ok {
		t.Fatal(err)
	}
	want := []resolver.Dropped{
		{Module: module(resolver.Buildpack, "app"), Why: "requires curl 8, which no module before it provides; the run image has curl"},
	}
	if diff := gocmp.Diff(want, unresolved.Reasons); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	both := map[string]any{"launch": true, "build": true}
	for _, tt := range []struct {
		name       string
		run, build resolver.Base
		want       string
	}{
		{"neither image has it", fakeBase{}, fakeBase{}, "requires curl, which no module before it provides; the run image has curl; the build image has curl"},
		{"the build image lacks it", run, fakeBase{}, "requires curl, which no module before it provides; the build image has curl"},
		{"the run image lacks it", fakeBase{}, run, "requires curl, which no module before it provides; the run image has curl"},
	} {
		_, err := resolver.Resolve(resolver.Problem{Run: tt.run, Build: tt.build, Candidates: []resolver.Candidate{
			{Module: module(resolver.Buildpack, "app"), Plans: []resolver.Section{need("curl", both)}},
		}})
		if unresolved, ok := errors.AsType[*resolver.UnresolvedError](err); !ok || len(unresolved.Reasons) != 1 || unresolved.Reasons[0].Why != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}

	r, err := resolver.Resolve(resolver.Problem{Candidates: []resolver.Candidate{
		{Module: module(resolver.Buildpack, "extra"), Optional: true, Plans: []resolver.Section{{Provides: []string{"extra"}}}},
		{Module: module(resolver.Buildpack, "app")},
	}})
	if err != nil || len(r.Dropped) != 1 || r.Dropped[0].Why != "provides unused extra" {
		t.Errorf("dropped %v, %v", r, err)
	}
}

// TestVersionThatIsNoText holds that nobody who asks again with a requirement's
// constraint takes what could not be read for "any version".
func TestVersionThatIsNoText(t *testing.T) {
	run, _ := provides.From(&sbom.Document{Packages: []sbom.Package{{Type: sbom.Deb, Name: "curl", Version: "3.1-1", PURL: "pkg:deb/debian/curl@3.1-1"}}}, nil, nil)
	for _, version := range []any{3.1, true, []any{"3.1"}, map[string]any{"a": "3.1"}, time.Date(3, 1, 1, 0, 0, 0, 0, time.UTC)} {
		r, err := resolver.Resolve(resolver.Problem{Run: run, Candidates: []resolver.Candidate{
			{Module: module(resolver.Extension, "curl"), Plans: []resolver.Section{{Provides: []string{"curl"}}}},
			{Module: module(resolver.Buildpack, "app"), Plans: []resolver.Section{need("curl", map[string]any{"launch": true, "version": version})}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		req := r.Requirements[0]
		if req.Run.Met || run.Answer(req.Name, req.Version).Met {
			t.Errorf("version %v is met, as %q", version, req.Version)
		}
		if !strings.Contains(req.Run.Reason, "metadata.version of curl") {
			t.Errorf("the reason does not name the key: %s", req.Run.Reason)
		}
	}
}

// TestBuildpackWithConsumedRequirementStays holds that a requirement that the run image takes from a
// buildpack is not in the plan, though the buildpack stays for another one.
func TestBuildpackWithConsumedRequirementStays(t *testing.T) {
	run := fakeBase{offers: map[string]string{"jre": "17"}, prefer: map[string]bool{"jre": true}}
	launch := map[string]any{"launch": true}
	app := resolver.Section{Requires: []resolver.Require{{Name: "jre", Metadata: launch}, {Name: "jre", Metadata: map[string]any{"build": true}}}}
	r, err := resolver.Resolve(resolver.Problem{Run: run, Candidates: []resolver.Candidate{
		{Module: module(resolver.Buildpack, "java"), Optional: true, Plans: []resolver.Section{{Provides: []string{"jre"}}}},
		{Module: module(resolver.Buildpack, "app"), Plans: []resolver.Section{app}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, req := range r.Requirements {
		if wantConsumed := i == 0; req.Consumed != wantConsumed || (len(req.Providers) == 0) != wantConsumed {
			t.Errorf("%s: consumed %t, providers %v", req.Name, req.Consumed, req.Providers)
		}
	}
}

// TestPreferKeepsExtensions holds that an extension whose name a preferred run
// image provides stays, to be judged, while the buildpack goes.
func TestPreferKeepsExtensions(t *testing.T) {
	run := fakeBase{offers: map[string]string{"jre": "17"}, prefer: map[string]bool{"jre": true}}
	jre := []resolver.Section{{Provides: []string{"jre"}}}
	extension, app := module(resolver.Extension, "jre"), module(resolver.Buildpack, "app")
	r, err := resolver.Resolve(resolver.Problem{Run: run, Candidates: []resolver.Candidate{
		{Module: extension, Plans: jre},
		{Module: module(resolver.Buildpack, "jre"), Optional: true, Plans: jre},
		{Module: app, Plans: []resolver.Section{need("jre", map[string]any{"launch": true})}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Group) != 2 || r.Group[0].Module != extension || r.Group[1].Module != app {
		t.Errorf("group %v", r.Group)
	}
	if req := r.Requirements[0]; req.Consumed || len(req.Providers) != 1 || req.Providers[0] != extension {
		t.Errorf("requirement %+v", req)
	}
	if len(r.Plan) != 1 || len(r.Plan[0].Providers) != 1 || len(r.Plan[0].Requires) != 1 {
		t.Errorf("an entry needs a provider and a requirement: %+v", r.Plan)
	}
}

// TestChainsOfGroupsResolveQuickly has groups for which the naive search takes 2^63 trials: whatever
// the first does wrong, and whatever has no part in it behind.
func TestChainsOfGroupsResolveQuickly(t *testing.T) {
	for name, p := range map[string]resolver.Problem{
		"independent": chain(64), "linked": linked(64), "distracted": distracted(64), "optional": optional(chain(64)), "linked optional": optional(linked(64)),
	} {
		r, err := resolver.Resolve(p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if r.Group[0].Section != 1 || r.Trials > 200 {
			t.Errorf("%s: alternative %d of the first in %d trials", name, r.Group[0].Section, r.Trials)
		}
	}
}

// optional makes all but the first and the last element optional.
func optional(p resolver.Problem) resolver.Problem {
	for i := 1; i < len(p.Candidates)-1; i++ {
		p.Candidates[i].Optional = true
	}
	return p
}

// TestSearchIsLimited has a large group in which trials are dear: the search gives
// up before it has made as many as it may.
func TestSearchIsLimited(t *testing.T) {
	_, err := resolver.Resolve(satisfiability(100, 0))
	unresolved, ok := errors.AsType[*resolver.UnresolvedError](err)
	if !ok || !unresolved.GaveUp || unresolved.Trials != 39598 {
		t.Errorf("want to give up after 39598 trials, got %v", err)
	}
}

// TestLimit has a group whose every trial fails, each for a reason that takes
// all choices together: a pigeonhole, one of the hard cases.
func TestLimit(t *testing.T) {
	_, err := resolver.Resolve(resolver.Problem{Candidates: pigeons(8), Limit: 50})
	unresolved, ok := errors.AsType[*resolver.UnresolvedError](err)
	if !ok || !unresolved.GaveUp {
		t.Fatalf("want to give up, got %v", err)
	}
	if !strings.Contains(err.Error(), "gave up after 51 trials") {
		t.Errorf("the error does not say so: %v", err)
	}
}

// pigeons is n buildpacks that each require one of n-1 holes, and one that
// wants n different holes filled, in any of its alternatives.
func pigeons(n int) []resolver.Candidate {
	var all []resolver.Candidate
	for i := range n - 1 {
		var plans []resolver.Section
		for hole := range n {
			name := string(rune('a' + hole))
			plans = append(plans, resolver.Section{Provides: []string{name}})
		}
		all = append(all, buildpack(i, false, plans...))
	}
	last := buildpack(n, false, resolver.Section{})
	for hole := range n {
		last.Plans[0].Requires = append(last.Plans[0].Requires, resolver.Require{Name: string(rune('a' + hole))})
	}
	return append(all, last)
}

func TestRepeatedResolutionIsEqual(t *testing.T) {
	for _, p := range []resolver.Problem{realistic(), linked(20)} {
		first, err := resolver.Resolve(p)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			again, err := resolver.Resolve(p)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(first, again); diff != "" {
				t.Fatal(diff)
			}
		}
	}
}

package resolver_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
)

// fakeBase is a base image that offers names, some of them in a version.
type fakeBase struct {
	offers map[string]string // name to the only constraint that it meets, besides none
	prefer map[string]bool
}

func (b fakeBase) Prefers(name string) bool { return b.prefer[name] }

func (b fakeBase) Answer(name, constraint string) provides.Answer {
	version, ok := b.offers[name]
	return provides.Answer{Offered: ok, Met: ok && (constraint == "" || constraint == version), Reason: "has " + name}
}

// naive is the specification's search as it is written: every trial, depth first,
// left to right, and each reduced one exclusion at a time.
func naive(p resolver.Problem) (choice []int, alive []bool) {
	choice = make([]int, len(p.Candidates))
	var try func(i int) bool
	try = func(i int) bool {
		if i == len(choice) {
			alive = naiveTrial(p, choice)
			return alive != nil
		}
		for v := range max(1, len(p.Candidates[i].Plans)) {
			if choice[i] = v; try(i + 1) {
				return true
			}
		}
		return false
	}
	if try(0) {
		return choice, alive
	}
	return nil, nil
}

// naiveTrial returns the modules that stay, nil if the trial fails.
func naiveTrial(p resolver.Problem, choice []int) []bool {
	n := len(choice)
	alive := slices.Repeat([]bool{true}, n)
	section := func(i int) resolver.Section {
		if len(p.Candidates[i].Plans) == 0 {
			return resolver.Section{}
		}
		return p.Candidates[i].Plans[choice[i]]
	}
	provided := func(name string, upTo int) bool {
		for i := 0; i <= upTo; i++ {
			if alive[i] && slices.Contains(section(i).Provides, name) {
				return true
			}
		}
		return false
	}
	required := func(name string, from int) bool {
		extension := p.Candidates[from].Module.Kind == resolver.Extension // a preferred image consumes from buildpacks alone
		for i := from; i < n; i++ {
			for _, r := range section(i).Requires {
				if alive[i] && r.Name == name && (extension || !naiveConsumed(p, r)) {
					return true
				}
			}
		}
		return false
	}
	bad := func(i int) bool {
		for _, r := range section(i).Requires {
			if !naiveMet(p, r) && !provided(r.Name, i) {
				return true
			}
		}
		return slices.ContainsFunc(section(i).Provides, func(name string) bool { return !required(name, i) })
	}
	for changed := true; changed; {
		changed = false
		for i, c := range p.Candidates {
			if !alive[i] || !bad(i) {
				continue
			}
			optional := c.Optional || c.Module.Kind == resolver.Extension
			if !optional || choice[i] < len(c.Plans)-1 {
				return nil
			}
			alive[i], changed = false, true
		}
	}
	for i, c := range p.Candidates {
		if alive[i] && c.Module.Kind == resolver.Buildpack {
			return alive
		}
	}
	return nil
}

func naiveMet(p resolver.Problem, r resolver.Require) bool {
	run := p.Run != nil && p.Run.Answer(r.Name, version(r)).Met
	build := p.Build != nil && p.Build.Answer(r.Name, version(r)).Met
	switch {
	case flag(r, "build") && flag(r, "launch"):
		return run && build
	case flag(r, "build"):
		return build
	}
	return run
}

func naiveConsumed(p resolver.Problem, r resolver.Require) bool {
	if !flag(r, "launch") || flag(r, "build") || !naiveMet(p, r) || !p.Run.Prefers(r.Name) {
		return false
	}
	for _, c := range p.Candidates {
		for _, plan := range c.Plans {
			if c.Module.Kind == resolver.Buildpack && !c.Optional && slices.Contains(plan.Provides, r.Name) {
				return false
			}
		}
	}
	return true
}

func flag(r resolver.Require, name string) bool { return r.Metadata[name] == true }

func version(r resolver.Require) string {
	v, _ := r.Metadata["version"].(string)
	return v
}

// randomProblem is a small group over a few names, dense enough that choices
// depend on one another.
func randomProblem(r *rand.Rand) resolver.Problem {
	names := []string{"a", "b", "c", "d"}[:1+r.IntN(4)]
	section := func(extension bool) resolver.Section {
		var s resolver.Section
		for _, name := range names {
			if r.IntN(3) == 0 {
				s.Provides = append(s.Provides, name)
			}
			if !extension && r.IntN(3) == 0 {
				s.Requires = append(s.Requires, randomRequire(r, name))
			}
		}
		return s
	}
	var p resolver.Problem
	for i := range 1 + r.IntN(6) {
		c := resolver.Candidate{Module: resolver.Module{Kind: resolver.Buildpack, ID: fmt.Sprint("m", i)}, Optional: r.IntN(2) == 0}
		if r.IntN(4) == 0 {
			c.Module.Kind = resolver.Extension
		}
		for range r.IntN(4) {
			c.Plans = append(c.Plans, section(c.Module.Kind == resolver.Extension))
		}
		p.Candidates = append(p.Candidates, c)
	}
	if r.IntN(2) == 0 {
		p.Run = randomBase(r, names)
	}
	if r.IntN(3) == 0 {
		p.Build = randomBase(r, names)
	}
	return p
}

func randomRequire(r *rand.Rand, name string) resolver.Require {
	req := resolver.Require{Name: name, Metadata: map[string]any{}}
	for _, key := range []string{"build", "launch"} {
		switch r.IntN(4) {
		case 0:
			req.Metadata[key] = true
		case 1:
			req.Metadata[key] = "true" // text does not count
		}
	}
	if r.IntN(3) == 0 {
		req.Metadata["version"] = []string{"1", "2"}[r.IntN(2)]
	}
	return req
}

func randomBase(r *rand.Rand, names []string) fakeBase {
	b := fakeBase{offers: map[string]string{}, prefer: map[string]bool{}}
	for _, name := range names {
		if r.IntN(2) == 0 {
			b.offers[name] = []string{"1", "2"}[r.IntN(2)]
		}
		b.prefer[name] = r.IntN(3) == 0
	}
	return b
}

const randomGroups = 40_000

func TestResolveEqualsTheNaiveSearch(t *testing.T) {
	resolved := 0
	for seed := range uint64(randomGroups) {
		p := randomProblem(rand.New(rand.NewPCG(seed, 1)))
		choice, alive := naive(p)
		got, err := resolver.Resolve(p)
		if (err == nil) != (choice != nil) {
			t.Fatalf("seed %d: %v, naive search finds %v\n%+v", seed, err, choice, p)
		}
		if err != nil {
			continue
		}
		resolved++
		var want []resolver.Chosen
		for i, c := range p.Candidates {
			if alive[i] {
				want = append(want, resolver.Chosen{Module: c.Module, Optional: c.Optional, Section: choice[i]})
			}
		}
		if diff := gocmp.Diff(want, got.Group); diff != "" {
			t.Fatalf("seed %d: -naive +got:\n%s\n%+v", seed, diff, p)
		}
	}
	if resolved < randomGroups/10 {
		t.Errorf("only %d of %d random groups resolve: the test says little", resolved, randomGroups)
	}
}

// TestRunImageEqualsVirtualExtensions holds docs/design.md, "Resolution": the run image takes
// part exactly as a row of optional extensions, one for each name, that stand
// before the group.
func TestRunImageEqualsVirtualExtensions(t *testing.T) {
	for seed := range uint64(randomGroups) {
		r := rand.New(rand.NewPCG(seed, 2))
		p := randomProblem(r)
		p.Build = nil
		run := fakeBase{offers: map[string]string{}}
		var virtual []resolver.Candidate
		for _, name := range []string{"a", "b", "c", "d"} {
			if r.IntN(2) == 0 {
				run.offers[name] = ""
				virtual = append(virtual, resolver.Candidate{
					Module: resolver.Module{Kind: resolver.Extension, ID: "virtual-" + name},
					Plans:  []resolver.Section{{Provides: []string{name}}},
				})
			}
		}
		unconditional(p) // a virtual extension knows neither contexts nor versions
		with := p
		with.Run = run
		p.Run = nil
		p.Candidates = append(virtual, p.Candidates...)
		got, gotErr := resolver.Resolve(with)
		want, wantErr := resolver.Resolve(p)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("seed %d: %v, with virtual extensions %v\n%+v", seed, gotErr, wantErr, with)
		}
		if gotErr != nil {
			continue
		}
		if diff := gocmp.Diff(withoutVirtual(want), [2]any{got.Group, byName(got.Plan)}); diff != "" {
			t.Fatalf("seed %d: -virtual +got:\n%s\n%+v", seed, diff, with)
		}
	}
}

func unconditional(p resolver.Problem) {
	for _, c := range p.Candidates {
		for _, s := range c.Plans {
			for _, r := range s.Requires {
				clear(r.Metadata)
				r.Metadata["launch"] = true
			}
		}
	}
}

// withoutVirtual takes the virtual extensions out of group and plan.
func withoutVirtual(r *resolver.Resolution) [2]any {
	isVirtual := func(m resolver.Module) bool { return strings.HasPrefix(m.ID, "virtual-") }
	var group []resolver.Chosen
	for _, c := range r.Group {
		if !isVirtual(c.Module) {
			group = append(group, c)
		}
	}
	var plan []resolver.Entry
	for _, e := range r.Plan {
		e.Providers = slices.DeleteFunc(slices.Clone(e.Providers), isVirtual)
		if len(e.Providers) > 0 {
			plan = append(plan, e)
		}
	}
	return [2]any{group, byName(plan)}
}

// byName sorts entries: a virtual extension mentions its name before all others.
func byName(plan []resolver.Entry) []resolver.Entry {
	plan = slices.Clone(plan)
	slices.SortFunc(plan, func(a, b resolver.Entry) int { return strings.Compare(a.Name, b.Name) })
	return plan
}

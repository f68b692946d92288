package resolver_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/baseplan/baseplan/resolver"
)

func buildpack(i int, optional bool, plans ...resolver.Section) resolver.Candidate {
	return resolver.Candidate{Module: resolver.Module{Kind: resolver.Buildpack, ID: fmt.Sprintf("acme/m%d", i), Version: "1.0.0"}, Optional: optional, Plans: plans}
}

func requires(names ...string) (all []resolver.Require) {
	for _, n := range names {
		all = append(all, resolver.Require{Name: n, Metadata: map[string]any{"launch": true}})
	}
	return all
}

// chain is a group of n buildpacks with two alternatives each in which only the last
// alternative of the first works: the naive search makes 2^(n-1) trials before it
// comes to that.
func chain(n int) resolver.Problem {
	p := resolver.Problem{Candidates: []resolver.Candidate{buildpack(0, false,
		resolver.Section{Provides: []string{"wrong"}},
		resolver.Section{Provides: []string{"right"}, Requires: requires("right")})}}
	for i := 1; i < n; i++ {
		own := fmt.Sprintf("dep%d", i)
		p.Candidates = append(p.Candidates, buildpack(i, false,
			resolver.Section{Provides: []string{own}, Requires: requires(own)},
			resolver.Section{Provides: []string{own + "b"}, Requires: requires(own + "b")}))
	}
	return p
}

// linked is the same, but the fault shows at the far end: each buildpack passes
// on what the one before it provides, in either alternative.
func linked(n int) resolver.Problem {
	p := resolver.Problem{Candidates: []resolver.Candidate{buildpack(0, false,
		resolver.Section{Provides: []string{"left0"}},
		resolver.Section{Provides: []string{"right0"}})}}
	for i := 1; i < n; i++ {
		side := func(s string) resolver.Section {
			return resolver.Section{Provides: []string{fmt.Sprint(s, i)}, Requires: requires(fmt.Sprint(s, i-1))}
		}
		p.Candidates = append(p.Candidates, buildpack(i, false, side("left"), side("right")))
	}
	p.Candidates = append(p.Candidates, buildpack(n, false, resolver.Section{Requires: requires(fmt.Sprint("right", n-1))}))
	return p
}

// distracted is the chain with optional buildpacks whose second alternative would
// help the first alternative of the first, but can never stay.
func distracted(n int) resolver.Problem {
	p := chain(1)
	for i := 1; i < n; i++ {
		p.Candidates = append(p.Candidates, buildpack(i, true, resolver.Section{}, resolver.Section{Requires: requires("wrong", "nowhere")}))
	}
	return p
}

// satisfiability is a random problem of n variables (a buildpack each, true or
// false) and 4.26 n clauses of three: the hardest there are.
func satisfiability(n int, seed uint64) resolver.Problem {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	var p resolver.Problem
	for i := range n {
		side := func(s string) resolver.Section {
			return resolver.Section{Provides: []string{fmt.Sprint(s, i)}, Requires: requires(fmt.Sprint(s, i))}
		}
		p.Candidates = append(p.Candidates, buildpack(i, false, side("t"), side("f")))
	}
	for i := range n * 426 / 100 {
		var plans []resolver.Section
		for range 3 {
			plans = append(plans, resolver.Section{Requires: requires(fmt.Sprint([]string{"t", "f"}[r.IntN(2)], r.IntN(n)))})
		}
		p.Candidates = append(p.Candidates, buildpack(n+i, false, plans...))
	}
	return p
}

// realistic is 10 extensions and 40 buildpacks, half of them optional and some of those
// unneeded, that resolve at the first trial.
func realistic() resolver.Problem {
	var p resolver.Problem
	for i := range 10 {
		p.Candidates = append(p.Candidates, resolver.Candidate{
			Module: resolver.Module{Kind: resolver.Extension, ID: fmt.Sprint("acme/e", i), Version: "1"},
			Plans:  []resolver.Section{{Provides: []string{fmt.Sprint("os", i)}}},
		})
	}
	for i := range 40 {
		own := fmt.Sprint("dep", i)
		s := resolver.Section{Provides: []string{own}, Requires: requires(own, fmt.Sprint("os", i%5))}
		if i > 0 {
			s.Requires = append(s.Requires, requires(fmt.Sprint("dep", i-1))...)
		}
		if i%7 == 6 {
			p.Candidates = append(p.Candidates, buildpack(i, true, resolver.Section{Requires: requires("nowhere")}))
			s = resolver.Section{Provides: []string{own}, Requires: requires(own)}
		}
		p.Candidates = append(p.Candidates, buildpack(100+i, i%2 == 1, s))
	}
	return p
}

func BenchmarkResolve(b *testing.B) {
	for _, c := range []struct {
		name string
		p    resolver.Problem
	}{{"realistic 40+10", realistic()}, {"chain of 18", chain(18)}, {"chain of 20", chain(20)}, {"chain of 64", chain(64)}, {"linked chain of 64", linked(64)}, {"distracted chain of 64", distracted(64)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			trials := 0
			for b.Loop() {
				r, err := resolver.Resolve(c.p)
				if err != nil {
					b.Fatal(err)
				}
				trials = r.Trials
			}
			b.ReportMetric(float64(trials), "trials")
		})
	}
}

// BenchmarkGiveUp shows how long a hard group holds up a detection: less than a second is promised.
func BenchmarkGiveUp(b *testing.B) {
	for _, c := range []struct {
		name string
		p    resolver.Problem
	}{{"pigeons", resolver.Problem{Candidates: pigeons(12)}}, {"satisfiability of 100", satisfiability(100, 0)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := resolver.Resolve(c.p); err == nil {
					b.Fatal("it is not hard")
				}
			}
		})
	}
}

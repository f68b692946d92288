//go:build linux

package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/baseplan/baseplan/resolver"
)

// TestGivingUpReusesMemory: a trial that allocates its state makes a hard group take several times as long. It is
// not a test of the resolver, since cmd/mutate changes what is allocated.
func TestGivingUpReusesMemory(t *testing.T) {
	var err error
	allocations := testing.AllocsPerRun(1, func() { _, err = resolver.Resolve(pigeons(12)) })
	unresolved, ok := errors.AsType[*resolver.UnresolvedError](err)
	if !ok || !unresolved.GaveUp {
		t.Fatalf("want to give up, got %v", err)
	}
	if perTrial := allocations / float64(unresolved.Trials); perTrial > 2 {
		t.Errorf("%.1f allocations a trial", perTrial)
	}
}

// pigeons is n-1 buildpacks that each provide one of n names, and one that requires them all.
func pigeons(n int) (p resolver.Problem) {
	var last resolver.Section
	for i := range n {
		c := resolver.Candidate{Module: resolver.Module{Kind: resolver.Buildpack, ID: fmt.Sprint(i)}}
		for hole := range n {
			c.Plans = append(c.Plans, resolver.Section{Provides: []string{fmt.Sprint(hole)}})
		}
		last.Requires = append(last.Requires, resolver.Require{Name: fmt.Sprint(i)})
		if i == n-1 {
			c.Plans = []resolver.Section{last}
		}
		p.Candidates = append(p.Candidates, c)
	}
	return p
}

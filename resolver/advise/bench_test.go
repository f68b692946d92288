package advise

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkPlans advises about 10,000 builds, of which hardly two lack the same: on one run image that 200 packages may be
// added to, and on 200 run images.
func BenchmarkPlans(b *testing.B) {
	for _, bm := range []struct {
		name string
		Problem
	}{
		{"200 packages", history(1, 200, 0)}, {"200 packages, 20 at most", history(1, 200, 20)}, {"200 run images", history(200, 200, 20)}, {"200 run images, exact", exactHistory()},
	} {
		b.Run(bm.name, func(b *testing.B) {
			for b.Loop() {
				if plans := bm.Plans(); len(plans) < 2 {
					b.Fatal(plans)
				}
			}
		})
	}
}

// history returns 10,000 builds, each of which lacks up to 8 packages; some packages are asked for more often.
func history(bases, packages, limit int) Problem {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same history each time
	p := Problem{Images: 5, Packages: limit}
	for range 10_000 {
		b := Build{Base: fmt.Sprint("run:", r.IntN(bases)), Count: 1 + r.IntN(3)}
		for range 1 + r.IntN(8) {
			b.Lacks = append(b.Lacks, fmt.Sprint("lib", int(float64(packages)*r.Float64()*r.Float64())))
		}
		p.Builds = append(p.Builds, b)
	}
	return p
}

// exactHistory returns 10,000 builds on 200 run images, with as many different sets on each as are solved exactly.
func exactHistory() Problem {
	p := Problem{Images: 5, Packages: 20}
	for i := range 10_000 {
		n := i / 200 % Exact
		p.Builds = append(p.Builds, Build{Base: fmt.Sprint("run:", i%200), Lacks: []string{fmt.Sprint("lib", n), fmt.Sprint("tool", n/2)}, Count: 1 + i%3})
	}
	return p
}

// TestManyBuilds keeps what plans say of themselves true where there are many.
func TestManyBuilds(t *testing.T) {
	p := history(3, 200, 20)
	for k, plan := range p.Plans() {
		checkPlan(t, p, plan, k)
		if plan.Served > plan.AtMost {
			t.Errorf("%d images: serves %d, at most %d", k, plan.Served, plan.AtMost)
		}
	}
}

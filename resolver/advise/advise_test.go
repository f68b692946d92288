package advise

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"
)

func TestPlans(t *testing.T) {
	builds := []Build{
		{"noble", []string{"curl"}, 5}, {"noble", []string{"curl", "tree"}, 2}, {"noble", []string{"tree", "curl", "tree"}, 1},
		{"noble", []string{"libgd3", "libzip4", "libonig5"}, 4}, {"noble", nil, 10}, {"jammy", []string{"curl"}, 3},
	}
	for _, tt := range []struct {
		name string
		Problem
		want []Plan
	}{
		{"none", Problem{Images: 3}, []Plan{{Exact: true}}},
		{"one image has everything", Problem{Builds: builds[:4], Images: 1}, []Plan{
			{Exact: true},
			{Images: []NewImage{{"noble", []string{"curl", "libgd3", "libonig5", "libzip4", "tree"}, 12}}, Served: 12, Spare: 5*4 + 3*3 + 4*2, Exact: true, AtMost: 12},
		}},
		{"no more than three packages each", Problem{Builds: builds, Images: 4, Packages: 3}, []Plan{
			{Served: 10, Exact: true, AtMost: 10},
			{Images: []NewImage{{"noble", []string{"curl", "tree"}, 8}}, Served: 18, Spare: 5, Exact: true, AtMost: 18},
			{Images: []NewImage{{"noble", []string{"curl", "tree"}, 8}, {"noble", []string{"libgd3", "libonig5", "libzip4"}, 4}}, Served: 22, Spare: 5, Exact: true, AtMost: 22},
			{Images: []NewImage{{"jammy", []string{"curl"}, 3}, {"noble", []string{"curl", "tree"}, 8}, {"noble", []string{"libgd3", "libonig5", "libzip4"}, 4}},
				Served: 25, Spare: 5, Exact: true, AtMost: 25},
			{Images: []NewImage{{"jammy", []string{"curl"}, 3}, {"noble", []string{"curl"}, 5}, {"noble", []string{"libgd3", "libonig5", "libzip4"}, 4}, {"noble", []string{"curl", "tree"}, 3}},
				Served: 25, Exact: true, AtMost: 25},
		}},
		{"nothing fits", Problem{Builds: builds[3:4], Images: 2, Packages: 2}, []Plan{{Exact: true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.Plans()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestPlansAreOptimal compares with what trying every choice of packages gives.
func TestPlansAreOptimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := small(t, 5)
		plans := p.Plans()
		if last, want := plans[len(plans)-1], everyChoice(p, p.Images); [2]int{last.Served, last.Spare} != want {
			t.Fatalf("the last plan, %+v, serves and spares less than %v", last, want)
		}
		for k, plan := range plans {
			want := everyChoice(p, k)
			if got := [2]int{plan.Served, plan.Spare}; got != want {
				t.Fatalf("%d images: served and spare %v, want %v: %+v", k, got, want, plan)
			}
			if !plan.Exact || plan.AtMost != plan.Served {
				t.Fatalf("%d images: %+v, want an exact answer", k, plan)
			}
			checkPlan(t, p, plan, k)
		}
	})
}

// TestGreedyPlansKeepTheirBound holds the greedy answers to what they promise, against the best ones.
func TestGreedyPlansKeepTheirBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := small(t, 6)
		bases, _ := p.bases()
		for _, b := range bases {
			var fit []lack
			heaviest := 0
			for _, l := range b.lacks {
				if len(l.packages) <= p.limit() {
					fit, heaviest = append(fit, l), max(heaviest, l.count)
				}
			}
			images := min(p.Images, len(fit))
			best, greedy := exactly(b.name, fit, images, p.limit()), greedily(b.name, fit, images, p.limit())
			for k := range best {
				g := greedy[k]
				if g.served > best[k].served || g.atMost < best[k].served || g.served > g.atMost {
					t.Fatalf("%d images: greedy serves %d and says at most %d, the best is %d", k, g.served, g.atMost, best[k].served)
				}
				if k == 1 && p.Packages == 0 && g.served != best[k].served {
					t.Fatalf("without a limit one image serves all %d, greedy %d", best[k].served, g.served)
				}
				for _, img := range g.images {
					if len(img.Packages) > p.limit() {
						t.Fatalf("%v has more than %d packages", img, p.limit())
					}
				}
			}
			if images > 0 && heaviest == 0 {
				t.Fatal("nothing to serve")
			}
		}
	})
}

// TestManyBuildsAreDeterministic is beyond what is exact, and the same every time.
func TestManyBuildsAreDeterministic(t *testing.T) {
	p := Problem{Images: 4, Packages: 6}
	for i := range 200 {
		p.Builds = append(p.Builds, Build{"noble", []string{fmt.Sprint("lib", i%23), fmt.Sprint("tool", i%7)}, 1 + i%3})
	}
	plans := p.Plans()
	if len(plans) != 5 || plans[4].Exact || plans[4].Served == 0 || plans[4].AtMost < plans[4].Served {
		t.Errorf("got %+v", plans)
	}
	slices.Reverse(p.Builds)
	if diff := cmp.Diff(plans, p.Plans()); diff != "" {
		t.Errorf("in another order: -want +got:\n%s", diff)
	}
	for k, plan := range plans {
		checkPlan(t, p, plan, k)
	}
}

// TestExactOfSeveralBases holds that a plan says that it is exact only if it is for each base, in whatever order the bases come.
func TestExactOfSeveralBases(t *testing.T) {
	for _, few := range []string{"jammy", "plucky"} { // before and behind noble
		p := Problem{Images: 2, Packages: 3, Builds: []Build{{few, []string{"curl"}, 1000}}}
		for i := range Exact + 1 {
			p.Builds = append(p.Builds, Build{"noble", []string{fmt.Sprint("lib", i)}, 1})
		}
		for k, plan := range p.Plans() {
			if plan.Exact != (k == 0) {
				t.Errorf("%s, %d images: %+v", few, k, plan)
			}
			if total := 1000 + Exact + 1; plan.AtMost > total || k > 0 && (plan.Served < 1000 || plan.AtMost < plan.Served) {
				t.Errorf("%s, %d images: serves %d, at most %d of %d", few, k, plan.Served, plan.AtMost, total)
			}
		}
	}
	p := Problem{Images: 1}
	for i := range Exact {
		p.Builds = append(p.Builds, Build{"noble", []string{fmt.Sprint("lib", i)}, 1})
	}
	if plans := p.Plans(); !plans[1].Exact {
		t.Errorf("%d builds: %+v, want an exact answer", Exact, plans[1])
	}
}

// TestUpperBound holds that an image is not promised more than the shares of the packages that it may have, and not
// less than it can serve.
func TestUpperBound(t *testing.T) {
	lacks := []lack{{packages: []string{"a", "b"}, count: 4}, {packages: []string{"c"}, count: 3}, {packages: []string{"d"}, count: 1}}
	for _, tt := range []struct{ images, limit, least, most int }{{1, 1, 3, 3}, {1, 2, 4, 5}, {1, 3, 7, 7}, {1, 4, 8, 8}, {2, 1, 4, 5}, {2, 2, 7, 8}, {0, 4, 0, 0}, {1, 0, 0, 0}} {
		if got := bound(lacks, tt.images, tt.limit); got < tt.least || got > tt.most {
			t.Errorf("%d images of %d packages: %d, want %d to %d", tt.images, tt.limit, got, tt.least, tt.most)
		}
	}
}

func small(t *rapid.T, packages int) Problem {
	universe := []string{"a", "b", "c", "d", "e", "f"}[:packages]
	p := Problem{Images: rapid.IntRange(0, 3).Draw(t, "images"), Packages: rapid.IntRange(0, 4).Draw(t, "packages")}
	for range rapid.IntRange(0, 6).Draw(t, "builds") {
		p.Builds = append(p.Builds, Build{
			Base:  rapid.SampledFrom([]string{"x", "y"}).Draw(t, "base"),
			Lacks: rapid.SliceOfN(rapid.SampledFrom(universe), 0, 4).Draw(t, "lacks"),
			Count: rapid.IntRange(1, 4).Draw(t, "count"),
		})
	}
	return p
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkPlan recounts what a plan says of itself.
func checkPlan(t fataler, p Problem, plan Plan, k int) {
	t.Helper()
	if len(plan.Images) > k {
		t.Fatalf("%d images, of at most %d", len(plan.Images), k)
	}
	served, by := 0, 0
	for _, img := range plan.Images {
		by += img.Builds
		if p.Packages > 0 && len(img.Packages) > p.Packages {
			t.Fatalf("%+v has more than %d packages", img, p.Packages)
		}
	}
	nothing := 0
	for _, b := range p.Builds {
		if len(b.Lacks) == 0 {
			nothing += b.Count
		}
		if len(b.Lacks) == 0 || slices.ContainsFunc(plan.Images, func(img NewImage) bool { return img.Base == b.Base && has(img.Packages, b.Lacks) }) {
			served += b.Count
		}
	}
	if served != plan.Served || nothing+by != plan.Served {
		t.Fatalf("serves %d, says %d, and its images say %d", served, plan.Served, nothing+by)
	}
}

func has(packages, lacks []string) bool {
	return !slices.ContainsFunc(lacks, func(l string) bool { return !slices.Contains(packages, l) })
}

// everyChoice tries every choice of k images with any packages: the most builds served, then the fewest spare packages.
func everyChoice(p Problem, k int) [2]int {
	var candidates []NewImage
	for _, base := range []string{"x", "y"} {
		for set := range 1 << 5 {
			img := NewImage{Base: base}
			for i := range 5 {
				if set&(1<<i) != 0 {
					img.Packages = append(img.Packages, string(rune('a'+i)))
				}
			}
			if len(img.Packages) > 0 && len(img.Packages) <= p.limit() {
				candidates = append(candidates, img)
			}
		}
	}
	best := [2]int{-1, 0}
	var choose func(from int, images []NewImage)
	choose = func(from int, images []NewImage) {
		if got := count(p, images); got[0] > best[0] || got[0] == best[0] && got[1] < best[1] {
			best = got
		}
		if len(images) == k {
			return
		}
		for i := from; i < len(candidates); i++ {
			choose(i+1, append(images[:len(images):len(images)], candidates[i]))
		}
	}
	choose(0, nil)
	return best
}

// count is builds served and packages to spare, each build on the image that suits it best.
func count(p Problem, images []NewImage) [2]int {
	var sum [2]int
	for _, b := range p.Builds {
		lacks := slices.Compact(slices.Sorted(slices.Values(b.Lacks)))
		least := -1
		for _, img := range images {
			if n := len(img.Packages) - len(lacks); img.Base == b.Base && has(img.Packages, lacks) && (least < 0 || n < least) {
				least = n
			}
		}
		switch {
		case len(lacks) == 0:
			sum[0] += b.Count
		case least >= 0:
			sum[0], sum[1] = sum[0]+b.Count, sum[1]+least*b.Count
		}
	}
	return sum
}

func BenchmarkExact(b *testing.B) {
	p := Problem{Images: 4, Packages: 8}
	for i := range Exact {
		p.Builds = append(p.Builds, Build{"noble", []string{fmt.Sprint("a", i%5), fmt.Sprint("b", i%7), fmt.Sprint("c", i)}, 1 + i})
	}
	for b.Loop() {
		p.Plans()
	}
}

package advise_test

import (
	"fmt"

	"github.com/baseplan/baseplan/resolver/advise"
)

// Of ten builds two need no extension. With one more run image nine need none, with two all of them.
func ExampleProblem_Plans() {
	p := advise.Problem{Images: 2, Builds: []advise.Build{
		{Base: "run", Count: 2},
		{Base: "run", Lacks: []string{"curl"}, Count: 4},
		{Base: "run", Lacks: []string{"curl", "libpq5"}, Count: 3},
		{Base: "run", Lacks: []string{"imagemagick"}, Count: 1},
	}, Packages: 2}
	for _, plan := range p.Plans() {
		fmt.Print(plan.Served, " builds:")
		for _, i := range plan.Images {
			fmt.Print(" ", i.Base, i.Packages)
		}
		fmt.Println()
	}
	// Output:
	// 2 builds:
	// 9 builds: run[curl libpq5]
	// 10 builds: run[curl libpq5] run[imagemagick]
}

package resolver_test

import (
	"fmt"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
)

// A buildpack requires curl at launch. An extension would provide it, and so
// does the run image.
func ExampleResolve() {
	run, _ := provides.From(&sbom.Document{Packages: []sbom.Package{
		{Type: sbom.Deb, Name: "curl", Version: "7.88.1-10+deb12u12", PURL: "pkg:deb/debian/curl@7.88.1-10%2Bdeb12u12"},
	}}, nil, nil)
	r, err := resolver.Resolve(resolver.Problem{
		Candidates: []resolver.Candidate{
			{Module: resolver.Module{Kind: resolver.Extension, ID: "acme/curl", Version: "0.1.0"}, Plans: []resolver.Section{{Provides: []string{"curl"}}}},
			{Module: resolver.Module{Kind: resolver.Buildpack, ID: "acme/app", Version: "1.2.3"}, Plans: []resolver.Section{{
				Requires: []resolver.Require{{Name: "curl", Metadata: map[string]any{"launch": true, "version": ">= 7"}}},
			}}},
		},
		Run: run,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, req := range r.Requirements {
		fmt.Printf("%s requires %s %s %v\n", req.By, req.Name, req.Version, req.Contexts)
		fmt.Println("provided by", req.Providers[0])
		fmt.Println("and by the run image:", req.Run.Reason)
	}
	// Output:
	// acme/app@1.2.3 requires curl >= 7 [launch]
	// provided by acme/curl@0.1.0
	// and by the run image: curl 7.88.1-10+deb12u12
}

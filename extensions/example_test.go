package extensions_test

import (
	"fmt"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// An extension installs curl; the run image has it.
func ExampleCheck() {
	dockerfile, err := extensions.Parse("generated/acme_curl/run.Dockerfile", []byte(`ARG base_image
FROM ${base_image}
USER root
RUN apt-get update && apt-get install -y curl
ARG user_id
USER ${user_id}
`), extensions.Run)
	if err != nil {
		fmt.Println(err)
		return
	}
	inventory := &sbom.Document{Packages: []sbom.Package{{Type: sbom.Deb, Name: "curl", Version: "7.88.1-10+deb12u12", Arch: "amd64"}}}
	set, _ := provides.From(inventory, nil, nil)
	base := extensions.Base{Reference: "registry.example/run:bookworm", Set: set, Config: &extensions.Config{User: "1000"}}

	verdict := extensions.Check(dockerfile, base, nil, extensions.ByPlan)
	fmt.Println(verdict.Outcome)
	for _, i := range verdict.Instructions {
		fmt.Printf("line %d: %s\n", i.Line, i.Reason)
	}
	// Output:
	// no-effect
	// line 3: another USER follows
	// line 4: apt-get update: only package lists and caches; apt-get install: curl 7.88.1-10+deb12u12 is installed
	// line 5: declares a build arg
	// line 6: ends as the image's own user
}

// The same Dockerfile in a group: whatever is left to apply takes it along.
func ExampleJudge() {
	parse := func(path, content string) *extensions.Dockerfile {
		d, err := extensions.Parse(path, []byte("ARG base_image\nFROM ${base_image}\n"+content), extensions.Run)
		if err != nil {
			panic(err)
		}
		return d
	}
	set, _ := provides.From(&sbom.Document{}, nil, nil)
	result := extensions.Judge(extensions.Case{
		Dockerfiles: []*extensions.Dockerfile{
			parse("generated/acme_hello/run.Dockerfile", "RUN echo hello\n"),
			parse("generated/acme_certs/run.Dockerfile", "COPY certs /etc/ssl/certs\n"),
		},
		Run: extensions.Base{Reference: "registry.example/run", Set: set},
	})
	for _, v := range result.Verdicts {
		fmt.Println(v.Dockerfile.Path, v.Outcome)
	}
	fmt.Println("extend:", result.ExtendRun)
	// Output:
	// generated/acme_hello/run.Dockerfile apply
	// generated/acme_certs/run.Dockerfile apply
	// extend: true
}

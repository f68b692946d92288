package provides_test

import (
	"fmt"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// From an inventory to answers for a build plan.
func Example() {
	inventory := &sbom.Document{Packages: []sbom.Package{
		{Type: sbom.Deb, Name: "curl", Version: "7.88.1-10+deb12u12", PURL: "pkg:deb/debian/curl@7.88.1-10%2Bdeb12u12?arch=amd64"},
		{Type: sbom.Deb, Name: "openjdk-17-jre-headless", Version: "17.0.12+7-2~deb12u1", PURL: "pkg:deb/debian/openjdk-17-jre-headless@17.0.12%2B7-2~deb12u1?arch=amd64"},
	}}
	set, _ := provides.From(inventory, nil, nil) // no operator's mapping, no declaration

	for _, require := range [][2]string{{"curl", ">= 7"}, {"curl", "8.*"}, {"jre", "17"}, {"cmd:tree", ""}} {
		answer := set.Answer(require[0], require[1])
		fmt.Printf("%s %s: %v, %s\n", require[0], require[1], answer.Met, answer.Reason)
	}
	// Output:
	// curl >= 7: true, curl 7.88.1-10+deb12u12
	// curl 8.*: false, has curl 7.88.1-10+deb12u12, which is not 8.*
	// jre 17: true, openjdk-17-jre-headless 17.0.12+7-2~deb12u1
	// cmd:tree : false, this SBOM does not list files, so whether cmd:tree is there is unknown
}

// What the publisher of an image declares counts only as far as the inventory
// backs it.
func ExampleFrom_declaration() {
	declaration, err := provides.DecodeDeclaration([]byte(`{"version": "1.0", "provides": [
		{"name": "jre", "version": "17.0.12", "evidence": ["pkg:deb/debian/openjdk-17-jre-headless"]}]}`), "label io.buildpacks.base.provides")
	if err != nil {
		panic(err)
	}
	_, refused := provides.From(&sbom.Document{}, nil, declaration)
	for _, r := range refused {
		fmt.Printf("%s is refused: %s\n", r.Name, r.Why)
	}
	// Output:
	// jre is refused: no package matches pkg:deb/debian/openjdk-17-jre-headless
}

func ExampleParseConstraint() {
	c, err := provides.ParseConstraint(">= 3.10, < 4")
	if err != nil {
		panic(err)
	}
	fmt.Println(c.Match(provides.Deb, "3.11.2-1+b1"))
	// Output: true <nil>
}

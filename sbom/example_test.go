package sbom_test

import (
	"fmt"

	"github.com/baseplan/baseplan/sbom"
)

// A Document lists packages, and says which facts it holds: one that lists no files cannot say that a file is not there.
func Example() {
	doc := sbom.Document{
		Distro: sbom.Distro{ID: "debian", Version: "12"},
		Packages: []sbom.Package{
			{Type: sbom.Deb, Name: "curl", Version: "7.88.1-10+deb12u12", Arch: "amd64"},
			{Type: sbom.Deb, Name: "tzdata", Version: "2025b-0+deb12u1", Arch: "all"},
		},
	}
	for _, p := range doc.Packages {
		fmt.Println(p.Name, p.Version)
	}
	fmt.Println("knows files:", doc.Knows(sbom.Files))
	// Output:
	// curl 7.88.1-10+deb12u12
	// tzdata 2025b-0+deb12u1
	// knows files: false
}

package catalog_test

import (
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/sbom"
)

func Example() {
	var entries []catalog.Entry
	for tag, version := range map[string]string{"old": "7.74.0-1", "new": "8.5.0-2"} {
		set, _ := provides.From(&sbom.Document{Packages: []sbom.Package{{Type: sbom.Deb, Name: "curl", Version: version}}}, nil, nil)
		entries = append(entries, catalog.Entry{
			Image: catalog.Image{Name: "registry.example/run:" + tag, Digest: "sha256:" + strings.Repeat("0", 64), OS: "linux", Arch: "amd64", Packages: 1},
			Part:  set.Part(),
		})
	}
	data, err := catalog.Encode(entries)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := catalog.Decode(data, "registry.example/catalog")
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, a := range c.Answers("curl", ">= 8", nil) {
		fmt.Printf("%s: %t, %s\n", c.Images[i].Name, a.Met, a.Reason)
	}
	// Output:
	// registry.example/run:new: true, curl 8.5.0-2
	// registry.example/run:old: false, has curl 7.74.0-1, which is not >= 8
}

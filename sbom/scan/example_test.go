package scan_test

import (
	"context"
	"fmt"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/scan"
)

func ExampleImage() {
	doc, err := scan.Image(context.Background(), lifecycletest.Debian("curl"), scan.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.Distro.ID, doc.Distro.Version, "from", doc.Databases)
	for _, p := range doc.Packages {
		if p.Name == "curl" {
			fmt.Println(p.Name, p.Version)
		}
	}
	// Output:
	// debian 12.15 from [/var/lib/dpkg/status]
	// curl 7.88.1-10+deb12u15
}

// Command syft makes an SBOM of an image in a registry with Syft's full API and
// its defaults, and prints how many operating system packages it has. The
// benchmark builds it to have something to compare with.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/anchore/syft/syft"
	"github.com/anchore/syft/syft/pkg"
	_ "modernc.org/sqlite"
)

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, ref string) error {
	src, err := syft.GetSource(ctx, ref, syft.DefaultGetSourceConfig().WithSources("oci-registry"))
	if err != nil {
		return err
	}
	defer src.Close()
	found, err := syft.CreateSBOM(ctx, src, syft.DefaultCreateSBOMConfig())
	if err != nil {
		return err
	}
	n := 0
	for range found.Artifacts.Packages.Enumerate(pkg.DebPkg, pkg.RpmPkg, pkg.ApkPkg) {
		n++
	}
	fmt.Println(n)
	return nil
}

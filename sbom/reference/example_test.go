package reference_test

import (
	"fmt"

	"github.com/baseplan/baseplan/sbom/reference"
)

func Example() {
	ref := reference.Parse("docker://run:noble")
	fmt.Println(ref.Kind, ref.Tag, ref.Name())
	// Output: docker:// noble index.docker.io/library/run:noble
}

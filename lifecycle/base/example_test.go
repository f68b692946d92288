package base_test

import (
	"context"
	"fmt"
	"log"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/scan"
)

// A Dockerfile installs curl. Of two run images, one has it.
func Example() {
	registry := lifecycletest.Registry()
	defer registry.Close()
	reader := base.Reader{
		Images: &image.Opener{}, Finder: &attach.Finder{},
		Scan: func(ctx context.Context, img *image.Image) (*sbom.Document, error) {
			return scan.Image(ctx, img.Image, scan.Options{})
		},
	}
	for _, packages := range [][]string{{"curl"}, {}} {
		run, err := reader.ReadReference(context.Background(), reference.Parse(registry.Push("run:1", lifecycletest.Debian(packages...))))
		if err != nil {
			log.Fatal(err)
		}
		d, err := extensions.Parse("run.Dockerfile", []byte("ARG base_image\nFROM ${base_image}\nRUN apt-get update && apt-get install -y curl\n"), extensions.Run)
		if err != nil {
			log.Fatal(err)
		}
		judgement, err := base.Judge(context.Background(), base.Question{Dockerfiles: []*extensions.Dockerfile{d}, Run: run})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(packages, judgement.Verdicts[0].Outcome)
	}
	// Output:
	// [curl] no-effect
	// [] apply
}

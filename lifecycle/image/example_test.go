package image_test

import (
	"context"
	"fmt"
	"log"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
)

// An app image is its run image with layers and a changed configuration.
func Example() {
	registry := lifecycletest.Registry()
	defer registry.Close()
	ctx := context.Background()
	opener := &image.Opener{}
	base, err := opener.Open(ctx, reference.Parse(registry.Push("run:1", lifecycletest.Debian("curl"))))
	if err != nil {
		log.Fatal(err)
	}
	defer base.Close()
	config := *base.Config.DeepCopy()
	config.Config.Labels = map[string]string{"maintainer": "acme"}
	writer := image.Writer{Opener: opener}
	if _, err := writer.Write(ctx, image.Draft{Base: base, Config: config}, reference.Parse(registry.Name+"/app:1")); err != nil {
		log.Fatal(err)
	}
	app, err := opener.Open(ctx, reference.Parse(registry.Name+"/app:1"))
	if err != nil {
		log.Fatal(err)
	}
	defer app.Close()
	fmt.Println(app.Config.Config.Labels)
	// Output: map[maintainer:acme]
}

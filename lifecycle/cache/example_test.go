package cache_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/google/go-containerregistry/pkg/v1/static"

	"github.com/baseplan/baseplan/lifecycle/cache"
)

// Nothing of what a build adds is there before it commits.
func ExampleVolume() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	layer := static.NewLayer([]byte("content"), "application/vnd.oci.image.layer.v1.tar")
	id, err := layer.DiffID()
	if err != nil {
		log.Fatal(err)
	}
	build, next := &cache.Volume{Dir: dir}, &cache.Volume{Dir: dir}
	if err := build.Add(ctx, layer); err != nil {
		log.Fatal(err)
	}
	_, err = next.Open(ctx, id)
	fmt.Println("before:", err != nil)
	if err := build.Commit(ctx, cache.Metadata{}); err != nil {
		log.Fatal(err)
	}
	content, err := next.Open(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	defer content.Close()
	fmt.Println("after:", err)
	// Output:
	// before: true
	// after: <nil>
}

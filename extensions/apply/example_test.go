//go:build linux

package apply_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/extensions/apply"
)

// A Dockerfile that only changes the configuration runs no command and makes no layer.
func ExampleApplier_Apply() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	d, err := extensions.Parse("run.Dockerfile", []byte("ARG base_image\nFROM ${base_image}\nENV LANG=C.UTF-8\nUSER 1000:1000\n"), extensions.Run)
	if err != nil {
		log.Fatal(err)
	}
	a := apply.Applier{Root: apply.Root{Dir: dir}, Image: "registry.example/run:1", Spool: dir}
	result, err := a.Apply(context.Background(), []*extensions.Dockerfile{d}, v1.Config{Env: []string{"PATH=/usr/bin:/bin"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Join(result.Config.Env, " "), result.Config.User, len(result.Layers))
	// Output: PATH=/usr/bin:/bin LANG=C.UTF-8 1000:1000 0
}

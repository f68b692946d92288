package lifecycletest_test

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

func Example() {
	registry := lifecycletest.Registry()
	defer registry.Close()
	ref := registry.Push("run:1", lifecycletest.Debian("curl"))
	img, err := remote.Image(lifecycletest.Reference(ref))
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err := img.ConfigFile()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(config.OS)
	// Output: linux
}

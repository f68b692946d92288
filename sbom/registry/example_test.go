package registry_test

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

// A client gives go-containerregistry the options to access a repository with.
func ExampleClient() {
	host := lifecycletest.Registry()
	defer host.Close()
	client := registry.Client{Insecure: []string{host.Name}}
	ref, err := client.Reference(reference.Parse(host.Push("run:1", lifecycletest.Alpine())))
	if err != nil {
		fmt.Println(err)
		return
	}
	image, err := remote.Image(ref, client.Options(context.Background(), ref.Context())...)
	if err != nil {
		fmt.Println(client.Refused(ref.Context(), err))
		return
	}
	config, err := image.ConfigFile()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(config.OS)
	// Output: linux
}

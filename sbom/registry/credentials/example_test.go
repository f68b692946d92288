package credentials_test

import (
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/credentials"
)

// The platform hands credentials to a phase in a variable.
func Example() {
	keychain := credentials.New(`{"registry.example/team": "Basic YWRhOnNlY3JldA=="}`, func(warning string) { fmt.Fprintln(os.Stderr, warning) })
	client := registry.Client{Keychain: keychain}
	repository, err := name.NewRepository("registry.example/team/app")
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := client.Keychain.Resolve(repository)
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err := found.Authorization()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(config.Username, found == authn.Anonymous)
	// Output: ada false
}

package trustedroot_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
	"github.com/baseplan/baseplan/sbom/keyless/trustedroot"
)

// An operator with a Sigstore of their own names its repository, and the root.json by which it is verified.
func ExampleFetch() {
	authority := keylesstest.New()
	published := authority.TrustedRoot()
	repository := keylesstest.NewRepository(published, time.Now().Add(time.Hour))
	mirror := httptest.NewServer(repository)
	defer mirror.Close()
	fetched, err := trustedroot.Fetch(context.Background(), trustedroot.Options{Mirror: mirror.URL, Root: repository.Root})
	fmt.Println(bytes.Equal(fetched, published), err)
	// Output: true <nil>
}

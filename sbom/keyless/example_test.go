package keyless_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/baseplan/baseplan/sbom/keyless"
)

// Where the verifier is missing, nothing is verified: that is an error, not an unsigned SBOM.
func ExampleProgram() {
	p := keyless.Program{Path: "/nowhere/" + keyless.Name, TrustedRoot: []byte("{}")}
	_, err := p.Verify(context.Background(), []byte("{}"), "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output: true
}

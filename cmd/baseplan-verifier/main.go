// Command baseplan-verifier verifies one Sigstore bundle for the lifecycle or
// for baseplan, which start it where an operator's policy names identities. It
// reads a request from standard input and writes its answer to standard output:
// see package keyless. It reaches no network and reads no file.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/baseplan/baseplan/sbom/keyless"
	"github.com/baseplan/baseplan/sbom/keyless/sigstore"
)

func main() {
	if err := keyless.Serve(context.Background(), os.Stdin, os.Stdout, sigstore.Verify); err != nil {
		fmt.Fprintln(os.Stderr, keyless.Name+":", err)
		os.Exit(1)
	}
}

// Command baseplan-verifier verifies a Sigstore bundle. The lifecycle and baseplan
// run it if the operator's policy names identities. It reads a request from
// standard input and writes the answer to standard output; see package keyless.
// It uses no network and reads no files.
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

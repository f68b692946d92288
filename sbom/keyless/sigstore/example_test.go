package sigstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/baseplan/baseplan/sbom/keyless"
	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
	"github.com/baseplan/baseplan/sbom/keyless/sigstore"
)

// A bundle is verified with the keys of a trusted root, without a network.
func ExampleVerify() {
	const image = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	authority, err := keylesstest.New()
	if err != nil {
		log.Fatal(err)
	}
	trustedRoot, err := authority.TrustedRoot()
	if err != nil {
		log.Fatal(err)
	}
	statement, err := keylesstest.Statement("https://cyclonedx.org/bom", map[string]string{"bomFormat": "CycloneDX"}, image)
	if err != nil {
		log.Fatal(err)
	}
	bundle, err := authority.Sign(statement, keylesstest.Signing{Issuer: "https://accounts.example", Subject: "publisher@acme.example"})
	if err != nil {
		log.Fatal(err)
	}
	signer, err := sigstore.Verify(context.Background(), keyless.Request{TrustedRoot: trustedRoot, Bundle: bundle, Digest: image})
	fmt.Println(signer.Subject, err)
	// Output: publisher@acme.example <nil>
}

package sigstore_test

import (
	"context"
	"fmt"

	"github.com/baseplan/baseplan/sbom/keyless"
	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
	"github.com/baseplan/baseplan/sbom/keyless/sigstore"
)

// A bundle is verified with the keys of a trusted root, without a network.
func ExampleVerify() {
	const image = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	authority := keylesstest.New()
	trustedRoot := authority.TrustedRoot()
	statement := keylesstest.Statement("https://cyclonedx.org/bom", map[string]string{"bomFormat": "CycloneDX"}, image)
	bundle := authority.Sign(statement, keylesstest.Signing{Issuer: "https://accounts.example", Subject: "publisher@acme.example"})
	signer, err := sigstore.Verify(context.Background(), keyless.Request{TrustedRoot: trustedRoot, Bundle: bundle, Digest: image})
	fmt.Println(signer.Subject, err)
	// Output: publisher@acme.example <nil>
}

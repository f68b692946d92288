package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
	"github.com/baseplan/baseplan/sbom/scan"
)

// cosignSBOM signs an SBOM and leaves it in cosign's tag .sbom: cosign-sbom KEY FILE IMAGE.
func cosignSBOM(ts *testscript.TestScript, _ bool, args []string) {
	key, err := attach.ParseSigner([]byte(ts.ReadFile(args[0])), args[0], nil)
	ts.Check(err)
	ref, err := name.ParseReference(args[2])
	ts.Check(err)
	found, err := remote.Head(ref)
	ts.Check(err)
	lifecycletest.CosignSBOM(ref.Context().Digest(found.Digest.String()), sbom.CycloneDX.MediaType(), []byte(ts.ReadFile(args[1])), key)
}

// serveTUF serves a TUF repository at $TUF, with a trusted root of its own: tuf NAME. That root is in want.json as it
// is printed; root.json and NAME.root.json are what the repository is trusted by.
func serveTUF(ts *testscript.TestScript, _ bool, args []string) {
	authority := keylesstest.New()
	trusted := authority.TrustedRoot()
	repository := keylesstest.NewRepository(trusted, time.Now().Add(time.Hour))
	server := httptest.NewServer(repository)
	ts.Defer(server.Close)
	ts.Setenv("TUF", server.URL)
	for file, data := range map[string][]byte{"root.json": repository.Root, args[0] + ".root.json": repository.Root, "want.json": append(trusted, '\n')} {
		ts.Check(os.WriteFile(ts.MkAbs(file), data, 0o600))
	}
}

// attest attests what is in an image by a certificate of a Sigstore, whose trusted root is trusted.json: attest IMAGE SUBJECT.
func attest(ts *testscript.TestScript, _ bool, args []string) {
	authority := keylesstest.New()
	trusted := authority.TrustedRoot()
	ts.Check(os.WriteFile(ts.MkAbs("trusted.json"), trusted, 0o600))
	ref, err := name.ParseReference(args[0])
	ts.Check(err)
	img, err := remote.Image(ref)
	ts.Check(err)
	data, digest, err := described(img)
	ts.Check(err)
	statement := keylesstest.Statement("https://cyclonedx.org/bom", json.RawMessage(data), digest)
	bundle := authority.Sign(statement, keylesstest.Signing{Issuer: "https://token.actions.example", Subject: args[1]})
	lifecycletest.Refer(ref.Context().Digest(digest), keylesstest.BundleType, bundle)
}

// described is an image's SBOM and digest.
func described(img v1.Image) ([]byte, string, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, "", err
	}
	doc, err := scan.Image(context.Background(), img, scan.Options{})
	if err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	err = format.Encode(&b, doc, sbom.CycloneDX)
	return b.Bytes(), digest.String(), err
}

// githubAttest attests an SBOM and a declaration of each platform as actions/attest does with push-to-registry, and the SBOM of the
// second as oras attaches a bundle. The trusted root is trusted.json: github-attest IMAGE ISSUER SUBJECT.
func githubAttest(ts *testscript.TestScript, _ bool, args []string) {
	authority := keylesstest.New()
	ts.Check(os.WriteFile(ts.MkAbs("trusted.json"), authority.TrustedRoot(), 0o600))
	ref, err := name.ParseReference(args[0])
	ts.Check(err)
	index, err := remote.Index(ref)
	ts.Check(err)
	m, err := index.IndexManifest()
	ts.Check(err)
	attest := func(to name.Digest, predicateType, predicate string, annotated bool) {
		statement := keylesstest.Statement(predicateType, json.RawMessage(predicate), to.DigestStr())
		annotations := map[string]string{"org.opencontainers.image.created": "2026-11-01T00:00:00.000Z"}
		if annotated {
			annotations["dev.sigstore.bundle.content"], annotations["dev.sigstore.bundle.predicateType"] = "dsse-envelope", predicateType
		}
		lifecycletest.ReferArtifact(to, keylesstest.BundleType, authority.Sign(statement, keylesstest.Signing{Issuer: args[1], Subject: args[2]}), annotations)
	}
	const declared = `{"version": "1.0", "provides": [{"name": "transfer", "version": "1.0", "evidence": ["pkg:deb/debian/bash"]}]}`
	for i, arch := range []string{"amd64", "arm64"} {
		to := ref.Context().Digest(m.Manifests[i].Digest.String())
		attest(to, "https://cyclonedx.org/bom", ts.ReadFile("run.linux-"+arch+".cdx.json"), i == 0)
		declaration := lifecycletest.ReferArtifact(to, attach.DeclarationType, []byte(declared), nil)
		attest(declaration, "https://slsa.dev/provenance/v1", "{}", true)
	}
}

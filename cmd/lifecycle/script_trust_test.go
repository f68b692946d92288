package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/keyless"
	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
	"github.com/baseplan/baseplan/sbom/keyless/sigstore"
	"github.com/baseplan/baseplan/sbom/scan"
)

// makeKeys makes key pairs, NAME.pem and NAME.pub: keys NAME...
func makeKeys(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		ts.Check(err)
		private, err := x509.MarshalPKCS8PrivateKey(key)
		ts.Check(err)
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
		ts.Check(os.WriteFile(ts.MkAbs(name+".pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644))
	}
}

func readSigner(ts *testscript.TestScript, path string) crypto.Signer {
	signer, err := attach.ParseSigner([]byte(ts.ReadFile(path)), path, nil)
	ts.Check(err)
	return signer
}

// attachSBOM scans an image and attaches what it finds, as its publisher would: attach [-sign KEY] [-provides FILE] [-only-provides] IMAGE.
func attachSBOM(ts *testscript.TestScript, _ bool, args []string) {
	var o attach.Options
	var provides []byte
	var bare bool
	for ; len(args) > 1; args = args[1:] {
		switch args[0] {
		case "-sign":
			o.Sign, args = readSigner(ts, args[1]), args[1:]
		case "-provides":
			provides, args = []byte(ts.ReadFile(args[1])), args[1:]
		case "-only-provides":
			bare = true
		}
	}
	o.Material = func(ctx context.Context, target attach.Target) (attach.Material, error) {
		if bare {
			return attach.Material{Provides: provides}, nil
		}
		data, err := scanned(ctx, target.Image)
		return attach.Material{SBOMs: [][]byte{data}, Provides: provides}, err
	}
	_, err := (&attach.Attacher{Settle: time.Second}).Attach(context.Background(), registryRef(ts, args[0]), o)
	ts.Check(err)
}

func scanned(ctx context.Context, img v1.Image) ([]byte, error) {
	doc, err := scan.Image(ctx, img, scan.Options{})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = format.Encode(&b, doc, sbom.CycloneDX)
	return b.Bytes(), err
}

// attachUnbound leaves an SBOM in cosign's tag .sbom and signs that manifest, as cosign does: attach-unbound KEY IMAGE.
func attachUnbound(ts *testscript.TestScript, _ bool, args []string) {
	ref := registryRef(ts, args[1])
	img, err := remote.Image(ref)
	ts.Check(err)
	digest, err := img.Digest()
	ts.Check(err)
	data, err := scanned(context.Background(), img)
	ts.Check(err)
	lifecycletest.CosignSBOM(ref.Context().Digest(digest.String()), sbom.CycloneDX.MediaType(), data, readSigner(ts, args[0]))
}

// authorities are the Sigstores of the scripts, by the path of their trusted root.
var authorities sync.Map

// makeAuthorities makes Sigstores, each with NAME.json as its trusted root: authority NAME...
func makeAuthorities(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		a := keylesstest.New()
		root := a.TrustedRoot()
		path := ts.MkAbs(name + ".json")
		ts.Check(os.WriteFile(path, root, 0o644))
		authorities.Store(path, a)
	}
}

// attest scans an image and attests what it finds by a certificate of a Sigstore: attest AUTHORITY SUBJECT IMAGE. The
// issuer is always the same.
func attest(ts *testscript.TestScript, _ bool, args []string) {
	img, err := remote.Image(registryRef(ts, args[2]))
	ts.Check(err)
	data, err := scanned(context.Background(), img)
	ts.Check(err)
	digest, err := img.Digest()
	ts.Check(err)
	signBundle(ts, args[0], args[1], registryRef(ts, args[2]).Context().Digest(digest.String()), "https://cyclonedx.org/bom", json.RawMessage(data))
}

// certify signs the declaration of an image by a certificate, as cosign does: certify AUTHORITY SUBJECT IMAGE.
func certify(ts *testscript.TestScript, _ bool, args []string) {
	ref := registryRef(ts, args[2])
	img, err := remote.Head(ref)
	ts.Check(err)
	listed, err := remote.Referrers(ref.Context().Digest(img.Digest.String()))
	ts.Check(err)
	index, err := listed.IndexManifest()
	ts.Check(err)
	for _, m := range index.Manifests {
		artifact, err := remote.Get(ref.Context().Digest(m.Digest.String()))
		ts.Check(err)
		if bytes.Contains(artifact.Manifest, []byte(attach.DeclarationType)) {
			signBundle(ts, args[0], args[1], ref.Context().Digest(m.Digest.String()), "https://sigstore.dev/cosign/sign/v1", struct{}{})
			return
		}
	}
	ts.Fatalf("certify: %s has no declaration", ref)
}

func signBundle(ts *testscript.TestScript, authority, subject string, of name.Digest, predicateType string, predicate any) {
	a, ok := authorities.Load(ts.MkAbs(authority + ".json"))
	if !ok {
		ts.Fatalf("there is no authority %s", authority)
	}
	statement := keylesstest.Statement(predicateType, predicate, of.DigestStr())
	bundle := a.(*keylesstest.Authority).Sign(statement, keylesstest.Signing{Issuer: "https://token.actions.example", Subject: subject})
	lifecycletest.Refer(of, keylesstest.BundleType, bundle)
}

// verifierBeside makes this binary the verifier of certificates, too, where the phases look for it, and lets the CNB
// user reach it.
func verifierBeside() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for dir := filepath.Dir(self); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return os.Symlink(self, filepath.Join(filepath.Dir(self), keyless.Name))
}

// beVerifier is what baseplan-verifier does.
func beVerifier() {
	if err := keyless.Serve(context.Background(), os.Stdin, os.Stdout, sigstore.Verify); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

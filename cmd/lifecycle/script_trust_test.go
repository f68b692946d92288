package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
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
	_, err := (&attach.Attacher{Settle: time.Second}).Attach(context.Background(), reference(ts, args[0]), o)
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
	ref := reference(ts, args[1])
	img, err := remote.Image(ref)
	ts.Check(err)
	digest, err := img.Digest()
	ts.Check(err)
	data, err := scanned(context.Background(), img)
	ts.Check(err)
	ts.Check(lifecycletest.CosignSBOM(ref.Context().Digest(digest.String()), sbom.CycloneDX.MediaType(), data, readSigner(ts, args[0])))
}

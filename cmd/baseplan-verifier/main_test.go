package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/sbom/keyless"
	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
)

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == keyless.Name {
		main()
		return
	}
	os.Exit(m.Run())
}

const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

// program returns a verifier that runs this test binary.
func program(t *testing.T, trustedRoot []byte) *keyless.Program {
	self, err := os.Executable()
	check(t, err)
	path := filepath.Join(t.TempDir(), keyless.Name)
	check(t, os.Symlink(self, path))
	return &keyless.Program{Path: path, TrustedRoot: trustedRoot}
}

// TestVerifier runs the program as the lifecycle does.
func TestVerifier(t *testing.T) {
	a := keylesstest.New()
	root := a.TrustedRoot()
	statement := keylesstest.Statement("https://cyclonedx.org/bom", map[string]string{"large": strings.Repeat("large ", 1<<18)}, digest)
	want := keyless.Signer{Issuer: "https://token.actions.example", Subject: "https://github.example/acme/run-images"}
	signed := a.Sign(statement, keylesstest.Signing{Issuer: want.Issuer, Subject: want.Subject})
	p := program(t, root)
	if got, err := p.Verify(t.Context(), signed, digest); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := p.Verify(t.Context(), signed, strings.Replace(digest, "1", "2", 1)); err == nil || got != (keyless.Signer{}) || !strings.Contains(err.Error(), "digest") {
		t.Errorf("another digest: got %v, %v", got, err)
	}
	if got, err := (&keyless.Program{Path: p.Path}).Verify(t.Context(), signed, digest); err == nil || got != (keyless.Signer{}) || !strings.Contains(err.Error(), "trusted root") {
		t.Errorf("no trusted root: got %v, %v", got, err)
	}
	if _, err := (&keyless.Program{Path: p.Path + "-lost"}).Verify(t.Context(), signed, digest); err == nil || !strings.Contains(err.Error(), "running ") {
		t.Errorf("no program: got %v", err)
	}
	stopped, cancel := context.WithCancelCause(t.Context())
	cancel(os.ErrDeadlineExceeded)
	if _, err := p.Verify(stopped, signed, digest); err == nil || !strings.Contains(err.Error(), os.ErrDeadlineExceeded.Error()) {
		t.Errorf("stopped: got %v", err)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Package keyless has signatures verified that were made with a certificate of
// Sigstore instead of a key that is kept: those of GitHub's attestations and of
// cosign.
//
// The verifier is a program of its own, baseplan-verifier, which lies beside the
// program that starts it: its code would make the lifecycle half as large again,
// and few builds need it. Start with [Program]. One process answers one
// [Request], with frames over its standard input and output: four bytes of
// length, the highest first, then JSON.
package keyless

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Name is the verifier's, beside the program that starts it.
const Name = "baseplan-verifier"

// maxFrame bounds a frame: an SBOM in a bundle, in base64, and the trusted root.
const maxFrame = 512 << 20

// A Request is one bundle to verify.
type Request struct {
	TrustedRoot []byte `json:"trusted-root"` // Sigstore's, as JSON
	Bundle      []byte `json:"bundle"`       // a Sigstore bundle, as JSON
	Digest      string `json:"digest"`       // that its statement must be about, "sha256:…"
}

// A Signer is who signed: whose certificate it is, and who vouched for that.
type Signer struct {
	Issuer  string `json:"issuer"`  // of the identity token, a URL
	Subject string `json:"subject"` // an address or a URI
}

// response is what the program answers.
type response struct {
	Signer
	Error string `json:"error,omitempty"`
}

// CheckRoot says whether something looks like Sigstore's trusted root, as a
// person would give a wrong file; the verifier reads it whole.
func CheckRoot(data []byte) error {
	var head struct {
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	if !strings.HasPrefix(head.MediaType, "application/vnd.dev.sigstore.trustedroot") {
		return fmt.Errorf("it is not a trusted root: its media type is %q", head.MediaType)
	}
	return nil
}

// A Program is the verifier as a program.
type Program struct {
	Path        string
	TrustedRoot []byte
}

// Beside finds the verifier beside the running program.
func Beside() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), Name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("finding the verifier of certificates: %w", err)
	}
	return path, nil
}

// Verify starts the program and asks it. The process gets no environment, so no
// credentials.
func (p *Program) Verify(ctx context.Context, bundle []byte, digest string) (Signer, error) {
	var in, out, errs bytes.Buffer
	if err := writeFrame(&in, Request{p.TrustedRoot, bundle, digest}); err != nil {
		return Signer{}, err
	}
	cmd := exec.CommandContext(ctx, p.Path)
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &errs
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return Signer{}, context.Cause(ctx)
		}
		return Signer{}, fmt.Errorf("running %s: %w: %s", p.Path, err, firstLine(errs.String()))
	}
	var r response
	if err := readFrame(&out, &r); err != nil {
		return Signer{}, fmt.Errorf("reading the answer of %s: %w", p.Path, err)
	}
	if r.Error != "" {
		return Signer{}, errors.New(r.Error)
	}
	return r.Signer, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// Serve is the program's side: it answers one request.
func Serve(ctx context.Context, in io.Reader, out io.Writer, verify func(context.Context, Request) (Signer, error)) error {
	var req Request
	if err := readFrame(in, &req); err != nil {
		return fmt.Errorf("reading a request: %w", err)
	}
	var r response
	var err error
	if r.Signer, err = verify(ctx, req); err != nil {
		r = response{Error: err.Error()}
	}
	return writeFrame(out, r)
}

func writeFrame(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(data) > maxFrame {
		return fmt.Errorf("a frame of %d bytes is over the limit of %d", len(data), maxFrame)
	}
	if err := binary.Write(w, binary.BigEndian, uint32(len(data))); err != nil { //nolint:gosec // G115: it was compared
		return err
	}
	_, err = w.Write(data)
	return err
}

func readFrame(r io.Reader, v any) error {
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return fmt.Errorf("reading a frame's length: %w", err)
	}
	if size > maxFrame {
		return fmt.Errorf("a frame of %d bytes is over the limit of %d", size, maxFrame)
	}
	var data bytes.Buffer // grows with what comes, whatever the length says
	if n, err := io.CopyN(&data, r, int64(size)); err != nil {
		return fmt.Errorf("a frame ends after %d of %d bytes: %w", n, size, err)
	}
	return json.Unmarshal(data.Bytes(), v)
}

// Package keyless verifies signatures made with a Sigstore certificate instead of a
// long-lived key, such as GitHub's attestations and cosign's keyless signatures.
//
// The verifier is a separate program, baseplan-verifier, in the same directory as
// the program that starts it: its code would make the lifecycle half as large
// again, and few builds need it. Start with [Program]. One process answers one
// [Request]. Frames on its standard input and output have a length of four bytes,
// big-endian, followed by JSON.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
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
	"runtime"
	"strings"
	"time"
)

// Name is the file name of the verifier.
const Name = "baseplan-verifier"

// maxFrame limits a frame: the SBOM in a bundle, in base64, and the trusted root.
const maxFrame = 512 << 20

// A Request is one bundle to verify.
type Request struct {
	TrustedRoot []byte `json:"trusted-root"` // Sigstore's trusted root, as JSON
	Bundle      []byte `json:"bundle"`       // a Sigstore bundle, as JSON
	Digest      string `json:"digest"`       // the subject that the statement must have, "sha256:…"
}

// A Signer is the identity in the certificate that made a signature.
type Signer struct {
	Issuer  string `json:"issuer"`  // the issuer of the identity token, a URL
	Subject string `json:"subject"` // an email address or a URI
}

// A response is the verifier's answer.
type response struct {
	Signer
	Error string `json:"error,omitempty"`
}

// CheckRoot returns an error if data is obviously no Sigstore trusted root, for
// example because the wrong file was given. Only the verifier parses it fully.
func CheckRoot(data []byte) error {
	var head struct {
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if !strings.HasPrefix(head.MediaType, "application/vnd.dev.sigstore.trustedroot") {
		return fmt.Errorf("not a trusted root: the media type is %q", head.MediaType)
	}
	return nil
}

// A Program starts the verifier at Path.
type Program struct {
	Path        string
	TrustedRoot []byte
}

// Beside returns the path of the verifier in the directory of the running program.
func Beside() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), Name)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("finding %s: %w", Name, err)
	}
	return path, nil
}

// Verify runs the verifier and returns the signer. The process gets no environment,
// and so no credentials.
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
		return Signer{}, fmt.Errorf("reading response of %s: %w", p.Path, err)
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

// Serve is the verifier's side. It answers one request.
func Serve(ctx context.Context, in io.Reader, out io.Writer, verify func(context.Context, Request) (Signer, error)) error {
	var req Request
	if err := readFrame(in, &req); err != nil {
		return fmt.Errorf("reading request: %w", err)
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
	if err := binary.Write(w, binary.BigEndian, uint32(len(data))); err != nil { // checked above
		return err
	}
	_, err = w.Write(data)
	return err
}

func readFrame(r io.Reader, v any) error {
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return fmt.Errorf("reading frame length: %w", err)
	}
	if size > maxFrame {
		return fmt.Errorf("a frame of %d bytes is over the limit of %d", size, maxFrame)
	}
	var data bytes.Buffer // grows with the data, whatever the length says
	if n, err := io.CopyN(&data, r, int64(size)); err != nil {
		return fmt.Errorf("frame ends after %d of %d bytes: %w", n, size, err)
	}
	return json.Unmarshal(data.Bytes(), v)
}

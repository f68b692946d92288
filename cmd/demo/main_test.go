package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom/reference"
)

// TestDemo does what `make demo` does: it fails where a step ends otherwise than the text says.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := demo(t.Context(), &out, "../../testdata/demo"); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if want := "The run image is enough"; !strings.Contains(out.String(), want) {
		t.Errorf("the demo does not end with %q:\n%s", want, &out)
	}
}

// TestServe starts the registry of the tutorials, reads an image from it, and stops it.
func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	said, say := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, say, "127.0.0.1:0") }()
	var address string
	if _, err := fmt.Fscanf(said, "A registry at %s with ", &address); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	img, err := (&image.Opener{}).Open(ctx, reference.Parse(address+"/run:curl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("stopped by its context, it ended with %v", err)
	}
}

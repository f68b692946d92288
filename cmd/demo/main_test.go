package main

import (
	"bytes"
	"strings"
	"testing"
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

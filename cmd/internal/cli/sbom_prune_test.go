package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestConfirm: only yes is yes, and nothing is asked where nobody can answer.
func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "Yes\n": true, "yes": true, "\n": false, "": false, "n\n": false, "yesterday\n": false} {
		var asked bytes.Buffer
		c := &Console{In: strings.NewReader(answer), Err: &asked}
		if got := c.confirm("Remove these 2?"); got != want || asked.String() != "Remove these 2? [y/N] " {
			t.Errorf("%q: got %t, asked %q", answer, got, &asked)
		}
		if c.interactive() {
			t.Error("it is a terminal")
		}
	}
}

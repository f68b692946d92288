//go:build linux

package apply

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever the length of a message, the pipe holds nothing of it when it has been
// read, and all of what follows. A decoder of JSON that was used here left the end
// of the line behind where the message filled its buffer (512, 1536, 3584 … bytes).
func TestMessagesOfEveryLength(t *testing.T) {
	for length := range 8193 {
		r, w, err := os.Pipe()
		check(t, err)
		sent := strings.Repeat("x", length)
		check(t, writeMessage(w, sent))
		check(t, writeMessage(w, outcome{Exit: length}))
		check(t, write(w, "rest"))
		check(t, w.Close())
		var got string
		check(t, readMessage(r, &got))
		var second outcome
		check(t, readMessage(r, &second))
		rest, err := io.ReadAll(r)
		check(t, err)
		check(t, r.Close())
		if got != sent || second.Exit != length || string(rest) != "rest" {
			t.Fatalf("%d bytes: got %d bytes, then %+v, then %q", length, len(got), second, rest)
		}
	}
}

func TestBrokenMessages(t *testing.T) {
	var whole bytes.Buffer
	check(t, writeMessage(&whole, outcome{Failure: "x"}))
	for n := range whole.Len() {
		var o outcome
		err := readMessage(bytes.NewReader(whole.Bytes()[:n]), &o)
		if n == 0 && !errors.Is(err, io.EOF) || n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("cut off after %d bytes: got %v", n, err)
		}
	}
	var o outcome
	if err := readMessage(strings.NewReader("\xff\xff\xff\xff"), &o); err == nil || !strings.Contains(err.Error(), "exceeds the limit") {
		t.Errorf("endless: got %v", err)
	}
	if err := readMessage(strings.NewReader("\x00\x00\x00\x01{"), &o); err == nil {
		t.Error("malformed: no error")
	}
}

// A command lives on whatever the length of what its supervisor is told.
func TestCommandRunsWhateverTheMessageLength(t *testing.T) {
	b, err := newFixture(t).begin(newFixture(t).config)
	check(t, err)
	var out bytes.Buffer
	b.Stdout = &out
	c := command{Args: []string{"/bin/sh", "-c", "sleep 0.1; echo lived"}, Dir: "/", UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	for _, length := range []int{511, 512, 513, 1536, 3584, 7680} {
		c.Env = []string{"PATH=/usr/bin:/bin", "PAD="}
		short, err := json.Marshal(c)
		check(t, err)
		c.Env[1] += strings.Repeat("x", length-len(short))
		out.Reset()
		if err := b.start(t.Context(), c, false); err != nil {
			t.Errorf("told in %d bytes: %v", length, err)
		}
		if diff := cmp.Diff("lived\n", out.String()); diff != "" {
			t.Errorf("told in %d bytes: %s", length, diff)
		}
	}
}

// TestErrorExplainsMissingProcOnlyIfMentioned gives the hint about /proc only to commands that complain of it.
func TestErrorExplainsMissingProcOnlyIfMentioned(t *testing.T) {
	for _, c := range []struct {
		writes []string
		want   bool
	}{
		{[]string{"cat: can't open '/proc/self/status'"}, true}, {[]string{"x/pr", "oc/y"}, true}, {[]string{"/", "p", "roc"}, true},
		{[]string{"E: unable to locate package", "/pr/oc"}, false}, {nil, false},
	} {
		var out bytes.Buffer
		w := &watched{to: &out}
		for _, text := range c.writes {
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		err := (&outcome{Exit: 1, NoProc: true}).err(w.proc)
		if got := strings.Contains(err.Error(), "/proc"); got != c.want || out.String() != strings.Join(c.writes, "") {
			t.Errorf("%q: %v", c.writes, err)
		}
	}
}

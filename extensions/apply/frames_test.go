//go:build linux

package apply

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// TestFiles: what is sent arrives, in whatever pieces it is read, and the next frame is what follows.
func TestFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 0, 3*abi.Chunk).Draw(t, "content")
		failure := rapid.SampledFrom([]error{nil, errors.New("the disk is full")}).Draw(t, "failure")
		take := rapid.IntRange(0, len(content)).Draw(t, "taken before closing")
		var wire bytes.Buffer
		l := &link{in: iotest.HalfReader(&wire), out: &wire}
		if err := l.sendFile(io.MultiReader(bytes.NewReader(content), failing{failure})); err != nil {
			t.Fatal(err)
		}
		if err := l.send(frameStdout, []byte("next")); err != nil {
			t.Fatal(err)
		}
		f := l.file()
		got := make([]byte, take)
		if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, content[:take]) {
			t.Fatalf("the first %d bytes differ, %v", take, err)
		}
		if err := f.Close(); (err == nil) != (failure == nil) || err != nil && err.Error() != failure.Error() {
			t.Fatalf("closing: %v, want %v", err, failure)
		}
		if kind, body, err := l.receive(); kind != frameStdout || string(body) != "next" || err != nil {
			t.Fatalf("%q %q, %v", kind, body, err)
		}
	})
}

// A failing reader has an error, or the end.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

// FuzzFrames: no input makes the reading side panic, wait or take much memory.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{"", "d\x00\x00\x00\x02hie\x00\x00\x00\x00", "d\xff\xff\xff\xff", "e\x00\x00\x00\x01x", "r\x00\x00\x00\x02{}", "q\x00\x00\x00\x0b{\"Layer\":99}"} {
		f.Add([]byte(seed))
	}
	spool := f.TempDir()
	f.Add([]byte("q\x00\x00\x00\x0c{\"Keep\":\"x\"}d\x00\x00\x00\x02hie\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		l := &link{in: bytes.NewReader(wire), out: io.Discard}
		if _, err := io.Copy(io.Discard, l.file()); errors.Is(err, io.EOF) {
			t.Errorf("the end of the pipe is taken for the end of a file: %v", err)
		}
		s := &supervisor{Applier: &Applier{Stdout: io.Discard, Stderr: io.Discard}, build: &build{}, link: link{in: bytes.NewReader(wire), out: io.Discard}}
		s.Log, s.Spool, s.NoNetwork, s.files, s.Sandbox = discard, spool, true, map[v1.Hash]string{}, &Sandbox{Disk: 1 << 20}
		if r, err := s.serve(t.Context()); err == nil && r == nil {
			t.Error("neither a report nor an error")
		}
	})
}

// TestFailures: an error is the same outside of the sandbox, as far as callers tell.
func TestFailures(t *testing.T) {
	for _, err := range []error{
		nil, errors.New("plain"), &Error{Path: "p", Line: 3, Instruction: "RUN x", ExitCode: 7, Err: errors.New("exit code 7")},
		&Error{Path: "p", Line: 3, Instruction: "USER x", Err: ErrNotPermitted}, ErrRootUser,
	} {
		got := failureOf(err).err()
		if (got == nil) != (err == nil) || err != nil && got.Error() != err.Error() {
			t.Errorf("got %v, want %v", got, err)
		}
		for _, kind := range []error{ErrRootUser, ErrNotPermitted} {
			if errors.Is(got, kind) != errors.Is(err, kind) {
				t.Errorf("%v: errors.Is(%v) is %t", err, kind, errors.Is(got, kind))
			}
		}
		want, ok := errors.AsType[*Error](err)
		if at, has := errors.AsType[*Error](got); has != ok || ok && (at.Path != want.Path || at.Line != want.Line || at.Instruction != want.Instruction || at.ExitCode != want.ExitCode) {
			t.Errorf("got %+v, want %+v", at, want)
		}
	}
}

// TestEntryNames: only what the cache itself makes up is looked for in it.
func TestEntryNames(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for name, want := range map[string]bool{
		hex: true, "mount-" + hex: true, "": false, "..": false, hex + "/..": false, "../" + hex: false, strings.ToUpper(hex): false, hex + "\n": false, "mount-": false,
	} {
		if got := entryName.MatchString(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}

// TestExcerpt keeps the beginning and the end.
func TestExcerpt(t *testing.T) {
	var got excerpt
	if _, err := got.Write([]byte("panic: the cause\n")); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		if _, err := got.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := got.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	if text := got.String(); len(text) != 2*excerptSize || !strings.HasPrefix(text, "panic: the cause\n") || !strings.HasSuffix(text, "xend") {
		t.Errorf("%d bytes", len(text))
	}
}

// TestContexts: a build context is the same in the sandbox, except for owners and times.
func TestContexts(t *testing.T) {
	from := t.TempDir()
	s := &stage{b: &build{Applier: &Applier{App: from}}, d: whole(jobFile{})}
	makeContext(t, from)
	c, err := s.openContext()
	if err != nil {
		t.Fatal(err)
	}
	var tar bytes.Buffer
	if err := packContext(c, &tar); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir() + "/copy"
	if err := unpackContext(&tar, to); err != nil {
		t.Fatal(err)
	}
	if got, want := listing(t, to), listing(t, from); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

var discard = slog.New(slog.DiscardHandler)

// makeContext makes one of each kind of file.
func makeContext(t *testing.T, dir string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.MkdirAll(at("d/e"), 0o755), os.WriteFile(at("d/file"), []byte("content"), 0o640), os.Link(at("d/file"), at("d/e/hard")),
		os.Symlink("../nowhere", at("d/link")), os.WriteFile(at(".wh.odd"), nil, 0o600), os.WriteFile(at("né\n"), []byte("x"), 0o600),
		os.Chmod(at("d/e"), 0o700|os.ModeSetgid), os.Chmod(at("né\n"), 0o755|os.ModeSetuid), unix.Mkfifo(at("pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// listing lists names, modes, link targets, contents and numbers of links.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		link, _ := os.Readlink(name)
		var content []byte
		if info.Mode().IsRegular() {
			content, err = os.ReadFile(name)
		}
		fmt.Fprintf(&b, "%q %s %q %q %d\n", rel, info.Mode(), link, content, info.Sys().(*syscall.Stat_t).Nlink)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

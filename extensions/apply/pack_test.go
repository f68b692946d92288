//go:build linux

package apply

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/extensions"
)

// TestExcludedFilesStayOutside: whatever is copied from the copy of a build context is what it would be
// from the context itself.
func TestExcludedFilesStayOutside(t *testing.T) {
	names := []string{"a", "b", "secret", "d"}
	temp := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(temp, "")
		if err != nil {
			rt.Fatal(err)
		}
		name := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(names), 1, 3).Draw(t, "parts"), "/")
		})
		root, err := os.OpenRoot(dir)
		if err != nil {
			rt.Fatal(err)
		}
		defer root.Close()
		for i := range rapid.IntRange(0, 8).Draw(rt, "files") {
			at := name.Draw(rt, "file")
			_ = root.MkdirAll(filepath.Dir(at), 0o755) // there may be a file already
			if rapid.IntRange(0, 4).Draw(rt, "kind") == 0 {
				_ = root.Symlink(rapid.SampledFrom([]string{"a", "../b", "secret", "d/secret", "/d", "missing"}).Draw(rt, "target"), at)
			} else {
				_ = root.WriteFile(at, fmt.Append(nil, "content ", i), 0o644)
			}
		}
		patterns := rapid.SliceOfN(rapid.SampledFrom([]string{"secret", "**/secret", "d", "d/*", "*", "!a", "!d/b", ".dockerignore", "[a"}), 0, 3).Draw(rt, "patterns")
		if err := os.WriteFile(filepath.Join(dir, ignoreFile), []byte(strings.Join(patterns, "\n")), 0o644); err != nil {
			rt.Fatal(err)
		}
		packed := filepath.Join(dir, "..", "packed-"+filepath.Base(dir))
		copyContext(rt, dir, packed)
		pattern := rapid.OneOf(name, rapid.SampledFrom([]string{".", "*", "d/*", "*/secret", "missing*"})).Draw(rt, "pattern")
		if got, want := copied(packed, pattern), copied(dir, pattern); got != want {
			rt.Errorf("COPY %s:\n%s\nwant\n%s", pattern, got, want)
		}
	})
}

func TestExcludedFilesByOtherNames(t *testing.T) {
	for _, c := range []struct {
		name, ignore, pattern string
		links                 [][2]string
		sent                  bool
	}{
		{"a name", "node_modules", "node_modules/large", nil, false},
		{"all", "node_modules", ".", nil, false},
		{"an excluded link", "node_modules\nlink", "link", [][2]string{{"node_modules/large", "link"}}, false},
		{"a link to another file", "node_modules", "link", [][2]string{{"main.js", "link"}}, false},
		{"a link", "node_modules", "link", [][2]string{{"node_modules/large", "link"}}, true},
		{"two links", "node_modules", "link", [][2]string{{"link2", "link"}, {"node_modules/large", "link2"}}, true},
		{"a link to the directory", "node_modules", "link/large", [][2]string{{"node_modules", "link"}}, true},
		{"a link to a directory above", "node_modules", "link/node_modules/large", [][2]string{{".", "link"}}, true},
		{"an exception", "node_modules\n!node_modules/large", "node_modules", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, packed := t.TempDir(), filepath.Join(t.TempDir(), "packed")
			at := func(name string) string { return filepath.Join(dir, name) }
			errs := []error{
				os.Mkdir(at("node_modules"), 0o755), os.WriteFile(at("node_modules/large"), []byte("x"), 0o600),
				os.WriteFile(at("main.js"), nil, 0o600), os.WriteFile(at(ignoreFile), []byte(c.ignore), 0o600),
			}
			for _, link := range c.links {
				errs = append(errs, os.Symlink(link[0], at(link[1])))
			}
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			copyContext(t, dir, packed)
			if got, want := copied(packed, c.pattern), copied(dir, c.pattern); got != want {
				t.Errorf("COPY %s:\n%s\nwant\n%s", c.pattern, got, want)
			}
			if info, err := os.Lstat(filepath.Join(packed, "node_modules/large")); err != nil || info.Mode().IsRegular() != c.sent {
				t.Errorf("sent: %v, %v, want %t", info, err, c.sent)
			}
		})
	}
}

// TestPatternsDoNotOpenPipes: a pipe in the build context is no directory.
func TestPatternsDoNotOpenPipes(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := copied(dir, "*/x"); got != "<nil>\n" {
		t.Errorf("got %s", got)
	}
}

func copyContext(t interface{ Fatal(...any) }, from, to string) {
	c, err := (&stage{b: &build{Applier: &Applier{App: from}}, d: &extensions.Dockerfile{}}).openContext()
	if err != nil {
		t.Fatal(err)
	}
	defer c.root.Close()
	var tar bytes.Buffer
	if err := packContext(c, &tar); err != nil {
		t.Fatal(err)
	}
	if err := unpackContext(&tar, to); err != nil {
		t.Fatal(err)
	}
}

// copied says what a COPY instruction copies.
func copied(dir, pattern string) string {
	s := &stage{b: &build{Applier: &Applier{App: dir}}, d: &extensions.Dockerfile{}}
	sources, err := s.fromContext(pattern, transfer{})
	text := fmt.Sprintln(err)
	for _, src := range sources {
		text += fmt.Sprintln(src.base, src.dir, src.archive)
		for _, e := range src.entries {
			text += fmt.Sprintf("%q %s %q %s %q\n", e.name, e.mode, e.link, e.sum, e.hard)
		}
	}
	return strings.ReplaceAll(text, dir, "DIR")
}

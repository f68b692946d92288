package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/baseplan/baseplan/lifecycle/cache"
)

// oddPhase puts all kinds of odd things in the place of a file, and runs a phase each time. Whatever its exit code has to be, it says
// that it found no regular file, reads nothing through a link, and does not wait for the end of a pipe: odd FILE CODE PHASE ARG...
func oddPhase(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	good, secret := file+".good", ts.MkAbs("secret")
	ts.Check(os.Rename(file, good))
	for name, put := range map[string]func() error{
		"a link":             func() error { return os.Symlink(good, file) },
		"a link to a secret": func() error { return os.Symlink(secret, file) },
		"a link to a device": func() error { return os.Symlink("/dev/zero", file) },
		"a pipe":             func() error { return syscall.Mkfifo(file, 0o666) },
		"a directory":        func() error { return os.Mkdir(file, 0o755) },
	} {
		ts.Check(put())
		out, errs, exit := startPhase(ts, args[2:])
		if said := out + errs; strconv.Itoa(exit) != args[1] || !strings.Contains(said, "it is not a regular file") || strings.Contains(said, "top secret") {
			ts.Fatalf("%s as %s: %s ends with %d and says %q", args[0], name, args[2], exit, said)
		}
		ts.Check(os.RemoveAll(file))
	}
	ts.Check(os.Rename(good, file))
}

// poisonCache changes the layers of a cache directory as one who can write there might: all files are root's and setuid,
// and SBOMs are links to the file secret: poison DIR.
func poisonCache(ts *testscript.TestScript, _ bool, args []string) {
	dir := filepath.Join(ts.MkAbs(args[0]), "committed")
	file := filepath.Join(dir, cache.MetadataName)
	metadata, err := os.ReadFile(file)
	ts.Check(err)
	tars, err := filepath.Glob(filepath.Join(dir, "sha256:*.tar"))
	ts.Check(err)
	links := 0
	for _, name := range tars {
		data, err := os.ReadFile(name)
		ts.Check(err)
		changed, n, err := poisoned(data, ts.MkAbs("secret"))
		ts.Check(err)
		links += n
		id := fmt.Sprintf("sha256:%x", sha256.Sum256(changed))
		ts.Check(errors.Join(os.Remove(name), os.WriteFile(filepath.Join(dir, id+".tar"), changed, 0o644)))
		metadata = bytes.ReplaceAll(metadata, []byte(strings.TrimSuffix(filepath.Base(name), ".tar")), []byte(id))
	}
	if links == 0 {
		ts.Fatalf("no SBOM in %v", tars)
	}
	ts.Check(os.WriteFile(file, metadata, 0o644))
}

func poisoned(layer []byte, secret string) (changed []byte, links int, err error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out.Bytes(), links, w.Close()
		}
		if err != nil {
			return nil, 0, err
		}
		h.Uid, h.Gid = 0, 0
		if h.Typeflag == tar.TypeReg {
			h.Mode |= 0o4000
		}
		if strings.HasSuffix(h.Name, "/sbom.cdx.json") {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, secret, 0
			links++
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, 0, err
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.Copy(w, r); err != nil {
				return nil, 0, err
			}
		}
	}
}

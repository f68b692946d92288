//go:build linux

package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	continuity "github.com/containerd/continuity/fs"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"golang.org/x/sys/unix"
)

// sources returns what is to be copied.
func (s *stage) sources(ctx context.Context, t transfer) ([]source, error) {
	var all []source
	for _, name := range t.to.SourcePaths {
		var found []source
		var err error
		switch {
		case isURL(name) && !t.add:
			err = errors.New("COPY cannot download a URL; use ADD")
		case isURL(name):
			found, err = s.download(ctx, name, t)
		case strings.HasPrefix(name, "git@") || strings.HasPrefix(name, "git://") || strings.HasPrefix(name, "ssh://"):
			err = fmt.Errorf("%s: git repositories are not supported", name)
		default:
			found, err = s.fromContext(name, t)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	for _, c := range t.to.SourceContents {
		all = append(all, source{base: path.Base(c.Path), entries: []sourceFile{{mode: 0o644, data: []byte(c.Data), sum: digestOf([]byte(c.Data))}}})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no such file in the build context", strings.Join(t.to.SourcePaths, " "))
	}
	return all, nil
}

func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

var errNoNetwork = errors.New("the network is disabled (CNB_EXTEND_NETWORK is none)")

// download downloads a URL into the spool directory.
func (s *stage) download(ctx context.Context, name string, t transfer) ([]source, error) {
	if s.b.NoNetwork {
		return nil, fmt.Errorf("downloading %s: %w", name, errNoNetwork)
	}
	u, err := url.Parse(name)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(u.Path, ".git") {
		return nil, fmt.Errorf("%s: git repositories are not supported", u.Redacted())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.b.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("downloading %s: %s", u.Redacted(), resp.Status)
	}
	file, digest, _, err := spool(s.b.Spool, "download-*", func(w io.Writer) error {
		_, err := io.Copy(w, resp.Body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("downloading %s: %w", u.Redacted(), err)
	}
	if t.checksum != "" && t.checksum != digest.String() {
		return nil, fmt.Errorf("downloading %s: its digest is %s, not %s", u.Redacted(), digest, t.checksum)
	}
	open := func() (*os.File, error) { return openRegular(file) }
	src := source{base: path.Base(u.Path), entries: []sourceFile{{mode: 0o600, open: open, sum: digest.Hex}}}
	if src.base == "." || src.base == "/" {
		src.base = "__unnamed__" // as BuildKit names it
	}
	if at, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		src.entries[0].mtime = at
	}
	src.archive = t.unpack != nil && *t.unpack && isArchive(open)
	return []source{src}, nil
}

// A buildContext is the directory that COPY and ADD copy from. The application can create
// links, pipes and the like in it at any time, so files are listed and opened through an
// os.Root.
type buildContext struct {
	dir    string
	root   *os.Root
	ignore *patternmatcher.PatternMatcher
}

// context opens the build context (image_extension.md, "Context Folders").
func (s *stage) context() (*buildContext, error) {
	if s.files != nil {
		return s.files, nil
	}
	c, err := s.openContext()
	if err != nil {
		return nil, fmt.Errorf("reading the build context: %w", err)
	}
	if err := c.readIgnore(); err != nil {
		return nil, fmt.Errorf("reading .dockerignore: %w", err)
	}
	s.files = c
	return c, nil
}

const ignoreFile = ".dockerignore"

func (c *buildContext) readIgnore() error {
	var patterns []string
	f, err := c.open(ignoreFile, 0)
	if err == nil {
		patterns, err = ignorefile.ReadAll(f)
		f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c.ignore, err = patternmatcher.New(patterns)
	return err
}

// openContext opens the directory. An extension's own context is in [Applier.Generated], and
// links cannot lead out of there.
func (s *stage) openContext() (*buildContext, error) {
	if s.b.guest != nil {
		dir, err := s.b.guest.context(s.index)
		if err != nil {
			return nil, err
		}
		root, err := os.OpenRoot(dir)
		return &buildContext{dir: dir, root: root}, err
	}
	base, below := s.b.App, ""
	if s.d.Context != "" {
		base, below = s.b.Generated, filepath.FromSlash(s.d.Context)
		if filepath.IsAbs(below) {
			base, below = below, ""
		}
	}
	if base == "" {
		return nil, errors.New("no build context is set")
	}
	dir, err := filepath.EvalSymlinks(base)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil || below == "" {
		return &buildContext{dir: dir, root: root}, err
	}
	defer root.Close()
	inner, err := root.OpenRoot(below)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(filepath.Join(dir, below)); err != nil {
		return nil, err
	}
	return &buildContext{dir: dir, root: inner}, nil
}

// open opens a regular file of the context.
func (c *buildContext) open(name string, flags int) (*os.File, error) {
	info, err := c.root.Stat(name) // opening a device can have side effects
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &pathError{"opening", name, errNotRegular}
	}
	f, err := c.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|flags, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = &pathError{"opening", name, errNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// fromContext returns the files of the context that match a name or pattern.
func (s *stage) fromContext(pattern string, t transfer) ([]source, error) {
	c, err := s.context()
	if err != nil {
		return nil, err
	}
	names := []string{path.Clean("/" + pattern)[1:]}
	if names[0] == "" {
		names[0] = "."
	}
	if strings.ContainsAny(pattern, `*?[\`) {
		if names, err = fs.Glob(globFS{c.root.FS(), c.root}, names[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", pattern, err)
		}
	}
	var found []source
	for _, name := range names {
		src, err := c.source(name, t)
		if errors.Is(err, fs.ErrNotExist) {
			if len(names) == 1 {
				return nil, fmt.Errorf("%s: no such file in the build context", pattern)
			}
			continue // excluded by .dockerignore
		}
		if err != nil {
			return nil, err
		}
		found = append(found, src)
	}
	return found, nil
}

// A globFS does not open what is no directory: opening a pipe takes forever.
type globFS struct {
	fs.FS
	root *os.Root
}

func (g globFS) Stat(name string) (fs.FileInfo, error) { return g.root.Stat(name) }

func (g globFS) ReadDir(name string) ([]fs.DirEntry, error) {
	dir, err := g.root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// source reads one file or directory. It follows links in the name, within the context.
func (c *buildContext) source(name string, t transfer) (source, error) {
	full, err := continuity.RootPath(c.dir, name)
	if err != nil {
		return source{}, err
	}
	inContext, err := filepath.Rel(c.dir, full)
	if err != nil {
		return source{}, err
	}
	info, err := c.root.Lstat(inContext)
	if err != nil {
		return source{}, err
	}
	src := source{base: path.Base(name), dir: info.IsDir()}
	if !src.dir {
		if left, err := c.ignored(name); left || err != nil {
			return source{}, errors.Join(err, fs.ErrNotExist)
		}
		if !info.Mode().IsRegular() {
			return source{}, &pathError{"copying", name, errNotRegular}
		}
		e, err := c.read("", inContext, info)
		src.entries = []sourceFile{e}
		src.archive = err == nil && t.add && (t.unpack == nil || *t.unpack) && isArchive(e.open)
		return src, err
	}
	src.entries, err = c.walk(inContext)
	return src, err
}

func (c *buildContext) ignored(name string) (bool, error) {
	if name == "." {
		return false, nil
	}
	return c.ignore.MatchesOrParentMatches(name)
}

// walk lists a directory, starting with itself. A directory excluded by .dockerignore is
// included only if something in it is.
func (c *buildContext) walk(top string) (entries []sourceFile, err error) {
	var held []sourceFile // excluded parents of the current file
	first := map[inode]string{}
	err = fs.WalkDir(c.root.FS(), top, func(inContext string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		left, err := c.ignored(inContext)
		if err != nil {
			return err
		}
		if left && d.IsDir() && !c.ignore.Exclusions() {
			return filepath.SkipDir
		}
		if left && !d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, inContext)
		if err != nil {
			return err
		}
		e, err := c.read(name, inContext, info)
		if err != nil || e.mode&(fs.ModeSocket|fs.ModeDevice|fs.ModeNamedPipe|fs.ModeIrregular) != 0 {
			return err
		}
		for len(held) > 0 && !strings.HasPrefix(name, held[len(held)-1].name+"/") {
			held = held[:len(held)-1]
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 && e.mode.IsRegular() {
			id := inode{uint64(st.Dev), st.Ino} // its type depends on the architecture
			if e.hard = first[id]; e.hard == "" {
				first[id] = name
			}
		}
		if left {
			held = append(held, e)
			return nil
		}
		entries, held = append(append(entries, held...), e), nil
		return nil
	})
	return entries, err
}

// read returns the type, mode, link target and digest of a file of the context.
func (c *buildContext) read(name, inContext string, info fs.FileInfo) (e sourceFile, err error) {
	e = sourceFile{name: name, mode: info.Mode()}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		e.link, err = c.root.Readlink(inContext)
	case info.Mode().IsRegular():
		e.open = func() (*os.File, error) { return c.open(inContext, unix.O_NOFOLLOW) }
		var f *os.File
		if f, err = e.open(); err != nil {
			return e, err
		}
		defer f.Close()
		sum := sha256.New()
		_, err = io.Copy(sum, f)
		e.sum = hex.EncodeToString(sum.Sum(nil))
	}
	return e, err
}

package layers_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/layers"
)

func TestExtractRestoresTheDirectory(t *testing.T) {
	from := referenceTree(t)
	check(t, os.Chmod(filepath.Join(from, "layers/acme_ruby/ruby/lib"), 0o555))
	there, err := layers.Source{Root: from, UID: 5, GID: 6}.Dir("/layers/acme_ruby/ruby")
	check(t, err)
	tarred := content(t, there)

	to := layers.Source{Root: tree(t, map[string]string{"layers/acme_ruby/ruby/stale": ""}), UID: 5, GID: 6}
	check(t, to.Extract(bytes.NewReader(tarred), "/layers/acme_ruby/ruby"))
	t.Cleanup(func() { // or only root could remove it
		for _, root := range []string{from, to.Root} {
			check(t, os.Chmod(filepath.Join(root, "layers/acme_ruby/ruby/lib"), 0o755))
		}
	})
	back, err := to.Dir("/layers/acme_ruby/ruby")
	check(t, err)
	if diff := cmp.Diff(listing(t, tarred), listing(t, content(t, back))); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(tarred, content(t, back)) {
		t.Error("the bytes differ")
	}
}

func TestExtractRefuses(t *testing.T) {
	file := func(name string) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}
	}
	link := func(name, target string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
	}
	for name, headers := range map[string][]tar.Header{
		"dots":              {file("/layers/bp/l/../../../etc/x")},
		"dots at the end":   {{Typeflag: tar.TypeDir, Name: "/layers/bp/l/.."}},
		"elsewhere":         {file("/etc/x")},
		"a neighbour":       {file("/layers/bp/l2")},
		"a file as parent":  {file("/layers/bp")},
		"a link as parent":  {link("/layers/bp", "/etc")},
		"through a link":    {link("/layers/bp/l/a", "/"), file("/layers/bp/l/a/escaped")},
		"through dots":      {link("/layers/bp/l/a", "../../.."), file("/layers/bp/l/a/escaped")},
		"onto a link":       {link("/layers/bp/l/a", "/escaped"), file("/layers/bp/l/a")},
		"a directory's way": {link("/layers/bp/l/a", "../.."), {Typeflag: tar.TypeDir, Name: "/layers/bp/l/a/escaped/b"}},
		"a hard link":       {{Typeflag: tar.TypeLink, Name: "/layers/bp/l/a", Linkname: "/etc/passwd"}},
		"a disk":            {{Typeflag: tar.TypeBlock, Name: "/layers/bp/l/a", Devmajor: 8}},
		"capabilities":      {{Typeflag: tar.TypeReg, Name: "/layers/bp/l/a", PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "x"}}},
		"a device":          {{Typeflag: tar.TypeChar, Name: "/layers/bp/l/a", Devmajor: 1, Devminor: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			var data bytes.Buffer
			w := tar.NewWriter(&data)
			check(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "/layers/bp/l", Mode: 0o755}))
			for _, h := range headers {
				check(t, w.WriteHeader(&h))
			}
			check(t, w.Close())
			root := t.TempDir()
			if err := (layers.Source{Root: root}).Extract(&data, "/layers/bp/l"); err == nil {
				t.Error("extracted")
			}
			left := []string{}
			check(t, filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
				left = append(left, strings.TrimPrefix(p, root))
				return err
			}))
			if diff := cmp.Diff([]string{"", "/layers", "/layers/bp"}, left); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Below the base, no link is gone through; what stands in the place of the directory itself goes.
func TestExtractFollowsNoLinks(t *testing.T) {
	from := tree(t, map[string]string{"layers/bp/l/file": "new"})
	l, err := layers.Source{Root: from}.Dir("/layers/bp/l")
	check(t, err)
	data := content(t, l)
	for name, tt := range map[string]struct {
		at, to, base string
		ok           bool
	}{
		"the directory":               {"layers/bp/l", "outside", "/layers", true},
		"its parent":                  {"layers/bp", "outside", "/layers", false},
		"its parent, to a neighbour":  {"layers/bp", "layers/other", "/layers", false},
		"the base":                    {"layers", "outside", "/layers", true},
		"above the base":              {"layers", "outside", "/layers/bp", true},
		"the base, where none is set": {"layers", "outside", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, map[string]string{"outside/l/file": "old", "outside/bp/l/file": "old", "layers/other/l/file": "old"})
			at := filepath.Join(root, tt.at)
			check(t, os.RemoveAll(at))
			check(t, os.MkdirAll(filepath.Dir(at), 0o755))
			check(t, os.Symlink(filepath.Join(root, tt.to), at))
			err := layers.Source{Root: root, Base: tt.base}.Extract(bytes.NewReader(data), "/layers/bp/l")
			if tt.ok != (err == nil) {
				t.Errorf("%v", err)
			}
			changed := tt.ok && tt.at == "layers" // the platform's own link
			for _, file := range []string{"outside/l/file", "outside/bp/l/file", "layers/other/l/file"} {
				got, err := os.ReadFile(filepath.Join(root, file))
				if err != nil && tt.at == "layers" && strings.HasPrefix(file, "layers") {
					continue
				}
				if want := map[bool]string{false: "old", true: "new"}[changed && file == "outside/bp/l/file"]; string(got) != want {
					t.Errorf("%s is %q, %v", file, got, err)
				}
			}
		})
	}
}

// A layer of a directory whose way goes through a link is none.
func TestDirFollowsNoLinks(t *testing.T) {
	root := tree(t, map[string]string{"layers/bp/l/file": "", "outside/l/file": ""})
	check(t, os.Symlink(filepath.Join(root, "outside"), filepath.Join(root, "layers/link")))
	s := layers.Source{Root: root, Base: "/layers"}
	if _, err := s.Dir("/layers/link/l"); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("%v", err)
	}
	if _, err := s.Dir("/layers/bp/l"); err != nil {
		t.Error(err)
	}
	if _, err := s.Dir("/outside/l"); err != nil {
		t.Errorf("elsewhere: %v", err)
	}
}

func TestExtractRemovesABrokenLayer(t *testing.T) {
	l, err := layers.Source{Root: referenceTree(t)}.Dir("/layers/acme_ruby/gems")
	check(t, err)
	data, broken := content(t, l), errors.New("broken")
	for name, r := range map[string]io.Reader{
		"cut":        bytes.NewReader(data[:len(data)/2+7]),
		"no tar":     strings.NewReader(strings.Repeat("x", 2048)),
		"at the end": io.MultiReader(bytes.NewReader(data), failing{broken}),
	} {
		root := t.TempDir()
		err := layers.Source{Root: root}.Extract(r, "/layers/acme_ruby/gems")
		if err == nil || name == "at the end" && !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(root, "layers/acme_ruby/gems")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: left behind: %v", name, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzExtract(f *testing.F) {
	l, err := layers.Source{Root: referenceTree(f)}.Dir("/layers/acme_ruby/ruby")
	check(f, err)
	f.Add(content(f, l))
	f.Fuzz(func(t *testing.T, data []byte) {
		root := t.TempDir()
		check(t, os.MkdirAll(filepath.Join(root, "layers/acme_ruby"), 0o755))
		_ = layers.Source{Root: root}.Extract(bytes.NewReader(data), "/layers/acme_ruby/ruby")
		for _, dir := range []string{root, filepath.Join(root, "layers"), filepath.Join(root, "layers/acme_ruby")} {
			if in, err := os.ReadDir(dir); err != nil || len(in) > 1 {
				t.Errorf("%s: %v, %v", dir, in, err)
			}
		}
	})
}

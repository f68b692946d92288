package cache_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/layers"
)

// referenceDir is a cache directory that another lifecycle left behind.
func referenceDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	check(t, os.Mkdir(filepath.Join(dir, "committed"), 0o755))
	files, err := os.ReadDir("testdata/committed")
	check(t, err)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join("testdata/committed", f.Name()))
		check(t, err)
		name := f.Name()
		if strings.HasSuffix(name, ".tar") {
			name = "sha256:" + name
		}
		check(t, os.WriteFile(filepath.Join(dir, "committed", name), data, 0o644))
	}
	return dir
}

// files is the content of all files below a directory.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	check(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		all[strings.TrimPrefix(p, dir+"/")] = string(data)
		return err
	}))
	return all
}

func TestCacheOfAnotherLifecycle(t *testing.T) {
	dir := referenceDir(t)
	inventory := filepath.Join(dir, "run-image/sha256-abc.json")
	check(t, os.MkdirAll(filepath.Dir(inventory), 0o755))
	check(t, os.WriteFile(inventory, []byte("{}"), 0o644))
	before := files(t, dir)

	c := &cache.Volume{Dir: dir}
	m, err := c.Metadata(t.Context())
	check(t, err)
	ruby := m.Buildpacks[0].Layers["ruby"]
	if m.Buildpacks[0].Key != "acme/ruby" || !ruby.Build || !ruby.Launch || !ruby.Cache ||
		!cmp.Equal(ruby.Data, any(map[string]any{"version": "3.3.0"})) {
		t.Errorf("got %+v", m)
	}

	root := t.TempDir()
	for name, l := range m.Buildpacks[0].Layers {
		id, err := v1.NewHash(l.SHA)
		check(t, err)
		r, err := c.Open(t.Context(), id)
		check(t, err)
		source := layers.Source{Root: root, Base: "/layers", UID: 1000, GID: 1000}
		check(t, source.Extract(r, "/layers/acme_ruby/"+name))
		check(t, r.Close())
		check(t, os.Chmod(filepath.Join(root, "layers"), 0o755))
		again, err := source.Dir("/layers/acme_ruby/" + name)
		check(t, err)
		check(t, c.Add(t.Context(), again))
	}
	check(t, c.Commit(t.Context(), m))
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("an export without a change: %s", diff)
	}
	if in, err := os.ReadDir(dir); err != nil || len(in) != 2 {
		t.Errorf("left behind: %v, %v", in, err)
	}
}

func TestNumbersKeepTheirType(t *testing.T) {
	in := `{"sbom":{"sha":""},"buildpacks":[{"key":"a","version":"1","layers":{"l":{"sha":"sha256:` + strings.Repeat("0", 64) +
		`","data":{"big":9007199254740993,"float":1.0,"int":3},"build":false,"launch":false,"cache":true}}}]}`
	m, err := cache.DecodeMetadata([]byte(in), "test")
	check(t, err)
	out, err := m.Encode()
	check(t, err)
	if diff := cmp.Diff(in, string(out)); diff != "" {
		t.Error(diff)
	}
}

func TestCorruptLayerIsRewritten(t *testing.T) {
	a := layer(t, "a", "1")
	for name, damage := range map[string]func(file string, good []byte) error{
		"a bit": func(f string, good []byte) error {
			good[len(good)/2] ^= 1
			return os.WriteFile(f, good, 0o644)
		},
		"cut":    func(f string, good []byte) error { return os.Truncate(f, int64(len(good)/2)) },
		"empty":  func(f string, _ []byte) error { return os.Truncate(f, 0) },
		"longer": func(f string, good []byte) error { return os.WriteFile(f, append(good, 0), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			commit(t, &cache.Volume{Dir: dir}, a)
			file := filepath.Join(dir, "committed", diffID(t, a).String()+".tar")
			good, err := os.ReadFile(file)
			check(t, err)
			check(t, damage(file, good))

			if _, err := read(t, &cache.Volume{Dir: dir}, diffID(t, a)); !errors.Is(err, cache.ErrCorrupt) || !strings.Contains(err.Error(), diffID(t, a).Hex) {
				t.Errorf("got %v", err)
			}
			next := &cache.Volume{Dir: dir}
			commit(t, next, a)
			if got, err := read(t, next, diffID(t, a)); err != nil || got != content(t, a) {
				t.Errorf("made anew: %v", err)
			}
		})
	}
}

func TestExtractOfACorruptLayer(t *testing.T) {
	dir := referenceDir(t)
	var id v1.Hash
	for name := range files(t, dir) {
		if hex, ok := strings.CutPrefix(strings.TrimSuffix(name, ".tar"), "committed/sha256:0ace"); ok {
			id = v1.Hash{Algorithm: "sha256", Hex: "0ace" + hex}
		}
	}
	file := filepath.Join(dir, "committed", id.String()+".tar")
	data, err := os.ReadFile(file)
	check(t, err)
	check(t, os.WriteFile(file, bytes.Replace(data, []byte("gem\n"), []byte("bad\n"), 1), 0o644))
	r, err := (&cache.Volume{Dir: dir}).Open(t.Context(), id)
	check(t, err)
	defer r.Close()
	if err := (layers.Source{Root: t.TempDir()}).Extract(r, "/layers/acme_ruby/gems"); !errors.Is(err, cache.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

// Each state that a killed Commit leaves is one of its steps.
func TestInterruptedCommitIsCompletedOrUndone(t *testing.T) {
	a, b := layer(t, "a", "1"), layer(t, "b", "2")
	for name, cut := range map[string]func(dir string) error{
		"in staging": func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "staging"), 0o755),
				os.WriteFile(filepath.Join(dir, "staging", diffID(t, a).String()+".tar"), []byte("half"), 0o644))
		},
		"between the renames": func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "committed"), filepath.Join(dir, "committed-backup")),
				os.Mkdir(filepath.Join(dir, "staging"), 0o755))
		},
		"before the end": func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "committed-backup"), 0o755),
				os.WriteFile(filepath.Join(dir, "committed-backup/half"), nil, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			commit(t, &cache.Volume{Dir: dir}, a)
			check(t, cut(dir))
			c := &cache.Volume{Dir: dir}
			m, err := c.Metadata(t.Context())
			check(t, err)
			if diff := cmp.Diff(metadata(t, a), m); diff != "" {
				t.Error(diff)
			}
			if _, err := read(t, c, diffID(t, a)); err != nil {
				t.Error(err)
			}
			check(t, c.Add(t.Context(), unread{a}))
			commit(t, c, b, unread{a})
			want := []string{"committed/" + cache.MetadataName, "committed/" + diffID(t, a).String() + ".tar", "committed/" + diffID(t, b).String() + ".tar"}
			got := files(t, dir)
			for _, f := range want {
				delete(got, f)
			}
			if len(got) != 0 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
}

// A process that commits without end is killed many times, after another number of changes in
// its directory each time. A commit makes six, so each of its steps is met. It has many layers, so that
// what follows a change, such as the removal of a folder, takes the process longer than it takes us to kill it.
func TestKilledCommitsLeaveACache(t *testing.T) {
	const many = 100
	if dir := os.Getenv("CACHE_TEST_COMMIT_WITHOUT_END"); dir != "" {
		same := make([]v1.Layer, many)
		for i := range same {
			same[i] = layer(t, "same", strconv.Itoa(i))
		}
		for i := 0; ; i++ {
			commit(t, &cache.Volume{Dir: dir}, append(slices.Clone(same), layer(t, "other", strings.Repeat(strconv.Itoa(i%9), 50000)))...)
			_, _ = os.Stdout.WriteString("committed\n")
		}
	}
	dir := t.TempDir()
	for n := range 24 {
		killed(t, dir, n)
		c := &cache.Volume{Dir: dir}
		m, err := c.Metadata(t.Context())
		check(t, err)
		ids, err := m.DiffIDs()
		check(t, err)
		if len(ids) != many+1 {
			t.Fatalf("%d layers of a build that committed", len(ids))
		}
		for _, id := range ids {
			_, err := read(t, c, id)
			check(t, err)
		}
	}
}

// killed kills the process once the given number of files and folders have come, gone or changed their
// name in its directory after its first commit.
func killed(t *testing.T, dir string, changes int) {
	t.Helper()
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	check(t, err)
	defer unix.Close(watch)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledCommitsLeaveACache$")
	cmd.Env = append(os.Environ(), "CACHE_TEST_COMMIT_WITHOUT_END="+dir, "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	defer func() { _ = cmd.Wait() }()
	defer func() { check(t, cmd.Process.Kill()) }()
	line := make([]byte, len("committed\n"))
	_, err = out.Read(line)
	if err != nil || string(line) != "committed\n" {
		t.Errorf("the process said %q, %v", line, err)
	}
	_, err = unix.InotifyAddWatch(watch, dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO)
	check(t, err)
	buffer := make([]byte, unix.SizeofInotifyEvent+unix.NAME_MAX+1)
	for changes > 0 {
		n, err := unix.Read(watch, buffer)
		check(t, err)
		for event := buffer[:n]; len(event) > 0; changes-- {
			event = event[unix.SizeofInotifyEvent+binary.NativeEndian.Uint32(event[12:]):]
		}
	}
}

// asNobody runs f as a user who owns nothing: root may write everywhere.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	check(t, syscall.Setfsuid(65534))
	defer func() { check(t, syscall.Setfsuid(0)) }()
	f()
}

func TestReadOnlyCache(t *testing.T) {
	a := layer(t, "a", "1")
	id := diffID(t, a)
	dir := t.TempDir()
	check(t, os.Chmod(filepath.Dir(dir), 0o755)) // where tests are root
	commit(t, &cache.Volume{Dir: dir}, a)
	check(t, os.Chmod(dir, 0o555))
	check(t, os.Chmod(filepath.Join(dir, "committed"), 0o555))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o755); _ = os.Chmod(filepath.Join(dir, "committed"), 0o755) })
	before := files(t, dir)

	c := &cache.Volume{Dir: dir}
	asNobody(t, func() {
		m, err := c.Metadata(t.Context())
		if err != nil || len(m.Buildpacks) != 1 {
			t.Errorf("reading: %v", err)
		}
		if _, err := read(t, c, id); err != nil {
			t.Errorf("reading: %v", err)
		}
		for _, err := range []error{c.Add(t.Context(), a), c.Commit(t.Context(), m)} {
			if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), dir) {
				t.Errorf("writing: %v", err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestMissingDirectory(t *testing.T) {
	c := &cache.Volume{Dir: filepath.Join(t.TempDir(), "missing")}
	_, err := c.Metadata(t.Context())
	for _, err := range []error{err, c.Add(t.Context(), layer(t, "a", "1"))} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), c.Dir) {
			t.Errorf("got %v", err)
		}
	}
}

func TestCancelledAdd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	c := &cache.Volume{Dir: dir}
	if err := c.Add(ctx, layer(t, "a", "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A buildpack may leave anything in a cache directory. None of it is followed, or waited for, and the next Commit
// makes a cache of it again.
func TestUnusualFilesAreNotRead(t *testing.T) {
	a := layer(t, "a", "1")
	elsewhere := t.TempDir() // a good cache, where links lead
	commit(t, &cache.Volume{Dir: elsewhere}, a)
	for name, odd := range map[string]func(file, good string) error{
		"a pipe":      func(file, _ string) error { return syscall.Mkfifo(file, 0o644) },
		"a link":      func(file, good string) error { return os.Symlink(good, file) },
		"a directory": func(file, _ string) error { return os.Mkdir(file, 0o755) },
		"a socket": func(file, _ string) error {
			s, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			return errors.Join(err, syscall.Bind(s, &syscall.SockaddrUnix{Name: file}), syscall.Close(s))
		},
	} {
		for _, of := range []string{"committed/" + diffID(t, a).String() + ".tar", "committed/" + cache.MetadataName, "committed", ".lock", "staging", "committed-backup"} {
			if of == "committed" && name == "a directory" || name == "a socket" && strings.HasSuffix(of, ".tar") {
				continue // an empty cache; a path that is too long
			}
			t.Run(name+" as "+strings.Replace(of, diffID(t, a).String(), "layer", 1), func(t *testing.T) {
				dir, err := os.MkdirTemp("", "") // the path of a socket has to be short
				check(t, err)
				t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
				commit(t, &cache.Volume{Dir: dir}, a)
				check(t, os.RemoveAll(filepath.Join(dir, of)))
				check(t, odd(filepath.Join(dir, of), filepath.Join(elsewhere, of)))

				_, err = (&cache.Volume{Dir: dir}).Metadata(t.Context())
				if bad := strings.HasSuffix(of, cache.MetadataName) || of == "committed"; bad != errors.Is(err, cache.ErrCorrupt) {
					t.Errorf("metadata: %v", err)
				}
				_, err = read(t, &cache.Volume{Dir: dir}, diffID(t, a))
				if bad := strings.HasSuffix(of, ".tar") || of == "committed"; bad != errors.Is(err, cache.ErrCorrupt) {
					t.Errorf("layer: %v", err)
				}

				next := &cache.Volume{Dir: dir}
				if err := errors.Join(next.Add(t.Context(), a), next.Commit(t.Context(), metadata(t, a))); err != nil {
					if of != ".lock" {
						t.Fatal(err)
					}
					return // refused, and not waited for
				}
				if got, err := read(t, &cache.Volume{Dir: dir}, diffID(t, a)); err != nil || got != content(t, a) {
					t.Errorf("afterwards: %v", err)
				}
				if good, err := read(t, &cache.Volume{Dir: elsewhere}, diffID(t, a)); err != nil || good != content(t, a) {
					t.Errorf("where the link leads: %v", err)
				}
			})
		}
	}
}

// What was replaced while it was read is not removed for having been corrupt.
func TestCorruptLayerThatWasReplacedStays(t *testing.T) {
	a, dir := layer(t, "a", "1"), t.TempDir()
	commit(t, &cache.Volume{Dir: dir}, a)
	file := filepath.Join(dir, "committed", diffID(t, a).String()+".tar")
	check(t, os.Truncate(file, 512))
	r, err := (&cache.Volume{Dir: dir}).Open(t.Context(), diffID(t, a))
	check(t, err)
	defer r.Close()
	check(t, os.Remove(file))
	check(t, os.WriteFile(file, []byte(content(t, a)), 0o644))
	if _, err := io.ReadAll(r); !errors.Is(err, cache.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if _, err := read(t, &cache.Volume{Dir: dir}, diffID(t, a)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

package cache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/cache"
)

// Whoever begins first, the later Commit wins, and has all of its layers.
func TestTwoVolumesOfOneDirectory(t *testing.T) {
	a, b, c := layer(t, "a", "1"), layer(t, "b", "2"), layer(t, "c", "3")
	dir := t.TempDir()
	commit(t, &cache.Volume{Dir: dir}, a)
	first, second := &cache.Volume{Dir: dir}, &cache.Volume{Dir: dir}
	for _, add := range []struct {
		to *cache.Volume
		l  v1.Layer
	}{{first, a}, {second, a}, {first, b}, {second, c}} {
		check(t, add.to.Add(t.Context(), add.l))
	}
	check(t, first.Commit(t.Context(), metadata(t, a, b)))
	holds(t, dir, a, b)
	check(t, second.Commit(t.Context(), metadata(t, a, c)))
	holds(t, dir, a, c)
	check(t, errors.Join(first.Close(), second.Close()))
	holds(t, dir, a, c)
}

// holds checks that a cache has these layers, and nothing else.
func holds(t *testing.T, dir string, all ...v1.Layer) {
	t.Helper()
	c := &cache.Volume{Dir: dir}
	m, err := c.Metadata(t.Context())
	check(t, err)
	if diff := cmp.Diff(metadata(t, all...), m); diff != "" {
		t.Error(diff)
	}
	want := []string{"committed/" + cache.MetadataName}
	for _, l := range all {
		if got, err := read(t, c, diffID(t, l)); err != nil || got != content(t, l) {
			t.Error(err)
		}
		want = append(want, "committed/"+diffID(t, l).String()+".tar")
	}
	var names []string
	for name := range files(t, dir) {
		if !strings.HasPrefix(name, "staging-") { // of a build that goes on
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.Sort(want)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

// Processes commit to one directory at the same time, each layers of its own and one that all have. None fails, and at
// every moment what the metadata names is there, or has been replaced since.
func TestProcessesOfOneDirectory(t *testing.T) {
	const processes, commits, each = 4, 25, 6
	setOf := func(t testing.TB, process string) []v1.Layer {
		all := []v1.Layer{layer(t, "shared", "all")}
		for n := range each {
			all = append(all, layer(t, "own", process+strconv.Itoa(n)))
		}
		return all
	}
	if dir := os.Getenv("CACHE_TEST_COMMIT_AS"); dir != "" {
		process, dir, _ := strings.Cut(dir, ":")
		all := setOf(t, process)
		for range commits {
			c := &cache.Volume{Dir: dir}
			commit(t, c, all...)
			check(t, c.Close())
		}
		return
	}
	dir := t.TempDir()
	sets := map[string][]v1.Layer{}
	done := make(chan error, processes)
	for n := range processes {
		process := strconv.Itoa(n)
		sets[process] = setOf(t, process)
		go func() {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestProcessesOfOneDirectory$")
			cmd.Env = append(os.Environ(), "CACHE_TEST_COMMIT_AS="+process+":"+dir)
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("process %s: %w: %s", process, err, out)
			}
			done <- err
		}()
	}
	for left := processes; left > 0; {
		select {
		case err := <-done:
			left--
			if err != nil {
				t.Error(err)
			}
		default:
			if err := readAll(t.Context(), &cache.Volume{Dir: dir}); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := (&cache.Volume{Dir: dir}).Metadata(t.Context())
	check(t, err)
	for _, all := range sets {
		if cmp.Equal(metadata(t, all...), m) {
			holds(t, dir, all...)
			if in, err := os.ReadDir(dir); err != nil || len(in) != 1 {
				t.Errorf("left behind: %v, %v", in, err)
			}
			return
		}
	}
	t.Errorf("the cache is nobody's: %+v", m)
}

// readAll reads what a cache has. That a layer is gone is right only if another Commit replaced all meanwhile.
func readAll(ctx context.Context, c *cache.Volume) error {
	before, _ := os.Lstat(filepath.Join(c.Dir, "committed"))
	m, err := c.Metadata(ctx)
	if err != nil {
		return err
	}
	ids, err := m.DiffIDs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, err := c.Open(ctx, id)
		if err == nil {
			err = r.Close()
		}
		after, _ := os.Lstat(filepath.Join(c.Dir, "committed"))
		replaced := before == nil || after == nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime())
		if err != nil && (!replaced || !errors.Is(err, cache.ErrNotFound)) {
			return err
		}
	}
	return nil
}

// A process that never releases the lock prevents a commit but does not hang the build.
func TestCommitGivesUpOnALockedCache(t *testing.T) {
	dir := t.TempDir()
	a := layer(t, "a", "1")
	commit(t, &cache.Volume{Dir: dir}, a)
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	check(t, err)
	defer f.Close()
	free, err := cache.TryLock(f)
	if err != nil || !free {
		t.Fatal(free, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := &cache.Volume{Dir: dir}
	failed := make(chan error, 1)
	go func() { failed <- c.Add(ctx, a) }()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := read(t, c, diffID(t, a)); err != nil {
		t.Errorf("reading: %v", err)
	}
	check(t, f.Close())
	commit(t, c, a)
}

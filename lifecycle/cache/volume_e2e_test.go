//go:build e2e

package cache_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/cache"
)

// A full disk keeps the layers that were there and takes no space afterwards. It needs
// root, for the mount.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("mounting a small tmpfs needs root")
	}
	dir := t.TempDir()
	check(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"))
	t.Cleanup(func() { check(t, syscall.Unmount(dir, 0)) })
	a, big := layer(t, "a", "1"), layer(t, "b", strings.Repeat("2", 1<<20))
	commit(t, &cache.Volume{Dir: dir}, a)

	c := &cache.Volume{Dir: dir}
	if err := c.Add(t.Context(), big); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v", err)
	}
	check(t, c.Close())
	after := &cache.Volume{Dir: dir}
	if got, err := read(t, after, diffID(t, a)); err != nil || got != content(t, a) {
		t.Errorf("the layer before: %v", err)
	}
	commit(t, after, a, layer(t, "c", strings.Repeat("3", 100<<10)))
}

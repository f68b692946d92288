//go:build e2e

package layers_test

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/layers"
)

// What root extracts belongs to the build image's user, whatever the layer says, and its modes stay. It needs root.
func TestExtractAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("giving files to a user needs root")
	}
	modes := map[string]int64{"/layers/bp/l": 0o2775, "/layers/bp/l/su": 0o4755, "/layers/bp/l/sg": 0o2755, "/layers/bp/l/dir": 0o1777, "/layers/bp/l/no": 0}
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "/layers/bp/l"}, {Typeflag: tar.TypeReg, Name: "/layers/bp/l/su"}, {Typeflag: tar.TypeReg, Name: "/layers/bp/l/sg", Gid: 42},
		{Typeflag: tar.TypeDir, Name: "/layers/bp/l/dir", Uid: 7}, {Typeflag: tar.TypeReg, Name: "/layers/bp/l/no", Uid: 2000},
	} {
		h.Mode = modes[h.Name]
		check(t, w.WriteHeader(&h))
	}
	check(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "/layers/bp/l/link", Linkname: "/etc/shadow"}))
	check(t, w.Close())
	root := t.TempDir()
	var before syscall.Stat_t
	check(t, syscall.Stat("/etc/shadow", &before))
	check(t, layers.Source{Root: root, Base: "/layers", UID: 1000, GID: 1001}.Extract(&data, "/layers/bp/l"))
	modes["/layers/bp/l/link"] = 0o777
	for name, mode := range modes {
		var stat syscall.Stat_t
		check(t, syscall.Lstat(filepath.Join(root, name), &stat))
		if stat.Uid != 1000 || stat.Gid != 1001 || int64(stat.Mode&0o7777) != mode {
			t.Errorf("%s is %o of %d:%d", name, stat.Mode&0o7777, stat.Uid, stat.Gid)
		}
	}
	var after syscall.Stat_t
	check(t, syscall.Stat("/etc/shadow", &after))
	if before.Uid != after.Uid || before.Mode != after.Mode {
		t.Error("it went through the link")
	}
}

// A device in an app or a layer is an error, and is not opened. It needs root.
func TestDirRefusesADevice(t *testing.T) {
	root := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(root, "layers/bp/l"), 0o755))
	if err := syscall.Mknod(filepath.Join(root, "layers/bp/l/zero"), syscall.S_IFCHR|0o666, 1<<8|5); err != nil {
		t.Fatalf("making a device needs root: %v", err)
	}
	for _, s := range []layers.Source{{Root: root}, {Root: root, Base: "/layers"}} {
		if _, err := s.Dir("/layers/bp/l"); err == nil || !strings.Contains(err.Error(), "is a device") {
			t.Errorf("%v", err)
		}
	}
}

package base

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A keeping is a reader with an image whose inventory is kept: "real" is what is in it.
type keeping struct {
	r   Reader
	img *image.Image
	log bytes.Buffer
}

func newKeeping(t *testing.T) *keeping {
	t.Helper()
	k := &keeping{img: &image.Image{Name: reference.Parse("run"), Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}, Config: &v1.ConfigFile{}}}
	k.r = Reader{
		Cache: filepath.Join(t.TempDir(), "run-image"), Log: slog.New(slog.NewTextHandler(&k.log, nil)),
		Scan: func(context.Context, *image.Image) (*sbom.Document, error) { return document("real"), nil },
	}
	return k
}

func document(name string) *sbom.Document {
	return &sbom.Document{Packages: []sbom.Package{{Name: name, Version: "1", Type: "deb", PURL: "pkg:deb/debian/" + name + "@1", Known: sbom.Presence}}}
}

// names are the packages that the image has, by what is kept or by a look into it.
func (k *keeping) names(t *testing.T) string {
	t.Helper()
	inventory, err := k.r.Generate(t.Context(), k.img, Image{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range inventory.Document().Packages {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ") + " by " + string(inventory.Report.SBOM.Carrier)
}

func (k *keeping) file() string { return filepath.Join(k.r.Cache, keptName(k.img)) }

// forge writes an inventory that names another package.
func forge(t *testing.T, file string) {
	t.Helper()
	var data bytes.Buffer
	if err := errors.Join(format.Encode(&data, document("forged"), sbom.Syft), os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, data.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// TestInventoryOfAnOldFormatIsNotUsed: one of a version that did not look whether files are there is not used.
func TestInventoryOfAnOldFormatIsNotUsed(t *testing.T) {
	k := newKeeping(t)
	old := document("old")
	old.Packages[0].Known = sbom.Files
	var data bytes.Buffer
	if err := errors.Join(format.Encode(&data, old, sbom.Syft), os.MkdirAll(k.r.Cache, 0o755), os.WriteFile(k.file(), data.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"real by generated", "real by cache"} {
		if got := k.names(t); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestInventoryCacheOfAnotherUserIsNotUsed: what somebody else could have written in the cache is no inventory. For this test, it
// is this process that is another user.
func TestInventoryCacheOfAnotherUserIsNotUsed(t *testing.T) {
	k := newKeeping(t)
	forge(t, k.file())
	if got := k.names(t); got != "forged by cache" {
		t.Fatalf("this user's is not believed, so what follows shows nothing: %s", got)
	}
	user = func() int { return os.Geteuid() + 1 }
	t.Cleanup(func() { user = os.Geteuid })
	if got := k.names(t); got != "real by generated" {
		t.Errorf("another user's is used: %s", got)
	}
	if !strings.Contains(k.log.String(), "belongs to another user") {
		t.Errorf("no warning is logged:\n%s", k.log.String())
	}
	user = os.Geteuid
	if data, err := os.ReadFile(k.file()); err != nil || !strings.Contains(string(data), "forged") {
		t.Errorf("it was replaced in a directory of somebody else: %v", err)
	}
}

// TestInventoryFileOfAnotherUserIsNotUsed has another user's file in this user's directory.
func TestInventoryFileOfAnotherUserIsNotUsed(t *testing.T) {
	k := newKeeping(t)
	forge(t, k.file())
	asked := 0
	user = func() int { asked++; return os.Geteuid() + asked/2 } // the directory's owner is looked at first
	t.Cleanup(func() { user = os.Geteuid })
	if got := k.names(t); got != "real by generated" {
		t.Errorf("another user's file is used: %s", got)
	}
}

// TestOwned holds the owner of directory and file against the user, apart.
func TestOwned(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for mode, root := range map[os.FileMode]bool{0o644: true, 0o664: false, 0o646: false, 0o600: true} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(file)
		if err != nil {
			t.Fatal(err)
		}
		stat := info.Sys().(*syscall.Stat_t)
		for uid, want := range map[uint32]bool{0: root, 1000: true} {
			stat.Uid = uid
			for _, me := range []uint32{0, 1000} {
				user = func() int { return int(me) }
				if got := owned(info); got != (want && me == uid) {
					t.Errorf("%o of %d for %d: %t", mode, uid, me, got)
				}
			}
		}
	}
	user = os.Geteuid
}

// TestSpecialFilesInTheInventoryCache: only a regular file in a directory counts, and nothing is waited for.
func TestSpecialFilesInTheInventoryCache(t *testing.T) {
	for name, odd := range map[string]func(k *keeping, forged string) error{
		"a link":             func(k *keeping, forged string) error { return os.Symlink(forged, k.file()) },
		"a link to a device": func(k *keeping, _ string) error { return os.Symlink("/dev/zero", k.file()) },
		"a pipe":             func(k *keeping, _ string) error { return syscall.Mkfifo(k.file(), 0o644) },
		"a linked directory": func(k *keeping, forged string) error {
			return errors.Join(os.Remove(k.r.Cache), os.Symlink(filepath.Dir(forged), k.r.Cache))
		},
		"a pipe as directory": func(k *keeping, _ string) error {
			return errors.Join(os.Remove(k.r.Cache), syscall.Mkfifo(k.r.Cache, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeping(t)
			forged := filepath.Join(t.TempDir(), keptName(k.img))
			forge(t, forged)
			if err := errors.Join(os.MkdirAll(k.r.Cache, 0o755), odd(k, forged)); err != nil {
				t.Fatal(err)
			}
			if got := k.names(t); got != "real by generated" {
				t.Errorf("%s", got)
			}
			if data, err := os.ReadFile(forged); err != nil || !strings.Contains(string(data), "forged") {
				t.Errorf("written through: %v", err)
			}
		})
	}
}

package image

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// unreadable refuses to open one of its files.
type unreadable struct {
	fstest.MapFS
	name string
}

func (u unreadable) Open(name string) (fs.File, error) {
	if name == u.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.MapFS.Open(name)
}

func (u unreadable) Stat(name string) (fs.FileInfo, error) {
	f, err := u.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

// A layer whose blob cannot be read is no layer that is elsewhere: the image would be written without it.
func TestUnreadableBlobIsThere(t *testing.T) {
	hash := func(c string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(c, 64)} }
	l := layout{unreadable{fstest.MapFS{blob(hash("a")): {}, blob(hash("b")): {}}, blob(hash("b"))}}
	for c, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if got := l.has(hash(c)); got != want {
			t.Errorf("%s: %t, want %t", c, got, want)
		}
	}
}

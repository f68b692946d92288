package files

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// MaxFile is the maximum size of a file in an [FS].
const MaxFile = 64 << 20

// An FS is a file system of the files below a root. It refuses symbolic links out of the root, and pipes and devices,
// on which a read may never end. It also refuses files larger than [MaxFile] unless Large is set.
type FS struct {
	Root  *os.Root
	Large bool
}

// Open implements [fs.FS].
func (f FS) Open(name string) (fs.File, error) {
	if _, err := f.Stat(name); err != nil { // since opening a device may have side effects
		return nil, err
	}
	file, err := f.Root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = f.check(name, info)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Stat implements [fs.StatFS].
func (f FS) Stat(name string) (fs.FileInfo, error) {
	info, err := f.Root.Stat(name)
	if err != nil {
		return nil, err
	}
	return info, f.check(name, info)
}

var (
	errSpecial  = errors.New("neither a file nor a directory")
	errTooLarge = errors.New("file too large")
)

func (f FS) check(name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return nil
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "open", Path: name, Err: errSpecial}
	case info.Size() > MaxFile && !f.Large:
		return &fs.PathError{Op: "open", Path: name, Err: errTooLarge}
	}
	return nil
}

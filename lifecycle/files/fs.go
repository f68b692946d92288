package files

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// MaxFile is how long a file of an [FS] may be.
const MaxFile = 64 << 20

// An FS is the files and directories below a root, of which none leads out of it. A pipe or a device, which somebody
// may have put there to have this process wait or read for ever, is refused, and so is a file longer than MaxFile
// unless Large is set.
type FS struct {
	Root  *os.Root
	Large bool
}

// Open implements [fs.FS].
func (f FS) Open(name string) (fs.File, error) {
	if _, err := f.Stat(name); err != nil { // to open a device may do something
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
	errOdd  = errors.New("neither a file nor a directory")
	errLong = errors.New("too long a file")
)

func (f FS) check(name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return nil
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "open", Path: name, Err: errOdd}
	case info.Size() > MaxFile && !f.Large:
		return &fs.PathError{Op: "open", Path: name, Err: errLong}
	}
	return nil
}

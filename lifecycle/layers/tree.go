package layers

import (
	"archive/tar"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// A tree is a directory of an image with its parents and its content. It is walked whenever it is
// read: of each entry it keeps only a hash, so its size hardly depends on the number of files.
type tree struct {
	Source
	dir     string
	parents list
	marks   []mark // of dir and its content, in the order of the walk
	work    int64  // an estimate of what reading takes; see Layer.Work
}

// A node is an entry that a walk finds.
type node struct {
	name   string // in the image
	parent int    // index of its directory; -1: the directory of the tree, whose index is 0
	fs.DirEntry
}

// tree walks dir and remembers what it finds. It calls visit, if that is not nil, for every node.
func (s Source) tree(dir string, visit func(node)) (*tree, error) {
	t := &tree{Source: s, dir: dir}
	err := t.find(visit)
	if err != nil {
		return nil, fmt.Errorf("archiving %s: %w", dir, err)
	}
	return t, nil
}

func (t *tree) find(visit func(node)) (err error) {
	if err := checkPath(t.dir); err != nil {
		return err
	}
	if err := t.checkLinks(t.dir); err != nil {
		return err
	}
	if t.parents, err = t.above(t.dir); err != nil {
		return err
	}
	return t.walk(func(_ int, n node) error {
		info, err := n.Info()
		if err != nil {
			return err
		}
		h, err := t.header(n.name, info)
		if err != nil {
			return err
		}
		t.marks = append(t.marks, markOf(&h, info))
		t.work += fileWork + h.Size
		if visit != nil {
			visit(n)
		}
		return nil
	})
}

// walk calls visit for the directory and its content, each directory sorted by name, without
// sockets, which a tar cannot hold.
func (t *tree) walk(visit func(i int, n node) error) error {
	info, err := os.Lstat(t.onDisk(t.dir))
	if err == nil && !info.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return err
	}
	next := 0
	var descend func(n node) error
	descend = func(n node) error {
		i := next
		next++
		if err := visit(i, n); err != nil || !n.IsDir() {
			return err
		}
		children, err := os.ReadDir(t.onDisk(n.name))
		if err != nil {
			return err
		}
		for _, c := range children {
			if c.Type()&fs.ModeSocket != 0 {
				continue
			}
			if err := descend(node{n.name + "/" + c.Name(), i, c}); err != nil {
				return err
			}
		}
		return nil
	}
	return descend(node{t.dir, -1, fs.FileInfoToDirEntry(info)})
}

var seed = maphash.MakeSeed()

// A mark has a hash of an entry's name and one of what else must not change of it. Of a
// directory, that is not its modification time.
type mark struct{ name, rest uint32 }

func markOf(h *tar.Header, info fs.FileInfo) mark {
	type stamp struct {
		link          string
		kind          byte
		mode, size    int64
		time          int64
		device, inode uint64
	}
	s := stamp{link: h.Linkname, kind: h.Typeflag, mode: h.Mode, size: h.Size}
	if h.Typeflag == tar.TypeReg {
		s.time = info.ModTime().UnixNano()
		s.device, s.inode = files.Identity(info)
	}
	return mark{nameMark(h.Name), uint32(maphash.Comparable(seed, s))}
}

func nameMark(name string) uint32 { return uint32(maphash.String(seed, name)) }

// A part is what a layer has of a tree.
type part struct {
	*tree
	wanted bits // by index; nil: all
}

func (p part) empty() bool { return p.wanted != nil && !p.wanted.any() }

// each implements content. It returns ErrChanged if an entry is not as the tree found it.
func (p part) each(emit func(*tar.Header, *os.File) error) error {
	if p.empty() {
		return nil
	}
	if err := p.parents.each(emit); err != nil {
		return err
	}
	count := 0
	err := p.walk(func(i int, n node) error {
		count++
		if !p.wanted.has(i) {
			return nil
		}
		if i >= len(p.marks) || p.marks[i].name != nameMark(n.name) {
			return fmt.Errorf("archiving %s: %w", path.Dir(n.name), ErrChanged) // a file came or went
		}
		if err := p.pass(n, p.marks[i], emit); err != nil {
			return fmt.Errorf("archiving %s: %w", n.name, err)
		}
		return nil
	})
	if err == nil && count != len(p.marks) {
		err = fmt.Errorf("archiving %s: %w", p.dir, ErrChanged)
	}
	return err
}

// pass passes a node to emit.
func (t *tree) pass(n node, want mark, emit func(*tar.Header, *os.File) error) error {
	if n.Type().IsRegular() {
		return t.passFile(n, want, emit)
	}
	info, err := n.Info()
	if err != nil {
		return err
	}
	h, err := t.checked(n, want, info)
	if err != nil {
		return err
	}
	return emit(&h, nil)
}

func (t *tree) passFile(n node, want mark, emit func(*tar.Header, *os.File) error) error {
	f, err := openFile(t.onDisk(n.name))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h, err := t.checked(n, want, info)
	if err != nil {
		return err
	}
	if err := emit(&h, f); err != nil {
		return err
	}
	return unchanged(f, info)
}

// checked returns the header of a node if it has the mark.
func (t *tree) checked(n node, want mark, info fs.FileInfo) (tar.Header, error) {
	h, err := t.header(n.name, info)
	if err == nil && markOf(&h, info) != want {
		err = ErrChanged
	}
	return h, err
}

// header returns the header of a file. It reads the target of a symbolic link.
func (s Source) header(name string, info fs.FileInfo) (tar.Header, error) {
	h := tar.Header{Name: name, Mode: modeBits(info.Mode()), Uid: s.UID, Gid: s.GID, ModTime: Epoch}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
	case mode.IsDir():
		h.Typeflag = tar.TypeDir
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(s.onDisk(name))
		if err != nil {
			return tar.Header{}, err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case mode&fs.ModeNamedPipe != 0:
		h.Typeflag = tar.TypeFifo
	default:
		return tar.Header{}, fmt.Errorf("%s is a device (%s), which a layer cannot have: remove it", name, mode)
	}
	return h, nil
}

// modeBits returns the mode in the format of a tar header.
func modeBits(m fs.FileMode) int64 {
	bits := int64(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= syscall.S_ISUID
	}
	if m&fs.ModeSetgid != 0 {
		bits |= syscall.S_ISGID
	}
	if m&fs.ModeSticky != 0 {
		bits |= syscall.S_ISVTX
	}
	return bits
}

// checkPath refuses paths that may name another directory in an image.
func checkPath(name string) error {
	if !path.IsAbs(name) || path.Clean(name) != name || name == "/" || strings.ContainsRune(name, 0) {
		return errors.New("the path must be absolute, without . or .. or a slash at the end, and must not be /")
	}
	return nil
}

// bits is a set of indexes; nil contains all.
type bits []uint64

func newBits(n int) bits { return make(bits, (n+63)/64) }

func (b bits) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) has(i int) bool { return b == nil || i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0 }

func (b bits) any() bool {
	for _, word := range b {
		if word != 0 {
			return true
		}
	}
	return false
}

//go:build linux && (amd64 || arm64)

package main

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/abi/linux"
	"gvisor.dev/gvisor/pkg/errors/linuxerr"
	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/sentry/arch"
	"gvisor.dev/gvisor/pkg/sentry/kernel"
	"gvisor.dev/gvisor/pkg/sentry/vfs"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// unpack is what tree.unpack in package apply does, and leaves out what is rare. After an error the
// caller must start over without it.
func unpack(t *kernel.Task, args arch.SyscallArguments) error {
	dir, from := t.GetFile(args[0].Int()), t.GetFile(args[1].Int())
	for _, f := range []*vfs.FileDescription{dir, from} {
		if f == nil {
			return linuxerr.EBADF
		}
		defer f.DecRef(t)
	}
	u := &unpacker{walker: walker{t, t.Kernel().VFS(), dir.VirtualDentry()}, times: map[string]time.Time{}, buf: make([]byte, 64<<10)}
	layer := io.Reader(&layerReader{t: t, from: from})
	if args[2].Int() != 0 {
		layer = bufio.NewReaderSize(fileReader{t, from}, abi.Chunk)
	}
	err := u.unpack(layer)
	u.close()
	if _, end := io.Copy(io.Discard, layer); err == nil {
		err = end // such as a digest that is not the layer's
	}
	if err != nil {
		log.Infof("Unpacking a layer: %v", err)
		return linuxerr.EIO
	}
	return nil
}

// An unpacker unpacks one layer.
type unpacker struct {
	walker
	buf []byte

	dir        vfs.VirtualDentry // the directory opened last
	name, real string            // its name, and the one without links

	times map[string]time.Time // modification times to set on directories, by real name
}

func (u *unpacker) close() {
	if u.dir.Ok() {
		u.dir.DecRef(u.t)
		u.dir = vfs.VirtualDentry{}
	}
}

func (u *unpacker) unpack(layer io.Reader) error {
	mine := map[string]bool{} // files from this layer, and their parent directories
	for tr := tar.NewReader(layer); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return u.setTimes()
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
			continue
		}
		name := path.Clean("/" + h.Name)
		if hidden, ok := strings.CutPrefix(path.Base(name), ".wh."); ok {
			err = u.whiteout(path.Dir(name), hidden, mine)
		} else if err = u.put(h, tr); err == nil {
			for real := path.Join(u.real, path.Base(name)); !mine[real]; real = path.Dir(real) {
				mine[real] = true
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// open opens a directory, which stays open until another one is opened.
func (u *unpacker) open(name string) error {
	if u.dir.Ok() && u.name == name {
		return nil
	}
	u.close()
	pop := u.at(u.root, name)
	pop.FollowFinalSymlink = true
	dir, err := u.fs.GetDentryAt(u.t, u.t.Credentials(), pop, &vfs.GetDentryOptions{CheckSearchable: true})
	if err != nil {
		return err
	}
	real, err := u.fs.PathnameReachable(u.t, u.root, dir)
	if err != nil {
		dir.DecRef(u.t)
		return err
	}
	u.dir, u.name, u.real = dir, name, real
	return nil
}

// openAll opens a directory, and creates it and its parents if they are missing.
func (u *unpacker) openAll(name string) error {
	err := u.open(name)
	links := 0
	for i := 1; linuxerr.Equals(linuxerr.ENOENT, err) && i <= len(name); i++ {
		if i < len(name) && name[i] != '/' || u.open(name[:i]) == nil {
			continue
		}
		to, err := u.fs.ReadlinkAt(u.t, u.t.Credentials(), u.at(u.root, name[:i]))
		if err == nil { // a link to nowhere: its target is created
			if links++; links > 40 || slices.Contains(strings.Split(to, "/"), "..") {
				return linuxerr.ELOOP
			}
			if !path.IsAbs(to) {
				to = path.Join(path.Dir(name[:i]), to)
			}
			name, i = path.Join(to, name[i:]), 0
			continue
		}
		if err := u.put(&tar.Header{Typeflag: tar.TypeDir, Name: name[:i], Mode: 0o755, ModTime: abi.Epoch}, nil); err != nil {
			return err
		}
	}
	if linuxerr.Equals(linuxerr.ENOENT, err) {
		return u.open(name)
	}
	return err
}

// saveTime records the directory's modification time before its content changes.
func (u *unpacker) saveTime() error {
	if _, ok := u.times[u.real]; ok {
		return nil
	}
	st, err := u.stat(u.at(u.dir, ""))
	u.times[u.real] = time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec))
	return err
}

// setTimes sets the recorded times of the directories that still exist.
func (u *unpacker) setTimes() error {
	for _, name := range slices.Sorted(maps.Keys(u.times)) {
		err := u.open(name)
		if err != nil || u.real != name {
			continue
		}
		st := linux.Statx{Mask: linux.STATX_MTIME, Mtime: timestamp(u.times[name])}
		if err := u.fs.SetStatAt(u.t, u.t.Credentials(), u.at(u.dir, ""), &vfs.SetStatOptions{Stat: st}); err != nil {
			return err
		}
	}
	return nil
}

func timestamp(t time.Time) linux.StatxTimestamp {
	ts := unix.NsecToTimespec(t.UnixNano())
	return linux.StatxTimestamp{Sec: ts.Sec, Nsec: uint32(ts.Nsec)}
}

// put creates what a header describes. An existing directory stays and gets the header's metadata; anything
// else in the way is replaced.
func (u *unpacker) put(h *tar.Header, content io.Reader) error {
	if strings.Contains(h.Name+h.Linkname, "\x00") || h.Uid < 0 || h.Gid < 0 || h.Uid >= math.MaxUint32 || h.Gid >= math.MaxUint32 {
		return linuxerr.EINVAL
	}
	name := path.Clean("/" + h.Name)
	if name == "/" {
		return u.putRoot(h)
	}
	if err := u.openAll(path.Dir(name)); err != nil {
		return err
	}
	if err := u.saveTime(); err != nil {
		return err
	}
	pop := u.at(u.dir, path.Base(name))
	err := u.create(pop, h, content)
	if linuxerr.Equals(linuxerr.EEXIST, err) {
		var st linux.Statx
		if st, err = u.stat(pop); err != nil {
			return err
		}
		if h.Typeflag != tar.TypeDir || st.Mode&linux.S_IFMT != linux.S_IFDIR {
			if err = u.removeAll(pop); err == nil {
				err = u.create(pop, h, content)
			}
		}
	}
	if err == nil && h.Typeflag != tar.TypeLink {
		err = u.setMetadata(pop, h)
	}
	if h.Typeflag == tar.TypeDir {
		u.times[path.Join(u.real, path.Base(name))] = h.ModTime
	}
	return err
}

func (u *unpacker) putRoot(h *tar.Header) error {
	if h.Typeflag != tar.TypeDir {
		return linuxerr.EINVAL
	}
	if err := u.open("/"); err != nil {
		return err
	}
	u.times["/"] = h.ModTime
	return u.setMetadata(u.at(u.dir, ""), h)
}

func (u *unpacker) create(pop *vfs.PathOperation, h *tar.Header, content io.Reader) error {
	creds := u.t.Credentials()
	switch h.Typeflag {
	case tar.TypeReg:
		return u.createFile(pop, content)
	case tar.TypeDir:
		return u.fs.MkdirAt(u.t, creds, pop, &vfs.MkdirOptions{Mode: 0o700})
	case tar.TypeSymlink:
		if h.Linkname == "" {
			return linuxerr.ENOENT
		}
		return u.fs.SymlinkAt(u.t, creds, pop, h.Linkname)
	case tar.TypeLink:
		return u.fs.LinkAt(u.t, creds, u.at(u.root, path.Clean("/"+h.Linkname)), pop)
	case tar.TypeFifo:
		return u.fs.MknodAt(u.t, creds, pop, &vfs.MknodOptions{Mode: linux.S_IFIFO | 0o600})
	}
	return fmt.Errorf("entry of type %q", h.Typeflag)
}

func (u *unpacker) createFile(pop *vfs.PathOperation, content io.Reader) error {
	const flags = linux.O_CREAT | linux.O_EXCL | linux.O_WRONLY | linux.O_NOFOLLOW
	f, err := u.fs.OpenAt(u.t, u.t.Credentials(), pop, &vfs.OpenOptions{Flags: flags, Mode: 0o600})
	if err != nil {
		return err
	}
	defer f.DecRef(u.t)
	_, err = io.CopyBuffer(fileWriter{u.t, f}, struct{ io.Reader }{content}, u.buf)
	return err
}

// setMetadata sets a file's owner, mode, time and extended attributes. The time of a directory is set at the end.
func (u *unpacker) setMetadata(pop *vfs.PathOperation, h *tar.Header) error {
	st := linux.Statx{Mask: linux.STATX_UID | linux.STATX_GID, UID: uint32(h.Uid), GID: uint32(h.Gid)}
	if h.Typeflag != tar.TypeSymlink {
		st.Mask |= linux.STATX_MODE
		st.Mode = uint16(h.Mode & 0o7777)
	}
	if h.Typeflag != tar.TypeDir {
		st.Mask |= linux.STATX_MTIME
		st.Mtime = timestamp(h.ModTime)
	}
	if err := u.fs.SetStatAt(u.t, u.t.Credentials(), pop, &vfs.SetStatOptions{Stat: st}); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return nil
	}
	for record, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(record, "SCHILY.xattr.")
		if !ok || !abi.KeptXattr(name) {
			continue
		}
		err := u.fs.SetXattrAt(u.t, u.t.Credentials(), pop, &vfs.SetXattrOptions{Name: name, Value: value})
		if err != nil && !linuxerr.Equals(linuxerr.EOPNOTSUPP, err) {
			return err
		}
	}
	return nil
}

// whiteout removes what a whiteout names.
func (u *unpacker) whiteout(dir, hidden string, mine map[string]bool) error {
	opaque := hidden == ".wh..opq"
	switch {
	case !opaque && strings.HasPrefix(hidden, ".wh."):
		return nil // metadata of an AUFS file system
	case hidden == "" || hidden == "." || hidden == ".." || strings.Contains(dir+hidden, "\x00"):
		return linuxerr.EINVAL
	}
	err := u.open(dir)
	switch {
	case linuxerr.Equals(linuxerr.ENOENT, err) || linuxerr.Equals(linuxerr.ENOTDIR, err):
		return nil
	case err != nil:
		return err
	case opaque:
		return u.clearLower(u.real, mine)
	}
	if err := u.saveTime(); err != nil {
		return err
	}
	return u.removeAll(u.at(u.dir, hidden))
}

// clearLower removes the content that lower layers left in a directory.
func (u *unpacker) clearLower(real string, mine map[string]bool) error {
	if err := u.open(real); err != nil {
		return err
	}
	if err := u.saveTime(); err != nil {
		return err
	}
	names, err := u.names(u.at(u.dir, ""))
	if err != nil {
		return err
	}
	for _, base := range names {
		child := path.Join(real, base)
		if mine[child] {
			st, err := u.stat(u.at(u.root, child))
			if err == nil && st.Mode&linux.S_IFMT == linux.S_IFDIR {
				err = u.clearLower(child, mine)
			}
			if err != nil {
				return err
			}
			continue
		}
		if err := u.removeAll(u.at(u.root, child)); err != nil {
			return err
		}
	}
	return nil
}

//go:build linux && (amd64 || arm64)

package main

import (
	"encoding/binary"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/abi/linux"
	"gvisor.dev/gvisor/pkg/errors/linuxerr"
	"gvisor.dev/gvisor/pkg/sentry/arch"
	"gvisor.dev/gvisor/pkg/sentry/kernel"
	"gvisor.dev/gvisor/pkg/sentry/vfs"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// scan is what tree.scan in package apply does.
func scan(t *kernel.Task, args arch.SyscallArguments) error {
	dir, to := t.GetFile(args[0].Int()), t.GetFile(args[1].Int())
	for _, f := range []*vfs.FileDescription{dir, to} {
		if f == nil {
			return linuxerr.EBADF
		}
		defer f.DecRef(t)
	}
	skip := make([]byte, args[3].SizeT())
	if _, err := t.CopyInBytes(args[2].Pointer(), skip); err != nil {
		return err
	}
	s := &scanner{w: walker{t: t, fs: t.Kernel().VFS(), root: dir.VirtualDentry()}, to: fileWriter{t, to}, skip: map[string]bool{}}
	for name := range strings.SplitSeq(string(skip), "\x00") {
		s.skip[name] = true
	}
	if err := s.dir(dir.VirtualDentry(), "/"); err != nil {
		return err
	}
	_, err := s.to.Write(s.buf)
	return err
}

type scanner struct {
	w    walker
	to   fileWriter
	buf  []byte
	skip map[string]bool
}

// dir writes what is in a directory, in the order of names.
func (s *scanner) dir(dir vfs.VirtualDentry, name string) error {
	names, err := s.w.names(s.w.at(dir, ""))
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, base := range names {
		full := path.Join(name, base)
		if s.skip[full] {
			continue
		}
		if err := s.file(dir, base, full); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) file(dir vfs.VirtualDentry, base, name string) error {
	pop := s.w.at(dir, base)
	st, err := s.w.stat(pop)
	if err != nil {
		return err
	}
	var attrs string
	kind := st.Mode & linux.S_IFMT
	if kind == linux.S_IFREG || kind == linux.S_IFDIR {
		if attrs, err = s.attrs(pop); err != nil {
			return err
		}
	}
	if err := s.write(name, &st, attrs); err != nil || kind != linux.S_IFDIR {
		return err
	}
	below, err := s.w.fs.GetDentryAt(s.w.t, s.w.t.Credentials(), pop, &vfs.GetDentryOptions{})
	if err != nil {
		return err
	}
	defer below.DecRef(s.w.t)
	return s.dir(below, name)
}

// attrs returns the extended attributes that belong in a layer.
func (s *scanner) attrs(pop *vfs.PathOperation) (string, error) {
	creds := s.w.t.Credentials()
	names, err := s.w.fs.ListXattrAt(s.w.t, creds, pop, 0)
	if linuxerr.Equals(linuxerr.EOPNOTSUPP, err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		if !abi.KeptXattr(name) {
			continue
		}
		value, err := s.w.fs.GetXattrAt(s.w.t, creds, pop, &vfs.GetXattrOptions{Name: name, Size: linux.XATTR_SIZE_MAX})
		if err != nil {
			return "", err
		}
		text.WriteString(name + "\x00" + value + "\x00")
	}
	return text.String(), nil
}

// write writes a record, the name, and the attributes.
func (s *scanner) write(name string, st *linux.Statx, attrs string) error {
	record := abi.Record{
		uint64(len(name)), uint64(len(attrs)),
		unix.Mkdev(st.DevMajor, st.DevMinor), st.Ino, uint64(st.Mode), uint64(st.Nlink), uint64(st.UID), uint64(st.GID),
		unix.Mkdev(st.RdevMajor, st.RdevMinor), st.Size,
		uint64(st.Mtime.Sec), uint64(st.Mtime.Nsec), uint64(st.Ctime.Sec), uint64(st.Ctime.Nsec),
	}
	for _, n := range record {
		s.buf = binary.LittleEndian.AppendUint64(s.buf, n)
	}
	s.buf = append(append(s.buf, name...), attrs...)
	if len(s.buf) < 64<<10 {
		return nil
	}
	_, err := s.to.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

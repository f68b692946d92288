//go:build linux && (amd64 || arm64)

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"gvisor.dev/gvisor/pkg/errors/linuxerr"
	"gvisor.dev/gvisor/pkg/sentry/kernel"
	"gvisor.dev/gvisor/pkg/sentry/vfs"
	"gvisor.dev/gvisor/pkg/usermem"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// A fileReader reads an open file.
type fileReader struct {
	t    *kernel.Task
	from *vfs.FileDescription
}

func (r fileReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(r.t, usermem.BytesIOSequence(p), vfs.ReadOptions{})
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return int(n), err
}

// A layerReader reads a file that arrives in frames (see package apply).
type layerReader struct {
	t    *kernel.Task
	from *vfs.FileDescription
	buf  []byte
	left []byte // of the current frame
	err  error
}

func (r *layerReader) Read(p []byte) (int, error) {
	for len(r.left) == 0 && r.err == nil {
		r.err = r.next()
	}
	if len(r.left) == 0 {
		return 0, r.err
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// next reads the next frame.
func (r *layerReader) next() error {
	var head [5]byte
	if err := r.readFull(head[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint32(head[1:]))
	if n > abi.Chunk || head[0] != abi.FrameData && head[0] != abi.FrameEnd {
		return fmt.Errorf("unexpected frame %q", head)
	}
	r.buf = slices.Grow(r.buf[:0], n)[:n]
	if err := r.readFull(r.buf); err != nil {
		return err
	}
	switch {
	case head[0] == abi.FrameData:
		r.left = r.buf
		return nil
	case n == 0:
		return io.EOF
	}
	return errors.New(string(r.buf))
}

// readFull waits until all bytes have arrived.
func (r *layerReader) readFull(p []byte) error {
	w, ready := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr)
	waiting := false
	for len(p) > 0 {
		n, err := r.from.Read(r.t, usermem.BytesIOSequence(p), vfs.ReadOptions{})
		p = p[n:]
		switch {
		case n > 0 || errors.Is(err, linuxerr.EINTR):
		case err == nil || errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case !linuxerr.Equals(linuxerr.ErrWouldBlock, err):
			return err
		case !waiting:
			if err := r.from.EventRegister(&w); err != nil {
				return err
			}
			defer r.from.EventUnregister(&w)
			waiting = true
		default: // signals, such as those of Go's runtime, have to wait
			r.t.UninterruptibleSleepStart()
			<-ready
			r.t.UninterruptibleSleepFinish()
		}
	}
	return nil
}

package scan

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A Cache keeps the wanted entries of layers. A key is a valid file name. A lost or
// damaged entry only costs time, so the methods return no error.
type Cache interface {
	Get(key string) []byte // nil if there is none
	Put(key string, value []byte)
}

// DirCache is a Cache in a directory, created on demand. Several processes may
// share it. Beyond 512 MiB it loses the entries that were written first.
type DirCache string

// Get implements [Cache].
func (c DirCache) Get(key string) []byte {
	value, err := os.ReadFile(c.file(key))
	if err != nil {
		return nil
	}
	return value
}

// Put implements [Cache]. It writes the file atomically.
func (c DirCache) Put(key string, value []byte) {
	if os.MkdirAll(string(c), 0o755) != nil {
		return
	}
	f, err := os.CreateTemp(string(c), ".put-*")
	if err != nil {
		return
	}
	_, err = f.Write(value)
	if f.Close() != nil || err != nil || os.Rename(f.Name(), c.file(key)) != nil {
		_ = os.Remove(f.Name())
		return
	}
	c.trim(maxDirCache)
}

const maxDirCache = 512 << 20

// trim removes the oldest entries until the rest takes at most size bytes.
func (c DirCache) trim(size int64) {
	names, err := filepath.Glob(c.file("*"))
	if err != nil {
		return
	}
	var all []fs.FileInfo
	for _, name := range names {
		if info, err := os.Stat(name); err == nil { // another process may have removed it
			all = append(all, info)
			size -= info.Size()
		}
	}
	slices.SortFunc(all, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for i := 0; size < 0 && i < len(all); i++ {
		_ = os.Remove(filepath.Join(string(c), all[i].Name()))
		size += all[i].Size()
	}
}

func (c DirCache) file(key string) string { return filepath.Join(string(c), key+".tar.zst") }

// codec compresses cache entries. A frame has a checksum, so damaged entries are
// detected.
var codec = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true))
	if err != nil {
		panic(err) // unreachable: the options are constants
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxContent))
	if err != nil {
		panic(err)
	}
	return enc, dec
})

func encodeEntries(entries []entry) []byte {
	var buf bytes.Buffer
	if writeTar(&buf, entries) != nil {
		return nil
	}
	enc, _ := codec()
	return enc.EncodeAll(buf.Bytes(), nil)
}

// decodeEntries reports false if the value is missing or damaged.
func decodeEntries(value []byte, in *selection, b *budget) ([]entry, bool) {
	if len(value) == 0 {
		return nil, false
	}
	_, dec := codec()
	raw, err := dec.DecodeAll(value, nil)
	if err != nil {
		return nil, false
	}
	entries, err := readTar(bytes.NewReader(raw), in, b)
	return entries, err == nil
}

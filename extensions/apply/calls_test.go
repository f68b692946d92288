//go:build linux

package apply

import (
	"encoding/binary"
	"slices"
	"testing"
)

// record is a record as the kernel of a sandbox writes it.
func record(name, attrs string, numbers [12]uint64) []byte {
	r := binary.LittleEndian.AppendUint64(nil, uint64(len(name)))
	r = binary.LittleEndian.AppendUint64(r, uint64(len(attrs)))
	for _, n := range numbers {
		r = binary.LittleEndian.AppendUint64(r, n)
	}
	return append(append(r, name...), attrs...)
}

func TestParseSnapshot(t *testing.T) {
	first := record("/etc", "user.x\x001\x00", [12]uint64{1, 2, 0o40755, 3, 4, 5, 0, 6, 7, 8, 9, 10})
	both := slices.Concat(first, record("/etc/passwd", "", [12]uint64{1, 11, 0o100644, 1, 0, 0, 0, 12, 13, 14, 15, 16}))
	s, err := parseSnapshot(both)
	if err != nil || len(s) != 2 {
		t.Fatalf("%d files, %v", len(s), err)
	}
	if s[0].path != "/etc" || s[0].attrs != "user.x\x001\x00" || !s[0].isDir() || s[0].stat.Nlink != 3 || s[0].stat.Uid != 4 || s[0].stat.Gid != 5 {
		t.Errorf("got %+v", s[0])
	}
	st := s[1].stat
	if s[1].path != "/etc/passwd" || s[1].attrs != "" || st.Ino != 11 || st.Size != 12 || st.Mtim.Sec != 13 || st.Mtim.Nsec != 14 || st.Ctim.Sec != 15 || st.Ctim.Nsec != 16 {
		t.Errorf("got %+v", s[1])
	}
	for n := 1; n < len(both); n++ {
		if _, err := parseSnapshot(both[:n]); (err == nil) != (n == len(first)) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
}

func FuzzParseSnapshot(f *testing.F) {
	f.Add(record("/a", "b", [12]uint64{}))
	f.Add(record("", "", [12]uint64{1<<64 - 1}))
	f.Fuzz(func(t *testing.T, records []byte) {
		s, err := parseSnapshot(records)
		size := 0
		for i := range s {
			size += 14*8 + len(s[i].path) + len(s[i].attrs)
		}
		if err == nil && size != len(records) {
			t.Errorf("%d of %d bytes were read", size, len(records))
		}
	})
}

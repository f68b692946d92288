package scan

import (
	"os"
	"testing"
	"time"
)

// TestTrim: the oldest entries go, other files stay.
func TestTrim(t *testing.T) {
	c := DirCache(t.TempDir())
	for i, key := range []string{"old", "newer", "newest"} {
		c.Put(key, make([]byte, 100))
		written := time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC)
		if err := os.Chtimes(c.file(key), written, written); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(string(c)+"/other", make([]byte, 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	c.trim(250)
	if c.Get("old") != nil || c.Get("newer") == nil || c.Get("newest") == nil {
		t.Error("what goes is not the oldest entry")
	}
	if _, err := os.Stat(string(c) + "/other"); err != nil {
		t.Error(err)
	}
}

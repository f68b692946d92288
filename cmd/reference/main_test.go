package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPagesAreUpToDate holds the pages to the code that they describe.
func TestPagesAreUpToDate(t *testing.T) {
	const root = "../.."
	want, err := pages(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range want {
		got, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Errorf("%v: run go generate ./cmd/reference", err)
			continue
		}
		if diff := cmp.Diff(content, string(got)); diff != "" {
			t.Errorf("%s is out of date: run go generate ./cmd/reference\n-want +got:\n%s", path, diff)
		}
	}
	written, err := filepath.Glob(filepath.Join(root, "docs/reference/*"))
	if err != nil || len(written) != len(want) {
		t.Errorf("docs/reference has %q, %v: only what is generated may be there", written, err)
	}
}

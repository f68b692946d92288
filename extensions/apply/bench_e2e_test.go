//go:build e2e && linux

package apply_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/extensions/apply"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// BenchmarkRun is what applying costs beyond the command itself, which is "true":
// all of it less the unpacking, in an isolated root of Debian. Promised: less than
// 300 ms. Every run has an instruction that is in no cache.
func BenchmarkRun(b *testing.B) {
	file := lifecycletest.Rootfs(b, lifecycletest.Minimal)
	dockerfiles := runFile(b, "ARG build_id=0\nRUN true ${build_id}\nUSER 1000:1000\n")
	var unpacking time.Duration
	for b.Loop() {
		dir := b.TempDir()
		var opened, read time.Time
		a := &apply.Applier{Root: apply.Root{Dir: filepath.Join(dir, "root"), Layers: []func() (io.ReadCloser, error){func() (io.ReadCloser, error) {
			opened = time.Now()
			f, err := os.Open(file)
			return closing{f, &read}, err
		}}}, Spool: dir, Digest: "sha256:x", Cache: b.TempDir()}
		if _, err := a.Apply(b.Context(), dockerfiles, v1.Config{User: "0:0"}); err != nil {
			b.Fatal(err)
		}
		unpacking += read.Sub(opened)
	}
	b.ReportMetric(float64((b.Elapsed()-unpacking).Milliseconds())/float64(b.N), "ms-beyond-unpacking/op")
}

// closing notes when a reader is closed.
type closing struct {
	io.ReadCloser
	at *time.Time
}

func (c closing) Close() error {
	*c.at = time.Now()
	return c.ReadCloser.Close()
}

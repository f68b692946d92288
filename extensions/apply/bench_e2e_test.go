//go:build e2e && linux

package apply_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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

// BenchmarkSandbox compares the whole of applying a Dockerfile to Debian (130 MB) in a sandbox with an isolated root:
// a command that does nothing, which leaves the start and the unpacking, and one that installs a package. The
// largest of the processes is reported too.
func BenchmarkSandbox(b *testing.B) {
	dir := b.TempDir()
	build := func(name, pkg string) string {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("building %s: %v\n%s", pkg, err, out)
		}
		return filepath.Join(dir, name)
	}
	applier, sandbox := build("applier", "./testdata/applier"), build("sandbox", "../../cmd/sandbox")
	file := lifecycletest.Rootfs(b, lifecycletest.Minimal)
	for _, command := range []string{"true", "apt-get update && apt-get install -y --no-install-recommends curl"} {
		for way, program := range map[string]string{"isolated": "", "sandbox": sandbox} {
			b.Run(strings.Fields(command)[0]+"/"+way, func(b *testing.B) {
				var resident int64
				for b.Loop() {
					spool := b.TempDir()
					input, err := json.Marshal(map[string]any{
						"Dir": filepath.Join(spool, "root"), "Base": file, "Spool": spool, "Out": filepath.Join(spool, "out"), "Image": "run", "Sandbox": program,
						"Config": v1.Config{User: "0:0"}, "Dockerfile": "ARG base_image\nFROM ${base_image}\nRUN " + command + "\nUSER 1000:1000\n",
					})
					if err != nil {
						b.Fatal(err)
					}
					cmd := exec.CommandContext(b.Context(), applier)
					cmd.Stdin = bytes.NewReader(input)
					if out, err := cmd.CombinedOutput(); err != nil {
						b.Fatalf("%v\n%s", err, out)
					}
					if result, err := os.ReadFile(filepath.Join(spool, "out")); err != nil || !bytes.Contains(result, []byte(`"Error":""`)) {
						b.Fatalf("%s, %v", result, err)
					}
					resident = max(resident, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
				}
				b.ReportMetric(float64(resident)/1024, "MB-resident")
			})
		}
	}
}

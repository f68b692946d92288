//go:build e2e && linux

package apply_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
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

// BenchmarkSandbox compares a sandbox with an isolated root, in turns: until the first command of a
// Dockerfile runs on Debian (130 and 180 MB) and on an image of 1 GB, and installing a package whose
// files are there. Promised: a start of 0.5 s for 130 MB, twice the time for the installation, and
// 300 MB of memory, of which files are no part. The fastest start counts.
func BenchmarkSandbox(b *testing.B) {
	w := &comparison{dir: b.TempDir()}
	debian := lifecycletest.Rootfs(b, lifecycletest.Minimal)
	large := filepath.Join(w.dir, "large.tar")
	writeLarge(b, large)
	small := filepath.Join(w.dir, "small.tar")
	writeSmall(b, small, debian)
	const install = "apt-get install -y --no-install-recommends curl"
	packages := w.apply(b, "", []string{debian}, "apt-get update && "+install+" --download-only").layer
	for _, c := range []struct {
		name, command string
		bases         []string
	}{
		{"start-130MB", "echo started", []string{small}},
		{"start-180MB", "echo started", []string{debian}},
		{"start-1GB", "echo started", []string{debian, large}},
		{"apt-get", install, []string{debian, packages}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var isolated, sandboxed measured
			for b.Loop() {
				isolated.add(w.apply(b, "", c.bases, c.command))
				sandboxed.add(w.apply(b, compiled(b, "../../cmd/sandbox"), c.bases, c.command))
			}
			n := float64(b.N)
			b.ReportMetric(isolated.start.Seconds(), "s-to-first-output-isolated")
			b.ReportMetric(sandboxed.start.Seconds(), "s-to-first-output-sandbox")
			b.ReportMetric(isolated.all.Seconds()/n, "s-isolated")
			b.ReportMetric(sandboxed.all.Seconds()/n, "s-sandbox")
			b.ReportMetric(sandboxed.all.Seconds()/isolated.all.Seconds(), "ratio")
			b.ReportMetric(float64(sandboxed.anonymous)/1024, "MB-memory")
			b.ReportMetric(float64(sandboxed.resident)/1024, "MB-memory-and-files")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A comparison applies Dockerfiles in both ways.
type comparison struct{ dir string }

// What was measured: the shortest time until the first output, the sum of all times, and the memory of
// the sandbox's kernel in kB.
type measured struct {
	start, all          time.Duration
	anonymous, resident int64
	layer               string
}

func (m *measured) add(n measured) {
	if m.all == 0 || n.start < m.start {
		m.start = n.start
	}
	m.all += n.all
	m.anonymous, m.resident = max(m.anonymous, n.anonymous), max(m.resident, n.resident)
}

func (w *comparison) apply(b *testing.B, sandbox string, bases []string, command string) (m measured) {
	b.Helper()
	spool := b.TempDir()
	result := filepath.Join(spool, "out")
	input, err := json.Marshal(map[string]any{
		"Dir": filepath.Join(spool, "root"), "Bases": bases, "Spool": spool, "Out": result, "Image": "run", "Sandbox": sandbox,
		"Config": v1.Config{User: "0:0"}, "Dockerfile": "ARG base_image\nFROM ${base_image}\nRUN " + command + "\nUSER 1000:1000\n",
	})
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), compiled(b, "./testdata/applier"))
	cmd.Stdin = bytes.NewReader(input)
	begun := time.Now()
	var out firstWrite
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		m.watch(sandbox, ended)
	}()
	err = cmd.Wait()
	m.all = time.Since(begun)
	close(ended)
	<-watched
	if content, reading := os.ReadFile(result); err != nil || reading != nil || !bytes.Contains(content, []byte(`"Error":""`)) {
		b.Fatalf("%v, %v\n%s\n%s", err, reading, content, out.content)
	}
	m.start, m.layer = out.at.Sub(begun), result+".0.tar"
	return m
}

// watch reads the memory of the process that runs a program.
func (m *measured) watch(program string, until <-chan struct{}) {
	if program == "" {
		return
	}
	for tick := time.Tick(20 * time.Millisecond); ; {
		select {
		case <-until:
			return
		case <-tick:
		}
		links, _ := filepath.Glob("/proc/[0-9]*/exe")
		for _, link := range links {
			if to, err := os.Readlink(link); err != nil || to != program {
				continue
			}
			status, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "status"))
			for line := range strings.Lines(string(status)) {
				var kB int64
				if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kB); n == 1 {
					m.anonymous = max(m.anonymous, kB)
				}
				if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 {
					m.resident = max(m.resident, kB)
				}
			}
		}
	}
}

// A firstWrite keeps what is written, and when that began.
type firstWrite struct {
	content []byte
	at      time.Time
}

func (w *firstWrite) Write(p []byte) (int, error) {
	if w.at.IsZero() {
		w.at = time.Now()
	}
	w.content = append(w.content, p...)
	return len(p), nil
}

// unneeded are Debian's documentation and translations.
var unneeded = regexp.MustCompile(`^(\./)?usr/share/(doc|locale|man)/`)

// writeSmall writes Debian without what is unneeded: 130 MB.
func writeSmall(b *testing.B, name, debian string) {
	b.Helper()
	in, err := os.Open(debian)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	w := tar.NewWriter(f)
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		if unneeded.MatchString(h.Name) {
			continue
		}
		err = w.WriteHeader(h)
		_, copying := io.Copy(w, r)
		if err := errors.Join(err, copying); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		b.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Size() < 120<<20 || info.Size() > 140<<20 {
		b.Fatalf("%v, %v; want 130 MB", info, err)
	}
}

// writeLarge writes a layer of 850 MB.
func writeLarge(b *testing.B, name string) {
	b.Helper()
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	w := tar.NewWriter(f)
	content := make([]byte, 5<<20)
	rand.NewChaCha8([32]byte{}).Read(content)
	for i := range 170 {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("opt/large/%d", i), Mode: 0o644, Size: int64(len(content))}))
		_, writing := w.Write(content)
		err = errors.Join(err, writing)
	}
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		b.Fatal(err)
	}
}

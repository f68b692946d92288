//go:build e2e && linux

package apply

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
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"
)

// TestKernelUnpacks: the kernel of a sandbox unpacks layers as this package does.
func TestKernelUnpacks(t *testing.T) {
	programs := compiled(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	layers := make([][]*entryOf, 4)
	for i := range 300 {
		for l, entries := range randomHistory(t, random, fmt.Sprintf("c%d", i), len(layers)) {
			layers[l] = append(layers[l], entries...)
		}
	}
	tars := packed(t, layers)
	want := t.TempDir()
	if err := unpackAll(t, tars, want); err != nil {
		t.Fatal(err)
	}
	wanted, err := exec.Command(programs[0], "list", want).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, wanted)
	}
	got, failure := inKernel(t, programs, tars)
	if failure != "" || strings.Contains(got, "does not unpack") {
		t.Fatalf("%s\n%s", failure, got)
	}
	compareLines(t, string(wanted), got)
}

// TestKernelDoesNotUnpack: what the kernel leaves to the program gives the same tree, or the same error.
func TestKernelDoesNotUnpack(t *testing.T) {
	programs := compiled(t)
	for _, c := range []struct {
		name    string
		entries []*entryOf
	}{
		{"a link to nowhere", []*entryOf{{h: tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../nowhere"}}, {h: tar.Header{Typeflag: tar.TypeReg, Name: "l/x"}}}},
		{"a file as parent", []*entryOf{{h: tar.Header{Typeflag: tar.TypeReg, Name: "x"}}, {h: tar.Header{Typeflag: tar.TypeReg, Name: "x/y"}}}},
		{"a type of its own", []*entryOf{{h: tar.Header{Typeflag: 'Z', Name: "x"}}}},
		{"a whiteout without a name", []*entryOf{{h: tar.Header{Typeflag: tar.TypeReg, Name: "a/.wh."}}}},
		{"a link to a missing file", []*entryOf{{h: tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "y"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tars := packed(t, [][]*entryOf{c.entries})
			want := t.TempDir()
			failure := unpackAll(t, tars, want)
			got, message := inKernel(t, programs, tars)
			if !strings.Contains(got, "does not unpack") {
				t.Errorf("the kernel unpacks it: %s\n%s", message, got)
			}
			if failure != nil {
				if !strings.HasSuffix(message, failure.Error()) {
					t.Errorf("got %q, want %v", message, failure)
				}
				return
			}
			if message != "" {
				t.Fatal(message)
			}
			wanted, err := exec.Command(programs[0], "list", want).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, wanted)
			}
			compareLines(t, string(wanted), got)
		})
	}
}

// TestSignalsWhileUnpacking: the kernel unpacks to the end while the program gets signals, which Go's runtime sends.
func TestSignalsWhileUnpacking(t *testing.T) {
	programs := compiled(t)
	program, err := os.Open(programs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	memory, err := os.Create(filepath.Join(t.TempDir(), "memory"))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	signals, asks, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	hears, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), programs[1], "-no-network", "kernel", "unpack")
	cmd.Dir, cmd.Stderr, cmd.ExtraFiles = t.TempDir(), &stderr, []*os.File{program, memory, asks, hears}
	if err := errors.Join(cmd.Start(), asks.Close(), hears.Close()); err != nil {
		t.Fatal(err)
	}
	layer := packed(t, [][]*entryOf{{{h: tar.Header{Typeflag: tar.TypeReg, Name: "file"}, content: make([]byte, 100_000)}}})[0]
	to := &link{out: answers}
	for len(layer) > 0 {
		if _, err := signals.Read(make([]byte, 1)); err != nil { // ten more signals
			t.Errorf("waiting for signals: %v", err)
			break
		}
		n, err := to.sendParts(frameData, layer[:min(len(layer), 10_000)])
		if err != nil {
			t.Errorf("sending: %v", err)
			break
		}
		layer = layer[n:]
	}
	_ = to.send(frameEnd, nil)
	go io.Copy(io.Discard, signals)
	if err := cmd.Wait(); err != nil || stderr.String() != "100000 bytes\n" {
		t.Errorf("%v: %s", err, stderr.String())
	}
}

// compiled returns the programs that list files, are a sandbox, and apply a Dockerfile.
func compiled(t *testing.T) (programs [3]string) {
	t.Helper()
	dir := t.TempDir()
	for i, pkg := range []string{"./testdata/kernel", "../../cmd/sandbox", "./testdata/applier"} {
		programs[i] = filepath.Join(dir, filepath.Base(pkg))
		cmd := exec.Command("go", "build", "-o", programs[i], pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", pkg, err, out)
		}
	}
	return programs
}

// compareLines compares lists of files, without what the program in the sandbox needs, and its log.
func compareLines(t *testing.T, want, got string) {
	t.Helper()
	keep := func(list string) map[string]bool {
		lines := map[string]bool{}
		for line := range strings.Lines(list) {
			if name, _, _ := strings.Cut(line, " "); strings.HasPrefix(name, `"`) && name != `"."` && name != `"list"` {
				lines[line] = true
			}
		}
		return lines
	}
	wanted, lines := keep(want), keep(got)
	shown := 0
	for _, side := range []struct {
		sign string
		a, b map[string]bool
	}{{"-", wanted, lines}, {"+", lines, wanted}} {
		for line := range side.a {
			if !side.b[line] && shown < 20 {
				shown++
				t.Errorf("%s%s", side.sign, line)
			}
		}
	}
}

// inKernel applies a Dockerfile that lists all files to an image of these layers, and returns the output and the error.
func inKernel(t *testing.T, programs [3]string, tars [][]byte) (output, failure string) {
	t.Helper()
	program, err := os.ReadFile(programs[0])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var bases []string
	for i, content := range append(packed(t, [][]*entryOf{{{h: tar.Header{Typeflag: tar.TypeReg, Name: "list", Mode: 0o755}, content: program}}}), tars...) {
		bases = append(bases, filepath.Join(dir, fmt.Sprintf("%d.tar", i)))
		if err := os.WriteFile(bases[i], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	input, err := json.Marshal(map[string]any{
		"Bases": bases, "Spool": dir, "Out": filepath.Join(dir, "out"), "Image": "run", "Sandbox": programs[1], "Debug": true, "Config": v1.Config{User: "0:0"},
		"Dockerfile": "ARG base_image\nFROM ${base_image}\nRUN [\"/list\", \"list\", \"/\"]\nUSER 1000:1000\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), programs[2])
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	content, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Error string }
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	return string(out), r.Error
}

// unpackAll unpacks layers as for an isolated root.
func unpackAll(t *testing.T, tars [][]byte, dir string) (err error) {
	t.Helper()
	tree, err := openTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree.noDevices = true
	defer func() { err = errors.Join(err, tree.close()) }()
	for _, layer := range tars {
		if err := tree.unpack(t.Context(), bytes.NewReader(layer)); err != nil {
			return err
		}
	}
	return nil
}

// An entryOf a tar.
type entryOf struct {
	h       tar.Header
	content []byte
}

func packed(t *testing.T, layers [][]*entryOf) (tars [][]byte) {
	t.Helper()
	for _, entries := range layers {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for _, e := range entries {
			e.h.Size = int64(len(e.content))
			if err := w.WriteHeader(&e.h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(e.content); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		tars = append(tars, buf.Bytes())
	}
	return tars
}

// randomHistory returns layers below a directory that can be unpacked.
func randomHistory(t *testing.T, random *rand.Rand, dir string, n int) [][]*entryOf {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	for {
		if err := errors.Join(os.RemoveAll(root), os.Mkdir(root, 0o755)); err != nil {
			t.Fatal(err)
		}
		layers := make([][]*entryOf, n)
		for l := range layers {
			for range random.IntN(8) {
				layers[l] = append(layers[l], randomEntry(random, dir))
			}
		}
		if unpackAll(t, packed(t, layers), root) == nil {
			return layers
		}
	}
}

func randomEntry(random *rand.Rand, dir string) *entryOf {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	name := func() string {
		parts := []string{dir}
		for range 1 + random.IntN(3) {
			parts = append(parts, pick("a", "b", "c", "link"))
		}
		return strings.Join(parts, "/")
	}
	e := &entryOf{h: tar.Header{
		Name: name(), Mode: random.Int64N(0o10000), Uid: random.IntN(3) * 1000, Gid: random.IntN(70000), Format: tar.FormatPAX,
		ModTime: time.Unix(random.Int64N(2e9), random.Int64N(1e9)),
	}}
	switch random.IntN(12) {
	case 0, 1, 2:
		e.h.Typeflag = tar.TypeReg
		e.content = bytes.Repeat([]byte{byte(random.IntN(256))}, random.IntN(3)*random.IntN(200_000))
	case 3, 4, 5:
		e.h.Typeflag = tar.TypeDir
	case 6:
		e.h.Typeflag, e.h.Linkname = tar.TypeSymlink, pick("a", "b", "./c", "missing", "missing/too")
		e.h.Name = strings.TrimSuffix(e.h.Name, "/"+filepath.Base(e.h.Name)) + "/link"
	case 7:
		e.h.Typeflag, e.h.Linkname = tar.TypeLink, name()
	case 8:
		e.h.Typeflag = pick(string(rune(tar.TypeFifo)), string(rune(tar.TypeChar)))[0]
	case 9, 10:
		e.h.Typeflag, e.h.Name = tar.TypeReg, filepath.Dir(e.h.Name)+"/"+whiteout+pick("a", "b", "c", "link", "missing")
	default:
		e.h.Typeflag, e.h.Name = tar.TypeReg, filepath.Dir(e.h.Name)+"/"+opaque
	}
	if random.IntN(4) == 0 && (e.h.Typeflag == tar.TypeReg || e.h.Typeflag == tar.TypeDir) {
		e.h.PAXRecords = map[string]string{
			paxXattr + "user.x": "1", paxXattr + "trusted.overlay.opaque": "y",
			paxXattr + "system.posix_acl_access": "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\x2a\x00\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x04\x00\xff\xff\xff\xff",
		}
		if e.h.Typeflag == tar.TypeReg {
			e.h.PAXRecords[paxXattr+"security.capability"] = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
		}
	}
	return e
}

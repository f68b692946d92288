//go:build unix

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asMutate is the variable that makes the test binary act as the command.
const asMutate = "BASEPLAN_TEST_MUTATE"

func TestMain(m *testing.M) {
	if os.Getenv(asMutate) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// module creates a module in a new directory, which becomes the working directory.
func module(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
}

const goMod = "module example.org/m\n\ngo 1.24\n"

const code = `package m

func Within(n, low, high int) bool { return low <= n && n < high }

func Clamp(n int) int {
	if n < 0 {
		n = 0
	}
	return n
}

func Untested(list []int) int { return list[0] }
`

const codeTest = `package m

import "testing"

func TestWithin(t *testing.T) {
	for n, want := range map[int]bool{0: false, 1: true, 2: true, 3: false} {
		if Within(n, 1, 3) != want {
			t.Error(n)
		}
	}
}

func TestClamp(t *testing.T) {
	if Clamp(-1) != 0 || Clamp(1) != 1 {
		t.Error("not clamped")
	}
}
`

// lines returns what the command prints, except for its first line, which has a time.
func lines(t *testing.T, args ...string) ([]string, error) {
	t.Helper()
	var out bytes.Buffer
	err := mutate(t.Context(), args, &out)
	all := strings.Split(strings.TrimSpace(out.String()), "\n")
	return all[min(1, len(all)):], err
}

// TestSurvivors mutates code of which a part is tested: what no test detects is reported unless
// it is listed, and so is a list that has too much.
func TestSurvivors(t *testing.T) {
	module(t, map[string]string{"go.mod": goMod, "m.go": code, "m_test.go": codeTest})
	const equivalent = "m.go Clamp: `n < 0` as <="
	const untested = "m.go Untested: `0` plus 1"
	got, err := lines(t, "./...")
	want := []string{"survived (line 12): " + untested, "survived (line 6): " + equivalent, "tests detected 8 of 10 changes"}
	if diff := cmp.Diff(want, got); diff != "" || err == nil {
		t.Errorf("without a list: %v\n-want +got:\n%s", err, diff)
	}
	list := filepath.Join(t.TempDir(), "survivors.txt")
	write := func(text string) {
		if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("# comment\n\n" + equivalent + " # zero stays zero\n" + untested + " # an example\n")
	if got, err := lines(t, "-survivors", list, "./..."); err != nil || len(got) != 1 {
		t.Errorf("all are listed: %q, %v", got, err)
	}
	if got, err := lines(t, "-survivors", list, "-listed", "./..."); err != nil || !slices.Equal(got, []string{"tests detected 0 of 2 changes"}) {
		t.Errorf("only those listed: %q, %v", got, err)
	}
	write(equivalent + " # zero stays zero\nm.go Within: `n < high` negated # a mistake\nm.go Gone: `x` negated # it was there once\n")
	got, err = lines(t, "-survivors", list, "./...")
	want = []string{
		"listed, but a test detects it: m.go Within: `n < high` negated", "listed, but the code has no such change: m.go Gone: `x` negated",
		"survived (line 12): " + untested, "tests detected 8 of 10 changes",
	}
	if diff := cmp.Diff(want, got); diff != "" || err == nil {
		t.Errorf("with a wrong list: %v\n-want +got:\n%s", err, diff)
	}
	write(equivalent + "\n")
	if _, err := lines(t, "-survivors", list, "./..."); err == nil || !strings.Contains(err.Error(), list+":1: the reason is missing") {
		t.Errorf("without a reason: got %v", err)
	}
}

// TestFailingTestsAreRejected mutates code whose tests fail as it is: they would detect everything.
func TestFailingTestsAreRejected(t *testing.T) {
	module(t, map[string]string{"go.mod": goMod, "m.go": code, "m_test.go": strings.Replace(codeTest, "Clamp(1) != 1", "Clamp(1) != 2", 1)})
	if _, err := lines(t, "./..."); err == nil || !strings.Contains(err.Error(), "TestClamp of example.org/m fails without a change") {
		t.Errorf("got %v", err)
	}
}

// TestChoose holds that a seed selects the same changes again, at most n of each package.
func TestChoose(t *testing.T) {
	var all []mutant
	for _, pkg := range []string{"a", "b"} {
		for i := range 20 {
			all = append(all, mutant{pkg: pkg, key: pkg + ".go " + string(rune('a'+i))})
		}
	}
	first := choose(all, 5, 1, "")
	if again := choose(all, 5, 1, ""); !slices.Equal(first, again) {
		t.Errorf("the same seed: %v and %v", first, again)
	}
	if other := choose(all, 5, 2, ""); slices.Equal(first, other) {
		t.Errorf("another seed selects the same: %v", other)
	}
	ofA := slices.IndexFunc(first, func(i int) bool { return all[i].pkg == "b" })
	if len(first) != 10 || ofA != 5 {
		t.Errorf("5 of each package: got %v", first)
	}
	if got := choose(all, 0, 1, "b.go "); len(got) != 20 || all[got[0]].pkg != "b" {
		t.Errorf("all that match: got %v", got)
	}
}

// A test that writes to the pipe STARTED and runs until the pipe HOLD is closed.
const endlessTest = `package m

import (
	"io"
	"os"
	"testing"
)

func TestEndless(t *testing.T) {
	if _, err := os.MkdirTemp("", "left"); err != nil {
		t.Fatal(err)
	}
	hold, err := os.Open(os.Getenv("HOLD"))
	if err != nil {
		t.Fatal(err)
	}
	started, err := os.OpenFile(os.Getenv("STARTED"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := started.WriteString("runs"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(hold)
}
`

// TestInterrupted interrupts the command while a test runs: the test ends, and no temporary file is left.
func TestInterrupted(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			module(t, map[string]string{"go.mod": goMod, "m.go": code, "m_test.go": endlessTest})
			temp, pipes := t.TempDir(), t.TempDir()
			started, hold := filepath.Join(pipes, "started"), filepath.Join(pipes, "hold")
			if err := errors.Join(syscall.Mkfifo(started, 0o600), syscall.Mkfifo(hold, 0o600)); err != nil {
				t.Fatal(err)
			}
			held, err := os.OpenFile(hold, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			cmd := exec.Command(executable(t), "./...")
			cmd.Env = append(os.Environ(), asMutate+"=1", "STARTED="+started, "HOLD="+hold, "TMPDIR="+temp)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			r, err := os.Open(started) // waits for the test
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := io.ReadFull(r, make([]byte, len("runs"))); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "mutate: ") {
				t.Errorf("the command ends with %v and prints %q", err, &out)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Fatalf("%v left in the temporary directory (%v)", left, err)
			}
			if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 { // ends with the test
				t.Errorf("got %q, %v", rest, err)
			}
		})
	}
}

func executable(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

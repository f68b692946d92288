package platforms_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A pipeline is a workflow of GitHub Actions.
type pipeline struct {
	On   map[string]any
	Env  map[string]string
	Jobs map[string]struct {
		Steps []struct {
			Name, Uses, Run string
			With            map[string]string
		}
	}
}

func workflow(t *testing.T) pipeline {
	t.Helper()
	var p pipeline
	decode(t, "github/run-image.yaml", &p)
	return p
}

// An action is a composite one.
type action struct {
	Inputs map[string]declared
	Runs   struct {
		Using string
		Steps []struct {
			Name, If, Shell, Run string
			Env                  map[string]string
		}
	}
}

func composite(t *testing.T) action {
	t.Helper()
	var a action
	decode(t, "../../action.yml", &a)
	if a.Runs.Using != "composite" {
		t.Fatalf("the action uses %q", a.Runs.Using)
	}
	return a
}

// A runner runs steps on this machine as GitHub's runners do.
type runner struct {
	dir  string   // the checkout
	temp string   // RUNNER_TEMP
	env  []string // of all steps
}

func newRunner(t *testing.T, env ...string) *runner {
	t.Helper()
	temp := t.TempDir()
	return &runner{t.TempDir(), temp, append([]string{"no_proxy=*", "RUNNER_OS=Linux", "RUNNER_ARCH=X64", "RUNNER_TEMP=" + temp, "GITHUB_PATH=" + filepath.Join(temp, "path")}, env...)}
}

// bash runs a script of a step.
func (r *runner) bash(t *testing.T, script string, env ...string) (string, error) {
	t.Helper()
	added, _ := os.ReadFile(filepath.Join(r.temp, "path"))
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir = r.dir
	cmd.Env = append(append(append(os.Environ(), r.env...), env...), "PATH="+strings.ReplaceAll(string(added), "\n", ":")+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var (
	input     = regexp.MustCompile(`^\$\{\{ inputs\.([a-z]+) \}\}$`)
	condition = regexp.MustCompile(`^inputs\.([a-z]+) != ''$`)
)

// use runs the steps of the action.
func (r *runner) use(t *testing.T, with map[string]string) (log string, err error) {
	t.Helper()
	a := composite(t)
	for name := range with {
		if _, ok := a.Inputs[name]; !ok {
			t.Errorf("the action has no input %s", name)
		}
	}
	value := func(name string) string {
		of, ok := a.Inputs[name]
		if v, given := with[name]; given {
			return v
		}
		if !ok || of.Default == nil {
			t.Fatalf("the input %s has no value", name)
		}
		return *of.Default
	}
	for _, s := range a.Runs.Steps {
		if s.If != "" {
			m := condition.FindStringSubmatch(s.If)
			if m == nil {
				t.Fatalf("the test does not understand if: %s", s.If)
			}
			if value(m[1]) == "" {
				continue
			}
		}
		var env []string
		for name, text := range s.Env {
			m := input.FindStringSubmatch(text)
			if m == nil {
				t.Fatalf("%s is %q, which is no input", name, text)
			}
			env = append(env, name+"="+value(m[1]))
		}
		out, err := r.bash(t, s.Run, env...)
		log += out
		if err != nil {
			return log, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return log, nil
}

// archive is one with a script as the program baseplan.
func archive(t *testing.T, script string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "baseplan", Mode: 0o755, Size: int64(len(script)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{write(w, script), w.Close(), z.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func write(w *tar.Writer, text string) error {
	_, err := w.Write([]byte(text))
	return err
}

// TestAction runs the action with releases that are as they should be, or are not.
func TestAction(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	program := archive(t, "#!/bin/sh\n[ \"$1\" != fail ] || exit 3\nprintf '<%s>' \"$@\"; cat; echo\n")
	sum := func(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }
	for _, test := range []struct {
		name, os, arch, asset string
		checksums             string
		with                  map[string]string
		want, fails           string // in the log
	}{
		{name: "commands", with: map[string]string{"commands": "sbom  publish a:1 *\n\n provides $HOME $(id)\n"}, want: "<sbom><publish><a:1><*>\nbaseplan provides $HOME $(id)\n<provides><$HOME><$(id)>\n"},
		{name: "a command fails", with: map[string]string{"commands": "a\nfail\nb"}, want: "<a>\nbaseplan fail\n", fails: "exit status 3"},
		{name: "nothing to run"},
		{name: "another version", with: map[string]string{"version": "2.1.0"}, asset: "baseplan-2.1.0-linux-amd64.tgz"},
		{name: "arm64", arch: "ARM64", asset: "baseplan-1.0.0-linux-arm64.tgz"},
		{name: "macOS", os: "macOS", arch: "ARM64", asset: "baseplan-1.0.0-darwin-arm64.tgz"},
		{name: "Windows", os: "Windows", want: "no baseplan archive for Windows on X64", fails: "exit status 1"},
		{name: "changed", checksums: sum(nil) + "  baseplan-1.0.0-linux-amd64.tgz\n", want: "but checksums.txt has " + sum(nil), fails: "exit status 1"},
		{name: "not listed", checksums: sum(program) + "  lifecycle-1.0.0-linux-amd64.tgz\n", want: "but checksums.txt has none", fails: "exit status 1"},
		{name: "not there", asset: "baseplan-1.0.0-linux-s390x.tgz", want: "404", fails: "exit status 22"},
	} {
		t.Run(test.name, func(t *testing.T) {
			asset := cmp.Or(test.asset, "baseplan-1.0.0-linux-amd64.tgz")
			checksums := cmp.Or(test.checksums, sum([]byte("else"))+"  else\n"+sum(program)+"  "+asset+"\n")
			version := cmp.Or(test.with["version"], "1.0.0")
			files := map[string][]byte{"/v" + version + "/" + asset: program, "/v" + version + "/checksums.txt": []byte(checksums)}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				data, ok := files[r.URL.Path]
				if !ok {
					w.WriteHeader(http.StatusNotFound)
				}
				_, _ = w.Write(data)
			}))
			t.Cleanup(server.Close)
			r := newRunner(t, "RUNNER_OS="+cmp.Or(test.os, "Linux"), "RUNNER_ARCH="+cmp.Or(test.arch, "X64"))
			with := map[string]string{"releases": server.URL}
			maps.Copy(with, test.with)
			log, err := r.use(t, with)
			if fails := fmt.Sprint(err); (err != nil) != (test.fails != "") || !strings.Contains(fails, test.fails) {
				t.Fatalf("%v, want %q\n%s", err, test.fails, log)
			}
			if !strings.Contains(log, test.want) {
				t.Errorf("it does not say %q:\n%s", test.want, log)
			}
			installed := err == nil || strings.HasPrefix(err.Error(), "Run baseplan")
			if out, err := r.bash(t, "baseplan works"); (err == nil) != installed || installed && out != "<works>\n" {
				t.Errorf("the next step's baseplan: %q, %v", out, err)
			}
		})
	}
}

// TestActionScripts holds scripts to the action's rule that inputs are no part of them, and the version to that of the builder.
func TestActionScripts(t *testing.T) {
	a := composite(t)
	for _, s := range a.Runs.Steps {
		if s.Shell != "bash" || strings.Contains(s.Run, "${{") {
			t.Errorf("%s: runs in %q, or has an expression:\n%s", s.Name, s.Shell, s.Run)
		}
	}
	for name, of := range a.Inputs {
		if of.Description == "" {
			t.Errorf("the input %s is not described", name)
		}
	}
	if uri := packBuilder(t).Lifecycle.URI; !strings.HasPrefix(uri, *a.Inputs["releases"].Default+"/v"+*a.Inputs["version"].Default+"/") {
		t.Errorf("the action's release is not the builder's, %s", uri)
	}
}

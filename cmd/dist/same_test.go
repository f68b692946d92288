package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore/pkg/signature"
)

// TestReleaseIsReproducible makes a release twice, from two copies of the source in different folders.
func TestReleaseIsReproducible(t *testing.T) {
	var first map[string]string
	for range 2 {
		r := small(t, platforms("linux/amd64")...)
		r.Source = copied(t)
		r.Compile = func(ctx context.Context, command string, p v1.Platform, dir string) (string, error) {
			path, err := r.compile(ctx, "launcher", p, dir)
			if err != nil {
				return "", err
			}
			return filepath.Join(dir, command), os.Rename(path, filepath.Join(dir, command))
		}
		made(t, r)
		got := sums(t, r.Out)
		if first == nil {
			first = got
		} else if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("the second time other bytes come out (-first +second):\n%s", diff)
		}
	}
	if first["lifecycle-"+version+"-linux-amd64.tgz"] == "" {
		t.Errorf("nothing was made: %v", first)
	}
}

// copied is what the launcher is compiled from, in a new folder.
func copied(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if .Module}}{{if .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`, module+"/cmd/launcher").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, path := range append(strings.Fields(string(out)), root+"/go.mod", root+"/go.sum", root+"/cmd/dist/release.mod", root+"/cmd/dist/release.sum", root+"/LICENSE") {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sums are the checksums of all files in a folder.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestChecksums: the checksums are signed, and the formula is for what they are of.
func TestChecksums(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := small(t, platforms("linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64")...)
	r.Sign, r.URL = key, "https://releases.example"
	made(t, r)
	data, err := os.ReadFile(filepath.Join(r.Out, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	actual, listed := sums(t, r.Out), []string{}
	for line := range strings.Lines(string(data)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if actual[name] != sum {
			t.Errorf("%s: listed as %s, is %s", name, sum, actual[name])
		}
		listed = append(listed, name)
	}
	want := []string{"baseplan-image/index.json", "baseplan.rb", "lifecycle-image/index.json"}
	for _, arch := range []string{"amd64", "arm64"} {
		linux := version + "-linux-" + arch
		want = append(want, "baseplan-"+version+"-darwin-"+arch+".tgz", "baseplan-"+linux+".tgz", "baseplan-"+linux+".deb", "baseplan-"+linux+".rpm", "extender-"+linux+".tgz", "lifecycle-"+linux+".tgz")
	}
	slices.Sort(want)
	if !slices.Equal(listed, want) {
		t.Errorf("listed %q, want %q", listed, want)
	}
	encoded, err := os.ReadFile(filepath.Join(r.Out, "checksums.txt.sig"))
	if err != nil {
		t.Fatal(err)
	}
	checkSignature(t, key, encoded, data)
	checkFormula(t, r, string(data))
}

// TestSignatures verifies signatures as cosign verify-blob does.
func TestSignatures(t *testing.T) {
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed25519Key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{ecdsaKey, ed25519Key} {
		encoded, err := signed(key, []byte("content"))
		if err != nil {
			t.Fatal(err)
		}
		checkSignature(t, key, encoded, []byte("content"))
	}
}

func checkSignature(t *testing.T, key crypto.Signer, encoded, content []byte) {
	t.Helper()
	verifier, err := signature.LoadVerifier(key.Public(), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.VerifySignature(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(encoded)), bytes.NewReader(content)); err != nil {
		t.Error(err)
	}
}

// checkFormula holds the archives of the formula to the checksums.
func checkFormula(t *testing.T, r *release, checksums string) {
	t.Helper()
	formula, err := os.ReadFile(filepath.Join(r.Out, "baseplan.rb"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`url "https://releases.example/v`+regexp.QuoteMeta(version)+`/([^"]+)"\n\s+sha256 "([0-9a-f]{64})"`).FindAllStringSubmatch(string(formula), -1)
	for _, m := range found {
		if !strings.Contains(checksums, m[2]+"  "+m[1]+"\n") {
			t.Errorf("the formula has %s for %s", m[2], m[1])
		}
	}
	if len(found) != 4 {
		t.Errorf("%d archives in the formula:\n%s", len(found), formula)
	}
}

// TestVersionIsStamped runs the lifecycle itself, so it is compiled for this machine.
func TestVersionIsStamped(t *testing.T) {
	for commit, want := range map[string]string{"": version + "\n", "0123abc": version + "+0123abc\n"} {
		r := release{Source: "../..", Version: version, Commit: commit}
		path, err := r.compile(t.Context(), "lifecycle", v1.Platform{OS: "linux", Architecture: goarch(t)}, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), path, "analyzer", "-version")
		cmd.Env = []string{"CNB_PLATFORM_API=0.7"}
		if out, err := cmd.Output(); err != nil || string(out) != want {
			t.Errorf("with commit %q the version is %q, %v; want %q", commit, out, err, want)
		}
	}
}

func goarch(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOARCH").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

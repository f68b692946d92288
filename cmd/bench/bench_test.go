//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/baseplan/baseplan/resolver"
)

// TestMain lets the tests be the program, which starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "measure" {
		os.Exit(measure(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// TestTable measures small builds once.
func TestTable(t *testing.T) {
	for _, program := range []string{"tar", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin+"/", "../lifecycle", "../launcher").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := errors.Join(os.Chmod(bin, 0o755), os.Chmod(filepath.Dir(bin), 0o755)); err != nil { // for the user of the phases
		t.Fatal(err)
	}
	var out bytes.Buffer
	o := options{bin: bin, only: "export|restore|large", times: 1, small: sizes{[]int{1, 2}, 60}, large: sizes{[]int{3}, 200}}
	if err := o.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const measured, compared = ` +[\d.]+ m?s +[\d.]+ m?s +\d+ MB +`, ` [\d.]+ m?s +[\d.]+ +`
	for _, want := range []string{
		"export, cold" + measured + "go-containerregistry" + compared + `0\.30`,
		"export, blobs there" + measured + `tar \| openssl` + compared + `1\.0`,
		"analyze" + measured,
		"restore of 160 MB" + measured + "openssl, tar -x" + compared + "-",
		"export of 200,000 files and 3 GB, cold" + measured + `tar \| openssl` + compared + "20 s, 100 MB",
		"the same, blobs there" + measured + `tar \| openssl` + compared + "100 MB",
	} {
		if !regexp.MustCompile("(?m)^" + want).Match(out.Bytes()) {
			t.Errorf("no line matches %s:\n%s", want, &out)
		}
	}
}

// TestGivingUpReusesMemory: a trial that allocates its state makes a hard group take several times as long. It is
// not a test of the resolver, since cmd/mutate changes what is allocated.
func TestGivingUpReusesMemory(t *testing.T) {
	var err error
	allocations := testing.AllocsPerRun(1, func() { _, err = resolver.Resolve(pigeons(12)) })
	unresolved, ok := errors.AsType[*resolver.UnresolvedError](err)
	if !ok || !unresolved.GaveUp {
		t.Fatalf("want to give up, got %v", err)
	}
	if perTrial := allocations / float64(unresolved.Trials); perTrial > 2 {
		t.Errorf("%.1f allocations a trial", perTrial)
	}
}

// pigeons is n-1 buildpacks that each provide one of n names, and one that requires them all.
func pigeons(n int) (p resolver.Problem) {
	var last resolver.Section
	for i := range n {
		c := resolver.Candidate{Module: resolver.Module{Kind: resolver.Buildpack, ID: fmt.Sprint(i)}}
		for hole := range n {
			c.Plans = append(c.Plans, resolver.Section{Provides: []string{fmt.Sprint(hole)}})
		}
		last.Requires = append(last.Requires, resolver.Require{Name: fmt.Sprint(i)})
		if i == n-1 {
			c.Plans = []resolver.Section{last}
		}
		p.Candidates = append(p.Candidates, c)
	}
	return p
}

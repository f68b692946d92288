package cmd_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestInstallable checks what "go install MODULE/cmd/baseplan@VERSION" requires of go.mod.
func TestInstallable(t *testing.T) {
	for line := range strings.Lines(read(t, "../go.mod")) {
		if directive, _, _ := strings.Cut(line, " "); directive == "replace" || directive == "exclude" {
			t.Errorf("go.mod: %q: go install refuses a module with a replace or an exclude directive", strings.TrimSpace(line))
		}
	}
}

// TestReleaseGraph checks that the released binaries have the module graph of go.mod, except for go-cmp.
func TestReleaseGraph(t *testing.T) {
	const replace = "\nreplace github.com/google/go-cmp => github.com/google/go-cmp v0.5.0\n"
	_, released, _ := strings.Cut(read(t, "dist/release.mod"), "\nmodule ")
	if "module "+strings.TrimSuffix(released, replace) != read(t, "../go.mod") || !strings.HasSuffix(released, replace) {
		t.Error("cmd/dist/release.mod is not go.mod with an older go-cmp: run .ci/tidy --write")
	}
	without := func(sums string) []string {
		return slices.DeleteFunc(strings.Split(sums, "\n"), func(line string) bool { return strings.HasPrefix(line, "github.com/google/go-cmp ") })
	}
	if !slices.Equal(without(read(t, "dist/release.sum")), without(read(t, "../go.sum"))) {
		t.Error("cmd/dist/release.sum differs from go.sum in more than go-cmp: run .ci/tidy --write")
	}
}

// unpublished are the packages whose requirements count as those of tests: they help tests, or make and check a release.
var unpublished = []string{"cmd/demo", "cmd/difftest", "cmd/dist", "cmd/reference", "lifecycle/lifecycletest", "lifecycle/platformtest", "sbom/keyless/keylesstest"}

// TestTestRequirements checks that go.mod keeps what tests alone require in a block of its own, and nothing else in it.
func TestTestRequirements(t *testing.T) {
	before, block, _ := strings.Cut(read(t, "../go.mod"), "\n// For tests,")
	block, after, _ := strings.Cut(block, "\n)\n")
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)
	imports := published(t)
	uses := func(module string) bool {
		return slices.ContainsFunc(imports, func(imp string) bool { return imp == module || strings.HasPrefix(imp, module+"/") })
	}
	for _, m := range direct.FindAllStringSubmatch(block, -1) {
		if uses(m[1]) {
			t.Errorf("go.mod: a published package imports %s: move it out of the block for tests", m[1])
		}
	}
	rest := direct.FindAllStringSubmatch(before+after, -1)
	if len(rest) == 0 || block == "" {
		t.Fatal("go.mod has no block for tests, or no other")
	}
	for _, m := range rest {
		if !uses(m[1]) {
			t.Errorf("go.mod: only tests import %s: move it to the block for tests", m[1])
		}
	}
}

// published lists what the published packages import, tests left out.
func published(t *testing.T) (imports []string) {
	t.Helper()
	for _, p := range packages(t) {
		if !slices.Contains(unpublished, p.name()) {
			imports = append(imports, p.Imports...)
		}
	}
	return imports
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConformance makes sure that every test and script that docs/conformance.md names is there, and
// that it says of every clause what shows it.
func TestConformance(t *testing.T) {
	page, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range regexp.MustCompile("`([a-z-]+\\.txtar)`").FindAllStringSubmatch(string(page), -1) {
		if _, err := os.Stat(filepath.Join("lifecycle/testdata/script", script[1])); err != nil {
			t.Error(err)
		}
	}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && (len(cells) < 3 || strings.TrimSpace(cells[len(cells)-1]) == "|") {
			t.Errorf("nothing shows %q", line)
		}
	}
	named := regexp.MustCompile("`([a-z/]+)\\.(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 300 {
		t.Errorf("only %d tests are named", len(named))
	}
	known := map[string]bool{}
	for _, n := range named {
		if name := n[1] + "." + n[2]; !known[name] && !hasTest(t, n[1], n[2]) {
			t.Errorf("there is no test %s", name)
		} else {
			known[name] = true
		}
	}
}

// hasTest looks for a test in a package of the module, or one below lifecycle.
func hasTest(t *testing.T, pkg, name string) bool {
	t.Helper()
	for _, dir := range []string{pkg, "lifecycle/" + pkg} {
		files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(data), "func "+name+"(") {
				return true
			}
		}
	}
	return false
}

package platform

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestReasonWords collects the words of messages from the packages that give reasons. A message is a text with a space.
func TestReasonWords(t *testing.T) {
	word := regexp.MustCompile(`^[A-Za-z][A-Za-z'-]*$`)
	found := setOf(strings.Fields("apt-get apt apk dnf yum microdnf zypper rpm dpkg install add update upgrade remove autoremove clean curl wget sh bash pip npm gem make tar sed chmod chown mkdir cp mv ln useradd groupadd USER RUN ENV LABEL WORKDIR jre and or"))
	for _, dir := range []string{"../../extensions", "../../provides"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING || lit.Value[0] != '"' || !strings.Contains(lit.Value, " ") {
					return true
				}
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				for w := range strings.FieldsSeq(text) {
					if w = strings.Trim(w, ".,;:()\"'"); word.MatchString(w) {
						found[w] = true
					}
				}
				return true
			})
		}
	}
	want := strings.Join(slices.Sorted(maps.Keys(found)), "\n") + "\n"
	if *update {
		if err := os.WriteFile("words.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != reasonWords {
		t.Error("words.txt is out of date; run go test ./lifecycle/platform -run TestReasonWords -update")
	}
}

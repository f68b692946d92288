package cmd_test

import (
	"flag"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// TestExported compares the exported names of the library's packages with testdata/exported.txt, so that a change
// shows how the public API grows or shrinks.
func TestExported(t *testing.T) {
	const golden = "testdata/exported.txt"
	var b strings.Builder
	for _, p := range packages(t) {
		name := p.name()
		if !public(p) {
			continue
		}
		b.WriteString(name + "\n")
		for _, n := range exported(t, filepath.Join("..", filepath.FromSlash(name)), p) {
			b.WriteString("\t" + n + "\n")
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := read(t, golden); b.String() != want {
		t.Errorf("the exported names are not those of cmd/%s: run go test ./cmd -run TestExported -update, and read the diff", golden)
	}
}

// public reports whether others can import a package.
func public(p goPackage) bool {
	return p.Name != "main" && len(p.GoFiles) > 0 && floor(p.name()) != "cmd" && !strings.Contains(p.name(), "internal")
}

// withoutExample are packages that can do nothing in a test without docker.
var withoutExample = []string{"lifecycle/platformtest"}

// TestPublicPackages checks that a package that others can import says what to start with and how stable it is, and has
// an example whose output is checked.
func TestPublicPackages(t *testing.T) {
	for _, p := range packages(t) {
		if !public(p) {
			continue
		}
		dir := filepath.Join("..", filepath.FromSlash(p.name()))
		comment := strings.Join(strings.Fields(packageComment(t, dir, p)), " ")
		for what, phrases := range map[string][]string{
			"what to start with":                {"Start with [", "Start with an ["},
			"how stable it is: docs/library.md": {"The API is stable from version 1.0 on; see docs/library.md.", "The API serves baseplan itself and may change in any release; see docs/library.md."},
		} {
			if !slices.ContainsFunc(phrases, func(text string) bool { return strings.Contains(comment, text) }) {
				t.Errorf("the comment of package %s does not say %s", p.name(), what)
			}
		}
		if !slices.Contains(withoutExample, p.name()) && !hasExample(t, dir) {
			t.Errorf("%s has no Example with an output", p.name())
		}
	}
}

func packageComment(t *testing.T, dir string, p goPackage) (comment string) {
	t.Helper()
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		comment += f.Doc.Text()
	}
	return comment
}

func hasExample(t *testing.T, dir string) bool {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(doc.Examples(f), func(e *doc.Example) bool { return e.Output != "" }) {
			return true
		}
	}
	return false
}

// exported lists the exported names of a package: constants, variables, functions, types, and methods as Type.Method.
func exported(t *testing.T, dir string, p goPackage) []string {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(set, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	d, err := doc.NewFromFiles(set, files, p.ImportPath)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	values := func(all []*doc.Value) {
		for _, v := range all {
			for _, n := range v.Names {
				if ast.IsExported(n) {
					names = append(names, n)
				}
			}
		}
	}
	values(d.Consts)
	values(d.Vars)
	for _, f := range d.Funcs {
		names = append(names, f.Name)
	}
	for _, typ := range d.Types {
		names = append(names, typ.Name)
		values(typ.Consts)
		values(typ.Vars)
		for _, f := range typ.Funcs {
			names = append(names, f.Name)
		}
		for _, m := range typ.Methods {
			names = append(names, typ.Name+"."+m.Name)
		}
	}
	slices.Sort(names)
	return names
}

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
		if p.Name == "main" || len(p.GoFiles) == 0 || floor(name) == "cmd" || strings.Contains(name, "internal") {
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

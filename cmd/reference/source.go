package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// A source is the types of packages in source form, with comments.
type source struct {
	structs map[string]*ast.StructType // by "folder.Type"
	values  map[string][]string        // constants of a named string type, in order
}

// folders maps the names of packages with file types to their directories.
var folders = map[string]string{
	"platform": "lifecycle/platform", "attach": "sbom/attach", "provides": "provides", "extensions": "extensions", "sbom": "sbom", "catalog": "provides/catalog",
}

func readSource(root string) (*source, error) {
	s := &source{structs: map[string]*ast.StructType{}, values: map[string][]string{}}
	for name, dir := range folders {
		paths, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				return nil, fmt.Errorf("reading source: %w", err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				s.note(name, n)
				return true
			})
		}
	}
	return s, nil
}

// note records struct types, and string constants that have a type.
func (s *source) note(pkg string, n ast.Node) {
	switch n := n.(type) {
	case *ast.TypeSpec:
		if t, ok := n.Type.(*ast.StructType); ok {
			s.structs[pkg+"."+n.Name.Name] = t
		}
	case *ast.ValueSpec:
		t, ok := n.Type.(*ast.Ident)
		if !ok || len(n.Values) != 1 {
			return
		}
		if lit, ok := n.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, _ := strconv.Unquote(lit.Value) // a parsed literal is valid
			s.values[pkg+"."+t.Name] = append(s.values[pkg+"."+t.Name], value)
		}
	}
}

// A key is one key of a file.
type key struct{ name, kind, meaning string }

// keys lists the keys of a struct type ("platform.Resolution") by the struct tag of a format.
// Nested keys follow their parent.
func (s *source) keys(typ, format, parent string) ([]key, error) {
	t, ok := s.structs[typ]
	if !ok {
		return nil, fmt.Errorf("no struct type %s", typ)
	}
	pkg, _, _ := strings.Cut(typ, ".")
	var all []key
	for _, f := range t.Fields.List {
		name := tagOf(f, format)
		if len(f.Names) == 0 {
			_, embedded := s.kind(pkg, f.Type)
			below, err := s.keys(embedded, format, parent)
			if err != nil {
				return nil, err
			}
			all = append(all, below...)
		}
		if name == "" {
			continue
		}
		kind, nested := s.kind(pkg, f.Type)
		path := parent + name
		all = append(all, key{path, kind, comment(f)})
		if nested == "" {
			continue
		}
		if strings.HasPrefix(kind, "list") {
			path += "[]"
		}
		below, err := s.keys(nested, format, path+".")
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

// kind describes the type of a value in a file; nested is the struct type in it, if any.
func (s *source) kind(pkg string, e ast.Expr) (kind, nested string) {
	switch e := e.(type) {
	case *ast.StarExpr:
		return s.kind(pkg, e.X)
	case *ast.ArrayType:
		kind, nested = s.kind(pkg, e.Elt)
		return "list of " + kind + "s", nested
	case *ast.MapType:
		return "table", ""
	case *ast.SelectorExpr:
		other, ok := e.X.(*ast.Ident)
		if ok && folders[other.Name] != "" {
			return s.named(other.Name + "." + e.Sel.Name)
		}
		return "time", "" // time.Time is the only type from other packages
	case *ast.Ident:
		switch e.Name {
		case "string":
			return "string", ""
		case "bool":
			return "boolean", ""
		case "int", "int64":
			return "integer", ""
		case "float64":
			return "number", ""
		}
		return s.named(pkg + "." + e.Name)
	}
	return "any", ""
}

func (s *source) named(typ string) (kind, nested string) {
	if _, ok := s.structs[typ]; ok {
		return "table", typ
	}
	if values := s.values[typ]; len(values) > 0 {
		return "`" + strings.Join(values, "`, `") + "`", ""
	}
	return "string", ""
}

func tagOf(f *ast.Field, format string) string {
	if f.Tag == nil {
		return ""
	}
	text, _ := strconv.Unquote(f.Tag.Value) // a parsed tag is valid
	name, _, _ := strings.Cut(reflect.StructTag(text).Get(format), ",")
	return strings.TrimPrefix(name, "-")
}

// comment returns the comment beside a field, or else the first sentence above it, adapted to
// files.
func comment(f *ast.Field) string {
	text := strings.TrimSpace(f.Comment.Text())
	if text == "" {
		text, _, _ = strings.Cut(strings.Join(strings.Fields(f.Doc.Text()), " "), ". ")
		text = strings.TrimSuffix(text, ".")
	}
	return strings.NewReplacer("nil: ", "absent: ", "[", "", "]", "").Replace(text)
}

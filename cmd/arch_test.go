// Package cmd_test holds the architecture: which package may import which, and
// who alone may import a heavy dependency. See docs/architecture.md.
package cmd_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/baseplan/baseplan/"

// floors are the top-level folders from left to right: an import may point left, never right.
var floors = []string{"sbom", "provides", "resolver", "extensions", "lifecycle", "cmd"}

// beside are folders that hold data and may be imported from tests and lifecycletest alone.
var beside = []string{"testdata"}

// A wall names who alone may import a dependency directly, and why.
type wall struct {
	dependency string // import path, or a prefix of it that ends in /
	importers  []string
	reason     string
}

var walls = []wall{
	{"github.com/BurntSushi/toml", []string{"sbom/tomlfile"}, "its parser takes quadratic time on nested input: one package knows the bounds"},
	{"gvisor.dev/gvisor/", []string{"cmd/sandbox"}, "a kernel weighs 30 MB, so a program of its own has it"},
	{"github.com/anchore/syft/", []string{"sbom/scan", "cmd/dist"}, "syft is 80 MB whole and changes fast: one package adapts it, and imports three catalogers; cmd/dist describes our own binaries with it and is not published"},
	{"modernc.org/sqlite", []string{"sbom/scan"}, "only the RPM database needs a SQL driver"},
	{"github.com/CycloneDX/cyclonedx-go", []string{"sbom/format"}, "formats end where sbom.Document begins"},
	{"github.com/spdx/tools-golang/", []string{"sbom/format"}, "formats end where sbom.Document begins"},
	{"github.com/moby/moby/", []string{"lifecycle/image"}, "images come from one place, so that a daemon is an image like any other"},
	{"github.com/moby/buildkit/", []string{"extensions", "extensions/apply"}, "the Dockerfile language has one reader"},
	{"mvdan.cc/sh/", []string{"extensions", "extensions/apply"}, "the shell has one reader"},
	{"github.com/containerd/continuity/", []string{"extensions/apply"}, "files of a foreign root are touched in one place, which knows how to stay inside"},
	{"github.com/moby/patternmatcher", []string{"extensions/apply"}, "a build context is read where COPY is done"},
	{"github.com/sigstore/sigstore-go/pkg/tuf", []string{"sbom/keyless/trustedroot"}, "phases read the trusted root from a file; one command of baseplan fetches it"},
	{"github.com/sigstore/sigstore-go/", []string{"sbom/keyless/sigstore", "sbom/keyless/keylesstest"}, "its verifier weighs 16 MB, so a program of its own has it; keylesstest is for tests"},
	{"github.com/baseplan/baseplan/sbom/keyless/sigstore", []string{"cmd/baseplan-verifier"}, "whoever imports it has all of sigstore-go"},
	{"github.com/baseplan/baseplan/sbom/keyless/keylesstest", nil, "a Sigstore is for tests to sign with"},
	{"github.com/baseplan/baseplan/sbom/keyless/trustedroot", []string{"cmd/internal/cli"}, "no phase fetches keys"},
	{"github.com/sigstore/", []string{"sbom/attach", "sbom/keyless/keylesstest"}, "trust in an SBOM is decided where it is found"},
	{"github.com/secure-systems-lab/", []string{"sbom/attach", "sbom/keyless/keylesstest"}, "trust in an SBOM is decided where it is found"},
	{"github.com/google/go-containerregistry/pkg/v1/remote/transport", []string{"sbom/registry"}, "registries have one opener"},
	{"github.com/google/go-containerregistry/pkg/v1/remote", []string{"sbom/registry", "sbom/registry/watch", "sbom/attach", "lifecycle/image", "lifecycle/cache", "lifecycle/lifecycletest", "cmd/dist", "cmd/difftest", "cmd/bench"}, "images in a registry are read and written in few places, with the options of sbom/registry; lifecycletest, difftest and bench are for tests"},
	{"oras.land/oras-go/v2/registry/remote/errcode", []string{"sbom/registry", "sbom/attach"}, "its errors name the response's status"},
	{"oras.land/oras-go/v2/registry", []string{"sbom/registry"}, "registries have one opener"},
	{"oras.land/oras-go/", []string{"sbom/attach"}, "carriers in a registry are the work of one package"},
	{"github.com/awslabs/", []string{"sbom/registry/credentials"}, "credentials are the work of one package"},
	{"github.com/chrismellard/", []string{"sbom/registry/credentials"}, "credentials are the work of one package"},
	{"github.com/google/go-containerregistry/pkg/v1/google", []string{"sbom/registry/credentials"}, "credentials are the work of one package"},
	{"github.com/chromedp/", nil, "a browser is for tests to look with"},
	{"github.com/spf13/cobra", []string{"cmd/internal/cli", "cmd/baseplan", "cmd/demo", "cmd/dist"}, "the tool for people has a command tree, which cmd/dist documents; the specification's binaries keep the flag package"},
}

// pure packages do no I/O: same bytes in, same bytes out.
var pure = []string{"sbom/tomlfile/keys", "sbom/tomlfile", "sbom", "sbom/format", "provides", "provides/catalog", "resolver", "resolver/advise", "extensions"}

// effects are what a pure package must not import.
var effects = []string{"os", "os/exec", "net", "net/http", "flag", "log", "syscall"}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			checkFloor(t, p.name(), imp)
			checkWalls(t, p.name(), imp)
			if slices.Contains(pure, p.name()) && slices.Contains(effects, imp) {
				t.Errorf("%s imports %s: it is pure (same bytes in, same bytes out); take a value, a func or an fs.FS instead", p.name(), imp)
			}
		}
	}
}

func TestEveryArchitectureLayerExists(t *testing.T) {
	found := map[string]bool{}
	for _, p := range packages(t) {
		found[floor(p.name())] = true
	}
	for _, f := range floors {
		if !found[f] {
			t.Errorf("no package stands in %s: the table of floors is out of date", f)
		}
	}
}

// TestRandomTestsAreSeeded: a property test that draws other values in each run fails for somebody else.
func TestRandomTestsAreSeeded(t *testing.T) {
	const random = "pgregory.net/rapid"
	for _, p := range packages(t) {
		tests := slices.Concat(p.TestImports, p.XTestImports)
		if slices.Contains(tests, random) && !slices.Contains(tests, module+"testdata/seed") {
			t.Errorf("the tests of %s import %s without testdata/seed", p.name(), random)
		}
	}
}

// TestEveryCommandHasADoc: TestPublicPackages checks the packages.
func TestEveryCommandHasADoc(t *testing.T) {
	for _, p := range packages(t) {
		if p.Name == "main" && p.Doc == "" {
			t.Errorf("%s has no package comment: say what the command does", p.name())
		}
	}
}

func checkFloor(t *testing.T, from, imp string) {
	t.Helper()
	to, ours := strings.CutPrefix(imp, module)
	if !ours {
		return
	}
	if slices.Contains(beside, floor(to)) {
		if from != "lifecycle/lifecycletest" {
			t.Errorf("%s imports %s: test data reaches the product only through lifecycle/lifecycletest", from, to)
		}
		return
	}
	if slices.Index(floors, floor(from)) < slices.Index(floors, floor(to)) {
		t.Errorf("%s imports %s: imports run from right to left in %v, so that data goes right and nothing is handed back", from, to, floors)
	}
	if from == "sbom" || from == "extensions" {
		if strings.HasPrefix(to, from+"/") {
			t.Errorf("%s imports its child %s: the children import it, never both", from, to)
		}
	}
	if strings.HasPrefix(from, "lifecycle/") && to == "lifecycle" {
		t.Errorf("%s imports lifecycle: the phases import their parts, never both", from)
	}
}

func checkWalls(t *testing.T, from, imp string) {
	t.Helper()
	for _, w := range walls {
		inside := imp == strings.TrimSuffix(w.dependency, "/") || strings.HasPrefix(imp, strings.TrimSuffix(w.dependency, "/")+"/")
		if inside && !slices.Contains(w.importers, from) {
			t.Errorf("%s imports %s, which only %v may: %s", from, imp, w.importers, w.reason)
		}
		if inside {
			break // the first wall counts, so that a part of a dependency can have one of its own
		}
	}
	// lifecycle/platform has the table of inputs, and reads arguments that it is given with flag sets of its own.
	if (imp == "flag" && from != "lifecycle/platform" || imp == "os/signal") && floor(from) != "cmd" {
		t.Errorf("%s imports %s: arguments and signals belong to cmd alone", from, imp)
	}
}

// callers say who alone may use some functions and types of a package, so that a question has one answer.
var callers = []struct {
	pkg, names string // names is a pattern of path.Match
	callers    []string
	reason     string
}{
	{module + "extensions", "Judge", []string{"lifecycle/base"}, "what is left to apply to a base image is answered in one place"},
	{module + "extensions", "Read", []string{"lifecycle/base"}, "Dockerfiles are read with the same care for links by every phase and command"},
	{"github.com/google/go-containerregistry/pkg/v1/remote", "With*", openers, "registries have one opener, with one policy for credentials, retries and limits"},
	{"github.com/google/go-containerregistry/pkg/v1/remote", "DefaultTransport", append(openers, "sbom/registry/watch"), "registries have one opener"},
	{"github.com/google/go-containerregistry/pkg/v1/remote/transport", "New*", openers, "registries have one opener"},
	{"net/http", "Transport", append(openers, "lifecycle/image"), "registries have one opener; a docker daemon is none"},
	{"net/http", "Client", append(openers, "sbom/keyless/trustedroot", "extensions/apply", "lifecycle/image"), "registries have one opener; trusted roots, the files of ADD and a docker daemon are not in one"},
	{"net/http", "Default*", []string{"extensions/apply"}, "registries have one opener"},
}

var openers = []string{"sbom/registry"}

// TestOneCaller holds who may call what.
func TestOneCaller(t *testing.T) {
	for _, p := range packages(t) {
		for _, file := range p.GoFiles {
			checkCallers(t, p.name(), parsed(t, p, file))
		}
	}
}

func checkCallers(t *testing.T, from string, f *ast.File) {
	t.Helper()
	for _, c := range callers {
		local := localName(f, c.pkg)
		ast.Inspect(f, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || !matches(t, c.names, selector.Sel.Name) || slices.Contains(c.callers, from) {
				return true
			}
			if x, ok := selector.X.(*ast.Ident); ok && x.Name == local && x.Obj == nil {
				t.Errorf("%s uses %s.%s, which only %v may: %s", from, c.pkg, selector.Sel.Name, c.callers, c.reason)
			}
			return true
		})
	}
}

func matches(t *testing.T, pattern, name string) bool {
	t.Helper()
	ok, err := path.Match(pattern, name)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// texts are strings that are named like the reference of an image and are something else, in packages that have
// references as [reference.Reference].
var texts = map[string]string{
	"lifecycle/image Layout.Name":       "an annotation",
	"lifecycle/base Required.Name":      "of the build plan",
	"sbom/attach Attached.Reference":    "where an SBOM is, which may be a file",
	"sbom/attach Copied.Reference":      "where an artifact is, by digest or tag",
	"sbom/attach Prunable.Reference":    "where an artifact is, by digest or tag",
	"sbom/attach Declaration.Reference": "where a declaration is, which may be a file",
	"sbom/attach Finding.Reference":     "where an SBOM is, which may be a file",
	"sbom/attach Subject.Names":         "digests",
	"sbom/attach ParseKeys name":        "of a file, for errors",
	"sbom/attach ParseSigner name":      "of a file, for errors",
	"sbom/attach Result.Missing image":  "what an error calls the image",
}

// TestReferences checks that the packages that open, read and write images name them by reference.Reference: the fields
// of their exported structs and the parameters of their exported functions. The structs of package platform are
// files and have their text.
func TestReferences(t *testing.T) {
	unused := maps.Clone(texts)
	for _, p := range packages(t) {
		if !slices.Contains([]string{"lifecycle", "lifecycle/base", "lifecycle/image", "sbom/attach"}, p.name()) {
			continue
		}
		for _, file := range p.GoFiles {
			for _, found := range namedLikeReferences(parsed(t, p, file)) {
				key := p.name() + " " + found
				if _, ok := texts[key]; !ok {
					t.Errorf("%s: %s is a string: make it a reference.Reference, or say in the table of texts what it is", file, key)
				}
				delete(unused, key)
			}
		}
	}
	for key := range unused {
		t.Errorf("there is no %s any more: remove it from the table of texts", key)
	}
}

var referenceName = regexp.MustCompile(`^(?i:names?|refs?|references?|images?|previous|(run|build|cache|previous|app)_?images?|switchedto|enough)$`)

// namedLikeReferences lists the strings in a file's exported API that are named like the reference of an image.
func namedLikeReferences(f *ast.File) []string {
	var all []string
	fields := func(of string, list *ast.FieldList, exported bool) {
		for _, field := range list.List {
			typ := field.Type
			if array, ok := typ.(*ast.ArrayType); ok {
				typ = array.Elt
			}
			if id, ok := typ.(*ast.Ident); !ok || id.Name != "string" {
				continue
			}
			for _, n := range field.Names {
				if referenceName.MatchString(n.Name) && (n.IsExported() || !exported) {
					all = append(all, of+n.Name)
				}
			}
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && ast.IsExported(cmp.Or(receiver(d), "F")) {
				fields(receiver(d)+d.Name.Name+" ", d.Type.Params, false)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				spec, ok := spec.(*ast.TypeSpec)
				if !ok || !spec.Name.IsExported() {
					continue
				}
				if s, ok := spec.Type.(*ast.StructType); ok {
					fields(spec.Name.Name+".", s.Fields, true)
				}
			}
		}
	}
	return all
}

// receiver returns the type of a method's receiver and a dot; empty for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	return typ.(*ast.Ident).Name + "."
}

// cutters are the functions of package strings that take a text apart.
var cutters = regexp.MustCompile(`^(Cut|CutPrefix|CutSuffix|Split|SplitN|SplitAfter|SplitSeq|HasPrefix|TrimPrefix|TrimLeft|Index|LastIndex|IndexByte|LastIndexByte|Contains)$`)

// marks are what divides a reference.
var marks = []string{`"@"`, `'@'`, `"docker://"`, `"oci:"`, `"tar:"`, `"sha256:"`, `"@sha256:"`, "string(reference.Daemon)", "string(reference.Layout)", "string(reference.Tar)"}

// otherMarks are files that cut something else at "@".
var otherMarks = map[string]string{
	"provides/pattern.go":            "package URLs",
	"provides/catalog/codec.go":      "package URLs",
	"sbom/format/spelling.go":        "package URLs",
	"lifecycle/platform/settings.go": "IDs of modules, which have none",
}

// TestOneParserOfReferences checks that references are taken apart in sbom/reference alone.
func TestOneParserOfReferences(t *testing.T) {
	unused := maps.Clone(otherMarks)
	for _, p := range packages(t) {
		if p.name() == "sbom/reference" {
			continue
		}
		for _, file := range p.GoFiles {
			f := parsed(t, p, file)
			local := localName(f, "strings")
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) < 2 {
					return true
				}
				selector, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || types.ExprString(selector.X) != local || !cutters.MatchString(selector.Sel.Name) {
					return true
				}
				mark, name := types.ExprString(call.Args[1]), p.name()+"/"+file
				if !slices.Contains(marks, mark) {
					return true
				}
				if _, ok := otherMarks[name]; !ok {
					t.Errorf("%s cuts a text at %s: only sbom/reference takes references apart", name, mark)
				}
				delete(unused, name)
				return true
			})
		}
	}
	for name := range unused {
		t.Errorf("%s cuts nothing any more: remove it from the table", name)
	}
}

func parsed(t *testing.T, p goPackage, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// localName is the name by which a file knows an imported package; empty if it does not import it.
func localName(f *ast.File, imported string) string {
	for _, spec := range f.Imports {
		if spec.Path.Value != strconv.Quote(imported) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imported)
	}
	return ""
}

func floor(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}

type goPackage struct {
	ImportPath, Name, Doc, Dir string
	Imports, GoFiles           []string
	TestImports, XTestImports  []string
}

func (p goPackage) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// packages lists ours with their direct imports, tests left out.
func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Dir,Imports,GoFiles,TestImports,XTestImports", module+"...").Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		all = append(all, p)
	}
}

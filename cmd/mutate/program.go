//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A program is a set of packages with all changes compiled in.
type program struct {
	dir      string // for all temporary files
	packages []goPackage
	mutants  []mutant
	reaching map[int][]test // by number of the change, quickest first
}

type goPackage struct {
	ImportPath, Dir, Name, Export string
	GoFiles                       []string
	DepOnly                       bool
	Module                        *struct{ Dir string }
}

// A test is one test of a compiled package.
type test struct {
	binary, dir, name string
	temp              string // for temporary files
	takes             time.Duration
}

// selected is the environment variable that selects a change by number (from 1). If it is a
// file name, the numbers of all changes reached are written to the file.
const selected = "BASEPLAN_MUTANT"

const helpers = `package %s

import (
	"os"
	"strconv"
	"sync"
)

var (
	mutantText   = os.Getenv("` + selected + `")
	mutant, _    = strconv.Atoi(mutantText)
	mutantTrace  = mutantText != "" && mutant == 0
	mutantsSeen  sync.Map
	mutantsMutex sync.Mutex
)

func mutated(n int) bool {
	if mutantTrace {
		if _, seen := mutantsSeen.LoadOrStore(n, true); !seen {
			mutantsMutex.Lock()
			defer mutantsMutex.Unlock()
			f, err := os.OpenFile(mutantText, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				panic(err)
			}
			if _, err := f.WriteString(strconv.Itoa(n) + "\n"); err != nil {
				panic(err)
			}
			f.Close()
		}
	}
	return n == mutant
}

func mutantSign(on bool) int {
	if on {
		return -1
	}
	return 1
}

func mutantOne(on bool) int {
	if on {
		return 1
	}
	return 0
}
`

// prepare compiles the packages and finds out which tests reach which change.
func prepare(ctx context.Context, dir string, patterns []string) (*program, error) {
	all, err := list(ctx, dir, patterns)
	if err != nil {
		return nil, err
	}
	p := &program{dir: dir, reaching: map[int][]test{}}
	overlay := map[string]string{}
	exports := map[string]string{}
	for _, pkg := range all {
		exports[pkg.ImportPath] = pkg.Export
	}
	for _, pkg := range all {
		if pkg.DepOnly {
			continue
		}
		p.packages = append(p.packages, pkg)
		if err := p.mutate(pkg, exports, overlay); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	for i, pkg := range p.packages {
		if err := p.trace(ctx, pkg, fmt.Sprintf("%s/%d.test", dir, i), file); err != nil {
			return nil, err
		}
	}
	for _, tests := range p.reaching {
		slices.SortStableFunc(tests, func(a, b test) int { return int(a.takes - b.takes) })
	}
	return p, nil
}

// command returns a command whose temporary files are in dir. When ctx ends, it is killed with
// all processes that it started.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "GOTMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

func list(ctx context.Context, dir string, patterns []string) ([]goPackage, error) {
	cmd := command(ctx, dir, "go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,Name,Export,GoFiles,DepOnly,Module"}, patterns...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg goPackage
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading go list: %w", err)
		}
		all = append(all, pkg)
	}
}

// mutate writes the files of a package with all changes.
func (p *program) mutate(pkg goPackage, exports, overlay map[string]string) error {
	set := token.NewFileSet()
	var files []*ast.File
	sources := map[*ast.File][]byte{}
	for _, name := range pkg.GoFiles {
		src, err := os.ReadFile(filepath.Join(pkg.Dir, name))
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(set, filepath.Join(pkg.Dir, name), src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files, sources[f] = append(files, f), src
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	if _, err := conf.Check(pkg.ImportPath, set, files, info); err != nil {
		return err
	}
	for _, f := range files {
		file := set.File(f.Pos())
		name, err := filepath.Rel(pkg.Module.Dir, file.Name())
		if err != nil {
			return err
		}
		s := &site{
			mutants: &p.mutants, pkg: pkg.ImportPath, name: filepath.ToSlash(name), src: sources[f], file: file, info: info,
			seen: map[string]int{}, before: map[int]string{}, after: map[int]string{},
		}
		replaced := filepath.Join(p.dir, fmt.Sprintf("%d.go", len(overlay)))
		if err := os.WriteFile(replaced, s.rewrite(f), 0o600); err != nil {
			return err
		}
		overlay[file.Name()] = replaced
	}
	added := filepath.Join(p.dir, fmt.Sprintf("%d.go", len(overlay)))
	overlay[filepath.Join(pkg.Dir, "mutated_by_overlay.go")] = added
	return os.WriteFile(added, fmt.Appendf(nil, helpers, pkg.Name), 0o600)
}

// trace compiles the tests of a package and runs each once.
func (p *program) trace(ctx context.Context, pkg goPackage, binary, overlay string) error {
	if out, err := command(ctx, p.dir, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, pkg.ImportPath).CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s with its changes: %w\n%s", pkg.ImportPath, err, out)
	}
	if _, err := os.Stat(binary); err != nil {
		return nil // no tests
	}
	t := test{binary: binary, dir: pkg.Dir, temp: p.dir}
	out, err := t.command(ctx, "", "-test.list", "^(Test|Example|Fuzz)").Output()
	if err != nil {
		return fmt.Errorf("listing the tests of %s: %w", pkg.ImportPath, err)
	}
	seen := filepath.Join(p.dir, "seen")
	for t.name = range strings.FieldsSeq(string(out)) {
		if err := os.WriteFile(seen, nil, 0o600); err != nil {
			return err
		}
		start := time.Now()
		if out, err := t.run(ctx, seen).CombinedOutput(); err != nil {
			return fmt.Errorf("%s of %s fails without a change: %w\n%s", t.name, pkg.ImportPath, err, out)
		}
		t.takes = time.Since(start)
		numbers, err := os.ReadFile(seen)
		if err != nil {
			return err
		}
		for number := range strings.FieldsSeq(string(numbers)) {
			n, err := strconv.Atoi(number)
			if err != nil {
				return err
			}
			p.reaching[n-1] = append(p.reaching[n-1], t)
		}
	}
	return nil
}

func (t test) command(ctx context.Context, mutant string, args ...string) *exec.Cmd {
	cmd := command(ctx, t.temp, t.binary, args...)
	cmd.Dir = t.dir
	cmd.Env = append(cmd.Env, selected+"="+mutant)
	return cmd
}

// run runs the test, without what takes long with any change: whether that ends in time depends on the machine.
func (t test) run(ctx context.Context, mutant string) *exec.Cmd {
	return t.command(ctx, mutant, "-test.run", "^"+t.name+"$", "-test.failfast", "-test.short")
}

// detects reports whether a test fails, or does not end, with the change.
func (p *program) detects(ctx context.Context, i int) bool {
	for _, t := range p.reaching[i] {
		limited, cancel := context.WithTimeout(ctx, 10*t.takes+5*time.Second)
		err := t.run(limited, strconv.Itoa(i+1)).Run()
		cancel()
		if err != nil {
			return true
		}
	}
	return false
}

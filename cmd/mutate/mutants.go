//go:build unix

package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// A mutant is one change to the code. It is compiled in, but off unless selected by number.
type mutant struct {
	pkg  string // import path
	key  string // file, function, source text and its replacement; independent of line numbers
	line int
}

// A site rewrites one file: it inserts text around the expressions and statements that it
// mutates and keeps everything else, line numbers included.
type site struct {
	mutants *[]mutant
	pkg     string
	name    string // path of the file in the module
	src     []byte
	file    *token.File
	info    *types.Info
	fun     string         // the current function
	seen    map[string]int // number of occurrences of a key
	before  map[int]string // text to insert, by offset
	after   map[int]string
}

// rewrite returns the file with all of its mutants.
func (s *site) rewrite(f *ast.File) []byte {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			s.fun = fn.Name.Name
			if fn.Recv != nil {
				s.fun = strings.TrimPrefix(s.text(fn.Recv.List[0].Type), "*") + "." + s.fun
			}
			ast.Inspect(fn.Body, s.visit)
		}
	}
	var out strings.Builder
	for i := range len(s.src) + 1 {
		out.WriteString(s.after[i])
		out.WriteString(s.before[i])
		if i < len(s.src) {
			out.WriteByte(s.src[i])
		}
	}
	return []byte(out.String())
}

func (s *site) offset(p token.Pos) int { return s.file.Offset(p) }

func (s *site) text(n ast.Node) string { return string(s.src[s.offset(n.Pos()):s.offset(n.End())]) }

// wrap inserts text around a node, inside the text around its parents.
func (s *site) wrap(n ast.Node, before, after string) {
	from, to := s.offset(n.Pos()), s.offset(n.End())
	s.before[from] += before
	s.after[to] = after + s.after[to]
}

// add records a mutant of n and returns the condition that enables it.
func (s *site) add(n ast.Node, becomes string) string {
	text := strings.Join(strings.Fields(s.text(n)), " ")
	if r := []rune(text); len(r) > 80 {
		text = string(r[:79]) + "…"
	}
	key := fmt.Sprintf("%s %s: `%s` %s", s.name, s.fun, text, becomes)
	if s.seen[key]++; s.seen[key] > 1 {
		key += fmt.Sprintf(" (%d)", s.seen[key])
	}
	*s.mutants = append(*s.mutants, mutant{pkg: s.pkg, key: key, line: s.file.Line(n.Pos())})
	return fmt.Sprintf("mutated(%d)", len(*s.mutants))
}

func (s *site) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok != token.CONST
	case *ast.BinaryExpr:
		s.binary(n)
	case *ast.IfStmt:
		s.condition(n.Cond)
	case *ast.ForStmt:
		s.condition(n.Cond)
	case *ast.ReturnStmt:
		for _, r := range n.Results {
			s.condition(r)
		}
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, c := range n.Body.List {
				for _, e := range c.(*ast.CaseClause).List {
					s.condition(e)
				}
			}
		}
	case *ast.BlockStmt:
		s.statements(n.List)
	case *ast.CaseClause:
		s.statements(n.Body)
	case *ast.SliceExpr:
		s.bound(n.Low)
		s.bound(n.High)
	case *ast.IndexExpr:
		s.bound(n.Index)
	}
	return true
}

// boundaries maps comparisons to those with the other result for equal operands.
var boundaries = map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}

func (s *site) binary(n *ast.BinaryExpr) {
	if s.info.Types[n].Value != nil {
		return
	}
	switch n.Op {
	case token.LAND:
		s.wrap(n.X, "("+s.add(n, "without the left side")+" || ", ")")
		s.wrap(n.Y, "("+s.add(n, "without the right side")+" || ", ")")
	case token.LOR:
		s.wrap(n.X, "(!"+s.add(n, "without the left side")+" && ", ")")
		s.wrap(n.Y, "(!"+s.add(n, "without the right side")+" && ", ")")
	case token.EQL, token.NEQ:
		s.wrap(n, "((", ") != "+s.add(n, "negated")+")")
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		s.comparison(n)
	case token.ADD, token.SUB:
		if types.Identical(s.info.TypeOf(n), types.Typ[types.Int]) {
			s.wrap(n.Y, "(", ")*mutantSign("+s.add(n, "with the other sign")+")")
		}
	}
}

func (s *site) comparison(n *ast.BinaryExpr) {
	equal := fmt.Sprintf("(%s) == (%s)", s.text(n.X), s.text(n.Y))
	negated, moved := s.add(n, "negated"), s.add(n, "as "+boundaries[n.Op])
	if n.Op == token.LSS || n.Op == token.GTR {
		s.wrap(n, "(((", ") || "+moved+" && "+equal+") != "+negated+")")
	} else {
		s.wrap(n, "(((", ") && !("+moved+" && "+equal+")) != "+negated+")")
	}
}

// condition negates a condition that is not a binary expression: a call, a variable, a
// literal.
func (s *site) condition(e ast.Expr) {
	if e == nil || s.info.TypeOf(e) == nil {
		return
	}
	if b, ok := s.info.TypeOf(e).(*types.Basic); !ok || b.Info()&types.IsBoolean == 0 {
		return
	}
	if _, ok := ast.Unparen(e).(*ast.BinaryExpr); !ok {
		s.wrap(e, "((", ") != "+s.add(e, "negated")+")")
	}
}

// bound moves a constant index or bound by one.
func (s *site) bound(e ast.Expr) {
	if e == nil {
		return
	}
	if lit, ok := e.(*ast.BasicLit); ok && s.info.Types[lit].Value.Kind() == constant.Int && types.Identical(s.info.TypeOf(lit), types.Typ[types.Int]) {
		s.wrap(e, "(", "+mutantOne("+s.add(lit, "plus 1")+"))")
	}
}

// statements removes one statement at a time: calls, assignments, jumps.
func (s *site) statements(list []ast.Stmt) {
	for _, n := range list {
		switch n := n.(type) {
		case *ast.ExprStmt:
			if call, ok := n.X.(*ast.CallExpr); !ok || s.text(call.Fun) == "panic" {
				continue
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE || !slices.ContainsFunc(n.Lhs, func(e ast.Expr) bool { return s.text(e) != "_" }) {
				continue
			}
		case *ast.BranchStmt:
			if n.Tok != token.BREAK && n.Tok != token.CONTINUE {
				continue
			}
		case *ast.IncDecStmt:
		default:
			continue
		}
		s.wrap(n, "if !"+s.add(n, "left out")+" { ", " }")
	}
}

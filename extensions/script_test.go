package extensions

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"
	"pgregory.net/rapid"
)

// decides reports whether a part of a script may never run.
func decides(file *syntax.File) bool {
	found := false
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.IfClause, *syntax.ForClause:
			found = true
		case *syntax.BinaryCmd:
			found = found || n.Op == syntax.OrStmt
		case *syntax.Stmt:
			found = found || n.Negated
		case *syntax.CallExpr:
			found = found || len(n.Args) > 0 && slices.Contains([]string{"false", "test", "["}, commandName(strings.TrimLeft(n.Args[0].Lit(), "\\")))
		}
		return true
	})
	return found
}

// Whatever a script looks like: if any command in it is none of those that are
// understood, or anything but simple commands takes part, it has an effect,
// unless a condition keeps it from being run.
func FuzzScript(f *testing.F) {
	for _, c := range harmlessLines {
		if script, ok := strings.CutPrefix(c.line, "RUN "); ok {
			f.Add(script)
		}
	}
	for _, line := range effectful {
		f.Add(strings.TrimPrefix(line, "RUN "))
	}
	f.Add("apt-get install -y curl && (cd /x; { apk add zlib; })")
	base := bases(f)["debian"]
	understood := slices.Concat(slices.Collect(maps.Keys(managers)), slices.Collect(maps.Keys(readers)), slices.Collect(maps.Keys(versions)), slices.Collect(maps.Keys(packageQueries)), []string{"false", "exit", "ldconfig", "test", "[", "type", "hash", "which", "set", "rm", "echo", "printf", "true", ":", "export", "command"})
	f.Fuzz(func(t *testing.T, script string) {
		a := &analyzer{dockerfile: &Dockerfile{escape: '\\'}, base: base, user: "root", vague: map[string]bool{}}
		if a.script(script).effect {
			return
		}
		file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(script), "")
		if err != nil {
			t.Fatalf("no effect of what is no shell: %v", err)
		}
		if decides(file) {
			return
		}
		syntax.Walk(file, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.CallExpr:
				if len(n.Args) > 0 && !slices.Contains(understood, strings.TrimLeft(n.Args[0].Lit()[strings.LastIndexByte(n.Args[0].Lit(), '/')+1:], "\\")) {
					t.Fatalf("no effect of %q in %q", n.Args[0].Lit(), script)
				}
			case *syntax.CmdSubst, *syntax.ProcSubst, *syntax.ArithmExp, *syntax.FuncDecl, *syntax.WhileClause, *syntax.CaseClause:
				t.Fatalf("no effect of %T in %q", n, script)
			case *syntax.Redirect:
				if lit := n.Word.Lit(); !slices.Contains([]string{"/dev/null", "/dev/stdout", "/dev/stderr"}, lit) && lit != "1" && lit != "2" {
					t.Fatalf("no effect of a redirection in %q", script)
				}
			}
			return true
		})
	})
}

// scriptEffect analyzes a script as a RUN that root starts.
func scriptEffect(base Base, shell []string, script string) finding {
	d := &Dockerfile{escape: '\\', Image: Run}
	a := &analyzer{dockerfile: d, base: base, user: "root", shell: shell, args: map[string]string{}, env: map[string]string{}, vague: map[string]bool{}}
	return a.script(script)
}

// writers are commands that change an image wherever they stand.
var writers = []string{
	"touch /x", "echo x > /x", "rm -rf /etc", "apt-get install -y libgd3", "cp /etc/passwd /x", "for f in a; do touch /$f; done", "if true; then touch /x; fi",
	"false || touch /x", "(touch /x)", "cat /etc/passwd >> /x", "PATH=/x", "apt-get purge -y curl", "X=/etc; rm -rf $X", "ldconfig /opt", "dpkg -i x.deb",
}

// FuzzInsert puts a command that writes between others that have no effect.
func FuzzInsert(f *testing.F) {
	for i, c := range harmlessLines {
		if script, ok := strings.CutPrefix(c.line, "RUN "); ok {
			f.Add(script, i, i)
		}
	}
	base := bases(f)["debian"]
	f.Fuzz(func(t *testing.T, script string, at, which int) {
		shell := []string{"/bin/sh", "-c"}
		if scriptEffect(base, shell, script).effect {
			return
		}
		parse := func(text string) *syntax.File {
			file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), "")
			if err != nil {
				t.Fatal(err)
			}
			return file
		}
		file := parse(script)
		writer := writers[uint(which)%uint(len(writers))]
		before, behind := script[:0], script
		if n := len(file.Stmts); n > 0 {
			if i := uint(at) % uint(n+1); int(i) < n {
				at := file.Stmts[i].Pos().Offset()
				before, behind = script[:at], script[at:]
			} else {
				before, behind = script+"\n", ""
			}
		}
		if together := before + writer + "\n" + behind; !scriptEffect(base, shell, together).effect {
			t.Fatalf("no effect of %q", together)
		}
	})
}

// statement draws a shell statement that writes nowhere but to a file "mark".
func statement(t *rapid.T, depth int) string {
	simple := []string{
		"true", "false", ":", "echo x", "touch mark", "X=a", "X=b", "Y=$X", "Y=", "X='a b'", `[ "$X" = a ]`, `test "$X" != b`, `[ -n "$Y" ]`, `[ -z "$Y" ]`, "test $Y",
		"[ a = a -a b = b ]", "[ ! -n a ]", "[ 2 -gt 1 ]", "test -d /usr", "test -e /nowhere", "set -e", "set -u", "exit 1", "echo $X", `printf '%s' "$Y"`, "printf '%d' x",
		"cat /nowhere", "ls /nowhere", "cat /etc/passwd", "command -v sh", "export X=b", "X=c true", "cd .", "[ $X ]", "! true", "! test -n \"$Y\"", "true > /dev/null", "[ a", "pwd",
	}
	if depth == 0 {
		return rapid.SampledFrom(simple).Draw(t, "simple")
	}
	list := func() string {
		return strings.Join(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return statement(t, depth-1) }), 1, 3).Draw(t, "list"), "; ")
	}
	switch rapid.IntRange(0, 12).Draw(t, "kind") {
	case 0:
		return "if " + list() + "; then " + list() + "; fi"
	case 1:
		return "if " + list() + "; then " + list() + "; else " + list() + "; fi"
	case 2:
		return "if " + list() + "; then " + list() + "; elif " + list() + "; then " + list() + "; fi"
	case 3:
		return "for X in " + rapid.SampledFrom([]string{"a", "a b", "$Y", "\"$X\"", "'' a", "$X b"}).Draw(t, "words") + "; do " + list() + "; done"
	case 4, 5:
		return statement(t, depth-1) + " && " + statement(t, depth-1)
	case 6, 7:
		return statement(t, depth-1) + " || " + statement(t, depth-1)
	case 8:
		return "! { " + list() + "; }"
	case 9:
		return "(" + list() + ")"
	case 10:
		return statement(t, depth-1) + " | " + statement(t, depth-1)
	}
	return statement(t, 0)
}

// TestShells holds the analysis against shells that really run the script: of
// one without an effect they write nothing, and they succeed.
func TestShells(t *testing.T) {
	base := bases(t)["debian"]
	config := *base.Config
	base.Config = &config
	var shells [][]string
	for _, name := range []string{"sh", "bash", "dash"} {
		if file, err := exec.LookPath(name); err == nil {
			shells = append(shells, []string{file, "-c"}, []string{file, "-e", "-c"}, []string{file, "-u", "-c"})
		}
	}
	if len(shells) == 0 {
		t.Skip("no shell")
	}
	dir := t.TempDir()
	mark := filepath.Join(dir, "mark")
	harmless := 0
	rapid.Check(t, func(r *rapid.T) {
		shell := rapid.SampledFrom(shells).Draw(r, "shell")
		var script []string
		for range rapid.IntRange(1, 4).Draw(r, "length") {
			script = append(script, statement(r, rapid.IntRange(0, 3).Draw(r, "depth")))
		}
		text := strings.Join(script, "\n")
		as := slices.Clone(shell)
		as[0] = filepath.Base(as[0])
		if scriptEffect(base, as, text).effect {
			return
		}
		harmless++
		cmd := exec.Command(shell[0], append(slices.Clone(shell[1:]), text)...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if err != nil {
			r.Fatalf("%s %q: %v\n%s", shell, text, err, out)
		}
		if _, err := os.Lstat(mark); err == nil {
			os.Remove(mark)
			r.Fatalf("%s %q writes", shell, text)
		}
	})
	if harmless == 0 {
		t.Error("nothing was without an effect")
	}
}

// What kind of effect a script has: only a package manager's work, or more.
func TestEffectKinds(t *testing.T) {
	all := bases(t)
	for _, c := range []struct {
		on, script string
		managed    bool
		lacks      []string
	}{
		{"debian", "dpkg -s libgd3 || apt-get install -y libgd3", true, []string{"libgd3"}},
		{"debian", "for p in curl libgd3 libzip4; do apt-get install -y $p; done", true, []string{"libgd3", "libzip4"}},
		{"debian", "P='tree libgd3'; apt-get update || true; apt-get install -yV $P", true, []string{"libgd3"}},
		{"debian", "if ! command -v cowsay; then apt-get install -y cowsay; fi", true, []string{"cowsay"}},
		{"debian", "apt-get install -y libgd3 && apt-get autoremove -y", true, nil},
		{"debian", "apt-get purge -y --auto-remove gcc-avr", true, nil},
		{"debian", "apt-get purge -y curl", false, nil},
		{"debian", "apt-get purge -y 'gcc*'", false, nil},
		{"debian", "apt-get install -y libgd3 ./x.deb", false, nil},
		{"debian", "apt-get install -y libgd3 curl-", false, nil},
		{"debian", "apt-get upgrade -y", false, nil},
		{"debian", "cat /flag && apt-get install -y libgd3", false, nil},
		{"debian", "apt-get install -y libgd3 || touch /x", false, nil},
		{"alpine", "apk add zlib cowsay && apk del cowsay", true, nil},
		{"alpine", "apk del zlib", false, nil},
		{"ubi", "dnf module enable -y nodejs:20 && dnf install -y cowsay", true, nil},
		{"ubi", "dnf config-manager --set-enabled crb", true, nil},
		{"ubi", "dnf config-manager --add-repo https://example.com/x.repo", false, nil},
		{"ubi", "dnf remove -y openssl-3.0.7", false, nil},
		{"ubi", "dnf install -y https://example.com/x.rpm", false, nil},
		{"ubi", "zypper -n mr -e extra", true, nil},
	} {
		f := scriptEffect(all[c.on], []string{"/bin/sh", "-c"}, c.script)
		if !f.effect || f.managed != c.managed || !slices.Equal(f.lacks, c.lacks) {
			t.Errorf("%s: effect %v, managed %v, lacks %q: %s", c.script, f.effect, f.managed, f.lacks, f.reason)
		}
	}
}

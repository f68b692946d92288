package launch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/fail"
)

// asLauncher is the variable that makes the test binary act as a launcher for the directory that it names.
const asLauncher = "LAUNCH_TEST_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(asLauncher)
	if dir == "" {
		os.Exit(m.Run())
	}
	l := Launcher{
		API: api.Version{Minor: 15}, App: filepath.Join(dir, "app"), Layers: filepath.Join(dir, "layers"),
		Environ: []string{"PATH=/usr/bin:/bin", "GIVEN=by the platform"},
	}
	err := l.Run(os.Args[0], os.Args[1:])
	fmt.Fprintln(os.Stderr, err)
	os.Exit(int(fail.CodeOf(err)))
}

// write writes files below dir; an executable has a name that ends in "*".
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		plain, executable := strings.CutSuffix(name, "*")
		mode := os.FileMode(0o644)
		if executable {
			mode = 0o755
		}
		path := filepath.Join(dir, plain)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// start runs a launcher and returns what the process prints, and its exit code.
func start(t *testing.T, dir string, argv ...string) (string, int) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := &exec.Cmd{Path: path, Args: argv, Env: append(os.Environ(), asLauncher+"="+dir), Dir: "/", Stdout: &out, Stderr: &out}
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), dir, "DIR"), cmd.ProcessState.ExitCode()
}

const buildpacks = "[[buildpacks]]\nid = \"acme/first\"\napi = \"0.9\"\n[[buildpacks]]\nid = \"second\"\napi = \"0.8\"\n"

// TestRun starts processes with and without a shell: each sees the variables of the layers, of exec.d executables
// and, in a shell, of profile scripts, in the order of buildpacks and layers.
func TestRun(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	append1 := func(what string) string { return "#!/bin/sh\necho \"ORDER = \\\"$ORDER " + what + "\\\"\" >&3\n" }
	write(t, dir, map[string]string{
		"layers/config/metadata.toml": buildpacks + `
[[processes]]
type = "web"
command = ["sh", "-c", 'echo "$ORDER, $COLOUR, $GIVEN, $PWD, $0: $@"', "web", "fixed"]
args = ["default"]
buildpack-id = "acme/first"
working-dir = "sub"

[[processes]]
type = "shell"
command = ["echo"]
args = ["$ORDER,", "$PROFILE", "'$GIVEN'"]
buildpack-id = "second"

[[processes]]
type = "script"
command = ["echo \"$0 $PROFILE\"; exit 3"]
buildpack-id = "second"
`,
		"layers/acme_first/b/exec.d/x*":      append1("first-b"),
		"layers/acme_first/a/exec.d/x*":      append1("first-a"),
		"layers/acme_first/a/exec.d/web/x*":  append1("web"),
		"layers/second/c/exec.d/x*":          append1("second-c"),
		"layers/second/c/exec.d/other/x*":    append1("other"),
		"layers/acme_first/a/env/COLOUR":     "red",
		"layers/second/c/env.launch/COLOUR":  "blue",
		"layers/second/c/env.build/GIVEN":    "by the build",
		"layers/second/c/profile.d/p":        "PROFILE=\"$PROFILE c\"\n",
		"layers/acme_first/a/profile.d/p":    "PROFILE=\"$PROFILE a\"\n",
		"layers/second/c/profile.d/script/q": "PROFILE=\"$PROFILE script\"\nset -- changed\n",
		"app/.profile":                       "PROFILE=\"$PROFILE app\"\nexport PROFILE\n",
		"app/sub/file":                       "",
	})
	for _, tt := range []struct {
		name string
		argv []string
		want string
		code int
	}{
		{"a direct process", []string{"/cnb/process/web"}, " first-a first-b second-c web, blue, by the platform, DIR/app/sub, web: fixed default\n", 0},
		{"user's arguments", []string{"/cnb/process/web", "mine"}, " first-a first-b second-c web, blue, by the platform, DIR/app/sub, web: fixed mine\n", 0},
		{"tokens", []string{"/cnb/process/shell", "$COLOUR"}, " first-a first-b second-c,  a c app 'by the platform' blue\n", 0},
		{"a script", []string{"/cnb/process/script"}, "bash  a c script app\n", 3},
		{"a command in a shell", []string{"launcher", "echo \"$ORDER\" $PROFILE"}, " first-a first-b second-c a c app\n", 0},
		{"a direct command", []string{"launcher", "--", "echo", "$ORDER"}, "$ORDER\n", 0},
		{"no command", []string{"launcher"}, `choosing a process: no command given, and the image has no process type "launcher": ` +
			"give a command, or use one of /cnb/process/{web,shell,script} as the entrypoint\n", 82},
		{"no such program", []string{"launcher", "--", "nosuch"}, `starting nosuch: no such executable in PATH "/usr/bin:/bin"` + "\n", 82},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, code := start(t, dir, tt.argv...)
			if got != tt.want || code != tt.code {
				t.Errorf("got %q and exit code %d, want %q and %d", got, code, tt.want, tt.code)
			}
		})
	}
}

// TestChoose: of processes of a type the last that may run in the execution environment is started, and how depends
// on the API of its buildpack and of the platform.
func TestChoose(t *testing.T) {
	m := Metadata{
		Buildpacks: []Buildpack{{ID: "new", API: "0.9"}, {ID: "old", API: "0.8"}},
		Processes: []Process{
			{Type: "web", Command: Command{"first"}},
			{Type: "web", Command: Command{"prog", "fixed"}, Args: []string{"default"}, BuildpackID: "new"},
			{Type: "web", Command: Command{"test"}, ExecEnv: []string{"test"}, BuildpackID: "new"},
			{Type: "list", Command: Command{"prog", "fixed"}, Args: []string{"default"}, BuildpackID: "new"},
			{Type: "old", Command: Command{"prog"}, Args: []string{"default"}, BuildpackID: "old"},
			{Type: "direct", Command: Command{"prog"}, BuildpackID: "unknown", Direct: true},
			{Type: "only", Command: Command{"prog"}, ExecEnv: []string{"test", "staging"}},
			{Type: "any", Command: Command{"prog"}, ExecEnv: []string{"*"}},
		},
	}
	for _, tt := range []struct {
		name, env string
		minor     uint
		argv      []string
		want      string // command, arguments, and whether it is direct; or the error
	}{
		{"arguments of the process", "", 15, []string{"web"}, "prog [fixed default] true"},
		{"the user's replace defaults", "", 10, []string{"list", "mine"}, "prog [fixed mine] true"},
		{"the user's follow before 0.10", "", 9, []string{"list", "mine"}, "prog [fixed default mine] true"},
		{"the user's follow for old buildpacks", "", 15, []string{"old", "mine"}, "prog [default mine] false"},
		{"another environment", "test", 15, []string{"web"}, "test [] true"},
		{"no environments before 0.15", "", 14, []string{"web"}, "test [] true"},
		{"unknown buildpack", "", 15, []string{"direct", "mine"}, "prog [mine] true"},
		{"every environment", "test", 15, []string{"any"}, "prog [] false"},
		{"no process for it", "", 15, []string{"only"}, `choosing process "only": it is for the execution environments test, staging, and CNB_EXEC_ENV is "production"`},
		{"by path", "", 15, []string{"/cnb/process/old"}, "prog [default] false"},
		{"a command", "", 15, []string{"launcher", "a", "b"}, "a [b] false"},
		{"a direct command", "", 15, []string{"launcher", "--", "a", "b"}, "a [b] true"},
		{"nothing", "", 15, []string{"launcher", "--"}, `choosing a process: no command given, and the image has no process type "launcher": ` +
			"give a command, or use one of /cnb/process/{web,list,old,direct,only,any} as the entrypoint"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := Launcher{API: api.Version{Minor: tt.minor}, ExecEnv: tt.env}
			p, err := l.choose(m, tt.argv[0], tt.argv[1:])
			got := fmt.Sprint(p.Command, p.Args, p.Direct)
			if err == nil && len(p.Command) == 1 {
				got = fmt.Sprint(p.Command[0], " ", p.Args, " ", p.Direct)
			}
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if _, err := (&Launcher{}).choose(Metadata{}, "launcher", nil); err == nil || err.Error() != "choosing a process: no command given, and the image defines no process types" {
		t.Errorf("no process types: got %v", err)
	}
}

// TestBuildpackAPIs: an API that is not supported is an error with its exit code, and a deprecated one a warning.
func TestBuildpackAPIs(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"config/metadata.toml": "[[buildpacks]]\nid = \"a\"\napi = \"0.1\"\n"})
	err := (&Launcher{API: api.Version{Minor: 15}, App: dir, Layers: dir}).Run("launcher", []string{"true"})
	if err == nil || fail.CodeOf(err) != fail.BuildpackAPI || !strings.Contains(err.Error(), "buildpack a") {
		t.Errorf("unsupported: got %v, code %d", err, fail.CodeOf(err))
	}
	old := api.Buildpack.Deprecated
	t.Cleanup(func() { api.Buildpack.Deprecated = old })
	api.Buildpack.Deprecated = []api.Version{{Minor: 9}}
	var warnings []string
	l := Launcher{Warn: func(text string) { warnings = append(warnings, text) }}
	if err := new(Launcher).checkBuildpacks([]Buildpack{{ID: "a", API: "0.9"}}); err != nil {
		t.Errorf("deprecated, without a place for warnings: %v", err)
	}
	if err := l.checkBuildpacks([]Buildpack{{ID: "a", API: "0.9"}, {ID: "b", API: "0.10"}}); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "buildpack a") {
		t.Errorf("deprecated: got %v, warnings %q", err, warnings)
	}
}

// TestReadMetadata: the command is a string or a list, and what could not be started is an error.
func TestReadMetadata(t *testing.T) {
	dir := t.TempDir()
	if m, err := readMetadata(dir); err != nil || len(m.Processes) > 0 {
		t.Errorf("no file: got %v, %v", m, err)
	}
	write(t, dir, map[string]string{"config/metadata.toml": "[[processes]]\ntype = \"a\"\ncommand = \"run it\"\n[[processes]]\ntype = \"b\"\ncommand = [\"run\", \"it\"]\nargs = [\"now\"]\n"})
	m, err := readMetadata(dir)
	want := []Process{{Type: "a", Command: Command{"run it"}}, {Type: "b", Command: Command{"run", "it"}, Args: []string{"now"}}}
	if diff := cmp.Diff(want, m.Processes); diff != "" || err != nil {
		t.Errorf("%v\n-want +got:\n%s", err, diff)
	}
	if diff := cmp.Diff(Process{Type: "b", Command: Command{"run"}, Args: []string{"it", "now"}}, m.Processes[1].SingleCommand()); diff != "" {
		t.Errorf("as a single command: -want +got:\n%s", diff)
	}
	for text, want := range map[string]string{
		"[[buildpacks]]\napi = \"0.9\"\n":                     "buildpack 1 has no id",
		"[[processes]]\ntype = \"../x\"\ncommand = [\"x\"]\n": `process 1: invalid type "../x"`,
		"[[processes]]\ntype = \"..\"\ncommand = [\"x\"]\n":   `process 1: invalid type ".."`,
		"[[processes]]\ntype = \".\"\ncommand = [\"x\"]\n":    `process 1: invalid type "."`,
		"[[processes]]\ncommand = [\"x\"]\n":                  `process 1: invalid type ""`,
		"[[processes]]\ntype = \"a\"\n":                       `process "a" has no command`,
		"[[processes]]\ntype = \"a\"\ncommand = [\"\"]\n":     `process "a" has no command`,
		"[[processes]]\ntype = \"a\"\ncommand = [1]\n":        "want strings",
		"[[processes]]\ntype = \"a\"\ncommand = 1\n":          "want a string or a list of strings",
	} {
		if _, err := decodeMetadata([]byte(text), "metadata.toml"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// TestLayersOf: the layers of each buildpack are its directories by name, links to directories included, and an ID
// does not lead out of the layers directory.
func TestLayersOf(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"acme_a/z/x": "", "acme_a/b/x": "", "acme_a/b.toml": "", "other/x": ""})
	if err := os.Symlink("z", filepath.Join(dir, "acme_a/link")); err != nil {
		t.Fatal(err)
	}
	l := Launcher{Layers: dir}
	got, err := l.layersOf([]Buildpack{{ID: "acme/a"}, {ID: "without/layers"}})
	want := [][]string{{filepath.Join(dir, "acme_a/b"), filepath.Join(dir, "acme_a/link"), filepath.Join(dir, "acme_a/z")}, nil}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n-want +got:\n%s", err, diff)
	}
	if _, err := l.layersOf([]Buildpack{{ID: ".."}}); err == nil || !strings.Contains(err.Error(), `invalid buildpack ID ".."`) {
		t.Errorf("an ID that leads out: got %v", err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "acme_a/dangling")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.layersOf([]Buildpack{{ID: "acme/a"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dangling link: got %v", err)
	}
}

// TestExecDFails: a failing exec.d executable, or one whose output is not variables, stops the launch.
func TestExecDFails(t *testing.T) {
	for script, want := range map[string]string{
		"#!/bin/sh\nexit 4\n":                     "exec.d/x: exit status 4",
		"#!/nowhere/sh\n":                         "the interpreter of",
		"#!/bin/sh\necho 'A.B = \"x\"' >&3\n":     "output on file descriptor 3",
		"#!/bin/sh\necho '\"A B\" = \"x\"' >&3\n": `invalid variable name "A B"`,
		"#!/bin/sh\necho 'A = \"\\u0000\"' >&3\n": "the value of A contains a NUL byte",
		"#!/bin/sh\necho 'A = 1' >&3\n":           "output on file descriptor 3",
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"config/metadata.toml": "[[buildpacks]]\nid = \"a\"\napi = \"0.9\"\n", "a/l/exec.d/x*": script})
		err := (&Launcher{API: api.Version{Minor: 15}, App: dir, Layers: dir}).Run("launcher", []string{"--", "/nowhere"})
		if err == nil || !strings.Contains(err.Error(), want) || fail.CodeOf(err) != fail.Launch {
			t.Errorf("%q: got %v, want %q", script, err, want)
		}
	}
}

// TestBareKeys: names of variables are letters, digits, _ and -.
func TestBareKeys(t *testing.T) {
	for name, want := range map[string]bool{
		"": false, "a": true, "z": true, "A": true, "Z": true, "0": true, "9": true, "_-": true, "aB3": true,
		"`": false, "{": false, "@": false, "[": false, "/": false, ":": false, "a b": false, "é": false, "a=": false,
	} {
		if got := isBareKey(name); got != want {
			t.Errorf("%q: got %t", name, got)
		}
	}
}

// TestProfiles: profile scripts are files of layers, by process type, and the app's last; a directory of that name or a
// layer with a file in place of profile.d has none.
func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"l/a/profile.d/b": "", "l/a/profile.d/a": "", "l/a/profile.d/web/c": "", "l/a/profile.d/other/d": "", "l/b/profile.d": ""})
	layers := [][]string{{filepath.Join(dir, "l/a"), filepath.Join(dir, "l/b")}}
	want := []string{filepath.Join(dir, "l/a/profile.d/a"), filepath.Join(dir, "l/a/profile.d/b"), filepath.Join(dir, "l/a/profile.d/web/c")}
	l := Launcher{App: filepath.Join(dir, "app")}
	if got, err := l.profiles(layers, "web"); err != nil || !slices.Equal(got, want) {
		t.Errorf("without .profile: got %q, %v", got, err)
	}
	write(t, dir, map[string]string{"app/.profile": "", "other/.profile/x": ""})
	if got, err := l.profiles(layers, "web"); err != nil || !slices.Equal(got, append(want, filepath.Join(dir, "app/.profile"))) {
		t.Errorf("with .profile: got %q, %v", got, err)
	}
	l.App = filepath.Join(dir, "other")
	if got, err := l.profiles(nil, ""); err != nil || len(got) > 0 {
		t.Errorf("a directory .profile: got %q, %v", got, err)
	}
}

// TestWorkingDir: a relative directory is below the app directory.
func TestWorkingDir(t *testing.T) {
	l := Launcher{App: "/app"}
	for dir, want := range map[string]string{"": "/app", "sub": "/app/sub", "/else": "/else"} {
		if got := l.workingDir(Process{WorkingDir: dir}); got != want {
			t.Errorf("%q: got %s, want %s", dir, got, want)
		}
	}
}

// TestLookUp: the first executable file in PATH is found, also in relative directories.
func TestLookUp(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a/prog": "", "b/prog*": "", "c/prog*": "", "d/prog/x": "", "here*": ""})
	t.Chdir(dir)
	path := strings.Join([]string{"a", "d", filepath.Join(dir, "b"), "c", ""}, ":")
	for name, want := range map[string]string{"prog": filepath.Join(dir, "b/prog"), "here": "./here", "some/prog": "some/prog"} {
		if got, err := lookUp(name, path); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, want)
		}
	}
	if _, err := lookUp("none", path); err == nil || !strings.Contains(err.Error(), "no such executable in PATH") {
		t.Errorf("got %v", err)
	}
}

// TestScript runs the script with bash: file names and arguments of any spelling arrive as they are.
func TestScript(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `it's "here" $HOME`)
	write(t, dir, map[string]string{"pro file": "X='a  b'\nset -- changed\n"})
	args := []string{"printf", `[%s]`, "$X", "'$X'", "", "*"}
	text := script("/bin/bash", []string{filepath.Join(dir, "pro file")}, dir, true)
	out, err := exec.Command("/bin/bash", slices.Concat([]string{"-c", text, "bash"}, args)...).CombinedOutput()
	if want := "[a  b]['a  b'][][*]"; string(out) != want || err != nil {
		t.Errorf("tokens: got %s, %v, want %s", out, err, want)
	}
	text = script("/bin/bash", []string{filepath.Join(dir, "pro file")}, dir, false)
	out, err = exec.Command("/bin/bash", "-c", text, "bash", `printf '[%s]' "$0" *`).CombinedOutput()
	if want := "[bash][pro file]"; string(out) != want || err != nil {
		t.Errorf("a script: got %s, %v, want %s", out, err, want)
	}
}

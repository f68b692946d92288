package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// launcher is the path of the launcher, built as for a release.
var launcher string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "launcher")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	launcher = filepath.Join(dir, "launcher")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", launcher, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the launcher: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// An image describes the files of an app image besides the launcher: layers and app under one root.
type image struct {
	files map[string]string // the file NAME* is an executable NAME
	api   string            // Platform API; empty means 0.15
	env   []string
}

// A result is the output and exit code of a launch. ROOT stands for the image's root in the output.
type result struct {
	Stdout, Stderr string
	Code           int
}

func (i image) make(t testing.TB) (root string, environ []string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"app", "layers"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range i.files {
		plain, executable := strings.CutSuffix(name, "*")
		mode := os.FileMode(0o644)
		if executable {
			mode = 0o755
		}
		path := filepath.Join(root, plain)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(content, "ROOT", root)), mode); err != nil {
			t.Fatal(err)
		}
	}
	version := i.api
	if version == "" {
		version = "0.15"
	}
	return root, append([]string{
		"PATH=/cnb/process:/cnb/lifecycle:/usr/bin:/bin", "HOME=/root", "CNB_PLATFORM_API=" + version,
		"CNB_LAYERS_DIR=" + filepath.Join(root, "layers"), "CNB_APP_DIR=" + filepath.Join(root, "app"),
	}, i.env...)
}

// launch runs the launcher with argv in the image.
func (i image) launch(t *testing.T, argv ...string) result {
	t.Helper()
	root, environ := i.make(t)
	var stdout, stderr bytes.Buffer
	cmd := &exec.Cmd{Path: launcher, Args: argv, Env: environ, Dir: "/", Stdout: &stdout, Stderr: &stderr}
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return result{
		strings.ReplaceAll(stdout.String(), root, "ROOT"), strings.ReplaceAll(stderr.String(), root, "ROOT"), cmd.ProcessState.ExitCode(),
	}
}

const (
	web  = "/cnb/process/web"
	user = "/cnb/lifecycle/launcher"
)

// metadata returns a metadata.toml with the buildpacks "old" (Buildpack API below 0.9) and "acme/new" (0.9 or later).
func metadata(oldAPI, newAPI, processes string) string {
	return fmt.Sprintf("[[buildpacks]]\nid = \"old\"\napi = %q\n[[buildpacks]]\nid = \"acme/new\"\napi = %q\n%s", oldAPI, newAPI, processes)
}

// with returns an image with these processes and files, given as pairs of name and content.
func with(processes string, files ...string) image {
	i := image{files: map[string]string{"layers/config/metadata.toml": metadata("0.8", "0.9", processes)}}
	for n := 0; n < len(files); n += 2 {
		i.files[files[n]] = files[n+1]
	}
	return i
}

func (i image) platform(version string) image { i.api = version; return i }

func (i image) environ(entries ...string) image { i.env = entries; return i }

func TestArguments(t *testing.T) {
	newList := "[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = [\"printf\", \"[%s]\"]\nargs = [\"a\", \"$HOME\"]\n"
	newString := "[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = \"printf\"\nargs = [\"[%s]\", \"a\"]\n"
	oldDirect := "[[processes]]\ntype = \"web\"\nbuildpack-id = \"old\"\ncommand = [\"printf\"]\nargs = [\"[%s]\", \"a\", \"$HOME\"]\ndirect = true\n"
	oldShell := "[[processes]]\ntype = \"web\"\nbuildpack-id = \"old\"\ncommand = [\"printf\"]\nargs = [\"[%s]\", \"a  b\", \"$HOME\", \"'q'\", \"*\"]\n"
	oldScript := "[[processes]]\ntype = \"web\"\nbuildpack-id = \"old\"\ncommand = [\"printf '[%s]' a $HOME; echo ; exit 7\"]\n"
	nobody := "[[processes]]\ntype = \"web\"\ncommand = [\"printf\"]\nargs = [\"[%s]\", \"a\"]\ndirect = true\n"
	platforms := []string{"0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14", "0.15"}
	for _, tt := range []struct {
		name, processes string
		argv            []string
		before, from10  string // output before and since Platform API 0.10
	}{
		{"default arguments", newList, []string{web}, "[a][$HOME]", "[a][$HOME]"},
		{"default arguments, user's arguments", newList, []string{web, "u", "v"}, "[a][$HOME][u][v]", "[u][v]"},
		{"a command that is a string", newString, []string{web}, "[a]", "[a]"},
		{"relative argv[0]", newList, []string{"web"}, "[a][$HOME]", "[a][$HOME]"},
		{"direct", oldDirect, []string{web}, "[a][$HOME]", "[a][$HOME]"},
		{"direct, user's arguments", oldDirect, []string{web, "u"}, "[a][$HOME][u]", "[a][$HOME][u]"},
		{"shell tokens", oldShell, []string{web}, "[a  b][/root]['q'][*]", "[a  b][/root]['q'][*]"},
		{"shell tokens, user's arguments", oldShell, []string{web, "$((1+1)) x"}, "[a  b][/root]['q'][*][2 x]", "[a  b][/root]['q'][*][2 x]"},
		{"shell script", oldScript, []string{web}, "[a][/root]\n", "[a][/root]\n"},
		{"unknown buildpack", nobody, []string{web, "u"}, "[a][u]", "[a][u]"},
		{"user's command", newList, []string{user, "printf", "[%s]", "$HOME", "a  b"}, "[/root][a  b]", "[/root][a  b]"},
		{"user's script", newList, []string{user, "printf '[%s]' $HOME a | cat"}, "[/root][a]", "[/root][a]"},
		{"user's direct command", newList, []string{user, "--", "printf", "[%s]", "$HOME"}, "[$HOME]", "[$HOME]"},
		{"user's builtin", newList, []string{user, "type", "-t", "cd"}, "builtin\n", "builtin\n"},
		{"-- after a process is an argument", newList, []string{web, "--", "u"}, "[a][$HOME][--][u]", "[--][u]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, version := range platforms {
				want := result{Stdout: tt.from10}
				if version == "0.7" || version == "0.8" || version == "0.9" {
					want.Stdout = tt.before
				}
				if tt.name == "shell script" {
					want.Code = 7
				}
				if diff := cmp.Diff(want, with(tt.processes).platform(version).launch(t, tt.argv...)); diff != "" {
					t.Errorf("Platform API %s (-want +got):\n%s", version, diff)
				}
			}
		})
	}
}

func TestBuildpackAPIs(t *testing.T) {
	for version, want := range map[string]string{
		"0.7": "[a][u]", "0.8": "[a][u]", "0.9": "[u]", "0.10": "[u]", "0.11": "[u]", "0.12": "[u]",
	} {
		i := image{files: map[string]string{"layers/config/metadata.toml": metadata("0.7", version,
			"[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = [\"printf\", \"[%s]\"]\nargs = [\"a\"]\n")}}
		if diff := cmp.Diff(result{Stdout: want}, i.launch(t, web, "u")); diff != "" {
			t.Errorf("Buildpack API %s (-want +got):\n%s", version, diff)
		}
	}
}

func TestExecEnv(t *testing.T) {
	process := func(text, execEnv string) string {
		return fmt.Sprintf("[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = [\"echo\", %q]\n%s\n", text, execEnv)
	}
	both := process("prod", `exec-env = ["production"]`) + process("other", `exec-env = ["test", "development"]`)
	for _, tt := range []struct {
		name, processes, execEnv string
		want, before15           result
	}{
		{"the default is production", both, "", result{Stdout: "prod\n"}, result{Stdout: "other\n"}},
		{"test", both, "test", result{Stdout: "other\n"}, result{Stdout: "other\n"}},
		{"any", process("any", `exec-env = ["*"]`), "qa", result{Stdout: "any\n"}, result{Stdout: "any\n"}},
		{"none given", process("any", ""), "qa", result{Stdout: "any\n"}, result{Stdout: "any\n"}},
		{"nothing eligible", both, "qa",
			result{Code: 82, Stderr: "ERROR: failed to launch: choosing process \"web\": it is for the execution environments production, test, development, and CNB_EXEC_ENV is \"qa\"\n"},
			result{Stdout: "other\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := with(tt.processes).environ("CNB_EXEC_ENV=" + tt.execEnv)
			if diff := cmp.Diff(tt.want, i.launch(t, web)); diff != "" {
				t.Errorf("0.15 (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.before15, i.platform("0.14").launch(t, web)); diff != "" {
				t.Errorf("0.14 (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	i := with("[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = [\"env\"]\n",
		"layers/old/a/env/A", "old", "layers/old/a/bin/tool*", "", "layers/old/b/bin/tool*", "",
		"layers/acme_new/a/env.launch/A.append", "+new", "layers/acme_new/a/env.launch/web/A.append", "+web",
		"layers/acme_new/a/env.launch/worker/A.append", "+worker", "layers/acme_new/a/lib/x", "", "layers/acme_new/a/env.build/B", "build",
		"layers/unknown/a/env/B", "not a buildpack of this image",
	).environ("CNB_PROCESS_TYPE=worker", "CNB_EXEC_ENV=production", "BPL_X=1")
	got := i.launch(t, web)
	want := result{Stdout: `A=old+new+web
BPL_X=1
CNB_EXEC_ENV=production
HOME=/root
LD_LIBRARY_PATH=ROOT/layers/acme_new/a/lib
PATH=ROOT/layers/old/b/bin:ROOT/layers/old/a/bin:/usr/bin:/bin
`, Stderr: "Warning: CNB_PROCESS_TYPE=worker is ignored: to start that process, use /cnb/process/worker as the entrypoint\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("as a process (-want +got):\n%s", diff)
	}
	if got := i.launch(t, user, "--", "sh", "-c", "echo $A"); got.Stdout != "old+new\n" {
		t.Errorf("as a user's command, A is %q", got.Stdout)
	}
}

// execd returns an executable that writes its name to stdout and an assignment to file descriptor 3.
func execd(assignment string) string {
	return "#!/bin/bash\necho \"$0 in $PWD, A=$A, app=$CNB_APP_DIR\"\nread -r line; echo \"read $?\" >&2\necho '" + assignment + "' >&3\n"
}

func TestExecD(t *testing.T) {
	i := with("[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = [\"printenv\", \"A\", \"C-D\"]\nworking-dir = \"/tmp\"\n",
		"layers/acme_new/a/exec.d/1*", execd(`A = "4"`), "layers/acme_new/a/env/A", "env",
		"layers/old/b/exec.d/1*", execd(`A = "3"`), "layers/old/a/exec.d/2*", execd(`A = "2"`), "layers/old/a/exec.d/1*", execd(`A = "1"`),
		"layers/old/a/exec.d/web/0*", execd(`C-D = "x=y"`), "layers/old/a/exec.d/worker/0*", execd(`A = "worker"`),
	)
	want := result{
		Stdout: `ROOT/layers/old/a/exec.d/1 in ROOT/app, A=env, app=
ROOT/layers/old/a/exec.d/2 in ROOT/app, A=1, app=
ROOT/layers/old/b/exec.d/1 in ROOT/app, A=2, app=
ROOT/layers/acme_new/a/exec.d/1 in ROOT/app, A=3, app=
ROOT/layers/old/a/exec.d/web/0 in ROOT/app, A=4, app=
4
x=y
`,
		Stderr: strings.Repeat("read 1\n", 5),
	}
	if diff := cmp.Diff(want, i.launch(t, web)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExecDOutput(t *testing.T) {
	process := "[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = [\"sh\", \"-c\", \"echo $A | wc -c\"]\n"
	const file = "ERROR: failed to launch: running ROOT/layers/old/a/exec.d/1: "
	for _, tt := range []struct{ name, script, stdout, stderr string }{
		{"nothing", "#!/bin/sh\n", "1\n", ""},
		{"more than a pipe holds", "#!/bin/bash\nprintf 'A = \"%0100000d\"' 0 >&3\n", "100001\n", ""},
		{"a failure", "#!/bin/sh\necho 'A = \"x\"' >&3\nexit 3\n", "", file + "exit status 3\n"},
		{"not a program", "not a program", "", file + "ROOT/layers/old/a/exec.d/1 has no #! line and is not a program for this machine: exec format error\n"},
		{"an interpreter that env does not find", "#!/usr/bin/env no-such-bash\n", "", file + "exit status 127: the interpreter of ROOT/layers/old/a/exec.d/1, no-such-bash, is not in PATH ("},
		{"a carriage return", "#!/usr/bin/env sh\r\n", "", file + "exit status 127: the first line of ROOT/layers/old/a/exec.d/1 ends in \\r"},
		{"not a string", "#!/bin/sh\necho 'A = 1' >&3\n", "", file + "output on file descriptor 3: "},
		{"a table", "#!/bin/sh\necho '[A]' >&3\necho 'B = \"x\"' >&3\n", "", file + "output on file descriptor 3: "},
		{"not TOML", "#!/bin/sh\necho 'A=x' >&3\n", "", file + "output on file descriptor 3: "},
		{"invalid name", "#!/bin/sh\necho '\"A=B\" = \"x\"' >&3\n", "", file + "output on file descriptor 3: invalid variable name \"A=B\""},
		{"a NUL byte", "#!/bin/sh\necho 'A = \"\\u0000\"' >&3\n", "", file + "output on file descriptor 3: the value of A contains a NUL byte"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := with(process, "layers/old/a/exec.d/1*", tt.script).launch(t, web)
			code := 0
			if tt.stderr != "" {
				code = 82
			}
			if got.Stdout != tt.stdout || !strings.Contains(got.Stderr, tt.stderr) || got.Code != code {
				t.Errorf("got %+v, want %q, %q and code %d", got, tt.stdout, tt.stderr, code)
			}
		})
	}
}

func TestProfile(t *testing.T) {
	profile := func(name string) string { return "export A=\"$A " + name + "\"; set -- changed; cd /\n" }
	i := with("[[processes]]\ntype = \"web\"\nbuildpack-id = \"old\"\ncommand = [\"echo\"]\nargs = [\"$A\", \"in $PWD\"]\n"+
		"[[processes]]\ntype = \"script\"\nbuildpack-id = \"old\"\ncommand = [\"echo $A in $PWD, $0\"]\nworking-dir = \"/usr\"\n"+
		"[[processes]]\ntype = \"direct\"\nbuildpack-id = \"old\"\ncommand = [\"sh\"]\nargs = [\"-c\", \"echo $A\"]\ndirect = true\n",
		"layers/acme_new/a/profile.d/1", profile("new"), "layers/old/b/profile.d/1", profile("b"),
		"layers/old/a/profile.d/2'$(x) y", profile("a2"), "layers/old/a/profile.d/1", "echo first in $PWD\n"+profile("a1"),
		"layers/old/a/profile.d/web/0", profile("web"), "layers/old/a/profile.d/worker/0", profile("worker"), "app/.profile", profile("app"),
	)
	for _, tt := range []struct {
		argv []string
		want string
	}{
		{[]string{web, "$A"}, "first in ROOT/app\n a1 a2 b new web app in ROOT/app  a1 a2 b new web app\n"},
		{[]string{"script"}, "first in ROOT/app\na1 a2 b new app in /usr, bash\n"}, // unquoted: no space in front
		{[]string{"direct"}, "\n"},
		{[]string{user, "echo", "$A"}, "first in ROOT/app\n a1 a2 b new app\n"},
		{[]string{user, "--", "sh", "-c", "echo $A"}, "\n"},
	} {
		got := i.launch(t, tt.argv...)
		if diff := cmp.Diff(result{Stdout: tt.want}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.argv, diff)
		}
	}
}

func TestWorkingDir(t *testing.T) {
	process := func(id, dir, rest string) string {
		return fmt.Sprintf("[[processes]]\ntype = \"web\"\nbuildpack-id = %q\nworking-dir = %q\n%s\n", id, dir, rest)
	}
	const direct, shell = "command = [\"pwd\"]", "command = [\"echo\"]\nargs = [\"$PWD\"]"
	for _, tt := range []struct{ name, processes, want string }{
		{"none, direct", process("acme/new", "", direct), "ROOT/app\n"},
		{"none, script", process("old", "", direct), "ROOT/app\n"},
		{"none, tokens", process("old", "", shell), "ROOT/app\n"},
		{"absolute, direct", process("acme/new", "/usr", direct), "/usr\n"},
		{"absolute, script", process("old", "/usr", direct), "/usr\n"},
		{"absolute, tokens", process("old", "/usr", shell), "/usr\n"},
		{"relative to the app", process("acme/new", "sub dir", direct), "ROOT/app/sub dir\n"},
		{"a program in it", process("acme/new", "sub dir", "command = [\"./own\"]"), "own\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := with(tt.processes, "app/sub dir/own*", "#!/bin/sh\necho own\n").launch(t, web)
			if diff := cmp.Diff(result{Stdout: tt.want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The launcher replaces itself, it starts no child: the process has the launcher's ID.
func TestLauncherExecsTheProcess(t *testing.T) {
	i := with("[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = [\"ROOT/layers/old/a/bin/pid\"]\n"+
		"[[processes]]\ntype = \"script\"\nbuildpack-id = \"old\"\ncommand = [\"pid\"]\n"+
		"[[processes]]\ntype = \"tokens\"\nbuildpack-id = \"old\"\ncommand = [\"pid\"]\nargs = [\"x\"]\n",
		"layers/old/a/bin/pid*", "#!/bin/sh\necho $$\n", "layers/old/a/exec.d/1*", "#!/bin/sh\n", "layers/old/a/profile.d/1", "true\n")
	for _, argv := range [][]string{{web}, {"script"}, {"tokens"}, {user, "pid", "x"}, {user, "pid"}, {user, "--", "pid"}} {
		_, environ := i.make(t)
		var stdout bytes.Buffer
		cmd := &exec.Cmd{Path: launcher, Args: argv, Env: environ, Stdout: &stdout, Stderr: os.Stderr}
		if err := cmd.Run(); err != nil {
			t.Errorf("%q: %v", argv, err)
		}
		if got, want := strings.TrimSpace(stdout.String()), fmt.Sprint(cmd.Process.Pid); got != want {
			t.Errorf("%q: process ID is %s, want %s", argv, got, want)
		}
	}
}

func TestFailures(t *testing.T) {
	process := "[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = [\"echo\"]\n"
	broken := func(text string) image {
		return image{files: map[string]string{"layers/config/metadata.toml": text}}
	}
	for _, tt := range []struct {
		name  string
		image image
		argv  []string
		code  int
		want  string
	}{
		{"no Platform API", with(process).environ("CNB_PLATFORM_API="), []string{web}, 11, "no version given"},
		{"old Platform API", with(process).platform("0.6"), []string{web}, 11, "version 0.6 is not supported"},
		{"new Platform API", with(process).platform("0.16"), []string{web}, 11, "version 0.16 is not supported"},
		{"odd Platform API", with(process).platform("x"), []string{web}, 11, `parsing API version "x"`},
		{"old Buildpack API", broken(metadata("0.6", "0.9", process)), []string{web}, 12, "checking the Buildpack API of buildpack old: version 0.6 is not supported"},
		{"no Buildpack API", broken("[[buildpacks]]\nid = \"old\"\n"), []string{user, "true"}, 12, "no version given"},
		{"no command", with(process), []string{user}, 82, `the image has no process type "launcher": give a command, or use one of /cnb/process/{web} as the entrypoint`},
		{"no command after --", with(process), []string{user, "--"}, 82, "no command given"},
		{"no such process", with(process), []string{"/cnb/process/worker"}, 82, `the image has no process type "worker"`},
		{"CNB_PROCESS_TYPE does not select a process", with(process).environ("CNB_PROCESS_TYPE=web"), []string{user}, 82, "no command given"},
		{"no metadata, no command", image{}, []string{user}, 82, "the image defines no process types"},
		{"no such program", with(process), []string{user, "--", "no-such-program"}, 82, `starting no-such-program: no such executable in PATH "/usr/bin:/bin"`},
		{"not executable", with(process, "app/x", ""), []string{user, "--", "./x"}, 82, "starting ./x: ./x is not executable (-rw-r--r--): permission denied"},
		{"no interpreter", with(process, "app/x*", "#!/no/such/node -e\n"), []string{user, "--", "./x"}, 82, "starting ./x: the interpreter of ./x, /no/such/node, does not exist"},
		{"carriage return", with(process, "app/x*", "#!/bin/sh\r\n"), []string{user, "--", "./x"}, 82, `starting ./x: the first line of ./x ends in \r; save it with Unix line endings`},
		{"no working directory", with(process + "working-dir = \"/no/such\"\n"), []string{web}, 82, "entering the working directory: chdir /no/such"},
		{"no working directory, shell", with("[[processes]]\ntype = \"web\"\ncommand = [\"a\"]\nargs = [\"b\"]\nworking-dir = \"/no/such\"\n"), []string{web}, 82, "/no/such"},
		{"token with a syntax error", with(process), []string{user, "echo", "$("}, 82, "unexpected EOF"},
		{"not TOML", broken("[[processes]\n"), []string{web}, 82, "metadata.toml, line 2"},
		{"wrong type", broken("processes = 1\n"), []string{web}, 82, "metadata.toml"},
		{"command of a wrong type", broken("[[processes]]\ntype = \"web\"\ncommand = 1\n"), []string{web}, 82, `key "command": want a string or a list of strings, not int64`},
		{"command of numbers", broken("[[processes]]\ntype = \"web\"\ncommand = [1]\n"), []string{web}, 82, `key "command": want strings, not int64`},
		{"process without a command", broken("[[processes]]\ntype = \"web\"\n"), []string{web}, 82, `process "web" has no command`},
		{"process without a type", broken("[[processes]]\ncommand = [\"a\"]\n"), []string{web}, 82, `process 1: invalid type ""`},
		{"process that leaves its directory", broken("[[processes]]\ntype = \"../x\"\ncommand = [\"a\"]\n"), []string{web}, 82, `process 1: invalid type "../x"`},
		{"buildpack without an id", broken("[[buildpacks]]\napi = \"0.9\"\n"), []string{web}, 82, "buildpack 1 has no id"},
		{"buildpack that leaves the layers", broken("[[buildpacks]]\nid = \"..\"\napi = \"0.9\"\n" + process), []string{web}, 82, `invalid buildpack ID ".."`},
		{"environment file with a NUL byte", with(process, "layers/old/a/env/A", "\x00"), []string{web}, 82, "ROOT/layers/old/a/env/A"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.image.launch(t, tt.argv...)
			if got.Code != tt.code || got.Stdout != "" || !strings.Contains(got.Stderr, tt.want) {
				t.Errorf("got %+v, want code %d and %q", got, tt.code, tt.want)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	for _, argv := range [][]string{{user, "--", "sh", "-c", "exit 9"}, {user, "exit 9"}, {user, "exit", "9"}} {
		if got := (image{}).launch(t, argv...); got.Code != 9 {
			t.Errorf("%q: %+v, want code 9", argv, got)
		}
	}
}

const maxSize = 2_900_000 // bytes

// The launcher is part of every app image, so its dependencies and its size are fixed here.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/dependencies.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(out)); diff != "" {
		t.Errorf("the launcher's dependencies (-want +got):\n%s", diff)
	}
	info, err := os.Stat(launcher)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxSize {
		t.Errorf("the launcher has %d bytes, want at most %d", info.Size(), maxSize)
	}
}

// BenchmarkLaunch starts /bin/true directly and with the launcher, in images with some layers that each have bin, lib and
// two env files. The difference is the launcher's overhead. LAUNCHER=/path measures another launcher.
func BenchmarkLaunch(b *testing.B) {
	path := launcher
	if other := os.Getenv("LAUNCHER"); other != "" {
		path = other
	}
	b.Run("without", func(b *testing.B) { start(b, "/bin/true", nil) })
	for _, layers := range []int{0, 2, 10} {
		i := with("[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = [\"/bin/true\"]\n")
		for n := range layers {
			for _, file := range []string{"env/A", "env.launch/B.append", "bin/x", "lib/x"} {
				i.files[fmt.Sprintf("layers/acme_new/%d/%s", n, file)] = "x"
			}
		}
		_, environ := i.make(b)
		b.Run(fmt.Sprintf("layers=%d", layers), func(b *testing.B) { start(b, path, environ) })
	}
}

func start(b *testing.B, path string, environ []string) {
	for b.Loop() {
		cmd := &exec.Cmd{Path: path, Args: []string{web}, Env: environ}
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
}

// A user's command runs in the app directory, whatever the working directory of the container.
func TestUsersCommandsRunInTheApp(t *testing.T) {
	for _, argv := range [][]string{{user, "--", "pwd"}, {user, "pwd", "-L"}, {user, "pwd"}} {
		if diff := cmp.Diff(result{Stdout: "ROOT/app\n"}, (image{}).launch(t, argv...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", argv, diff)
		}
	}
}

// CNB_PROCESS_TYPE selected the process before Platform API 0.4. The launcher warns if it is set.
func TestProcessTypeVariable(t *testing.T) {
	processes := "[[processes]]\ntype = \"web\"\nbuildpack-id = \"acme/new\"\ncommand = [\"printf\", \"web[%s]\"]\n" +
		"[[processes]]\ntype = \"worker\"\nbuildpack-id = \"acme/new\"\ncommand = [\"printf\", \"worker[%s]\"]\n"
	const warning = "Warning: CNB_PROCESS_TYPE=worker is ignored: to start that process, use /cnb/process/worker as the entrypoint\n"
	for _, test := range []struct {
		self, value string
		want        result
	}{
		{web, "worker", result{Stdout: "web[]", Stderr: warning}},
		{web, "web", result{Stdout: "web[]"}},
		{web, "", result{Stdout: "web[]"}},
		{"/cnb/process/worker", "worker", result{Stdout: "worker[]"}},
	} {
		got := with(processes).environ("CNB_PROCESS_TYPE="+test.value).launch(t, test.self)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s with CNB_PROCESS_TYPE=%s (-want +got):\n%s", test.self, test.value, diff)
		}
	}
	got := with(processes).environ("CNB_PROCESS_TYPE=worker").launch(t, user, "echo", "hello")
	if diff := cmp.Diff(result{Stdout: "hello\n", Stderr: warning}, got); diff != "" {
		t.Errorf("a command (-want +got):\n%s", diff)
	}
}

package lifecycle_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// A workshop is the directories of a build.
type workshop struct {
	dir   string
	group platform.Group
}

func newWorkshop(t *testing.T, modules ...lifecycletest.Module) *workshop {
	t.Helper()
	w := &workshop{dir: t.TempDir()}
	for _, name := range []string{"app", "layers", "platform/env", "build-config/env"} {
		if err := os.MkdirAll(filepath.Join(w.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range modules {
		m.Write(t, filepath.Join(w.dir, "buildpacks"))
		version := m.API
		if version == "" {
			version = "0.10"
		}
		w.group.Buildpacks = append(w.group.Buildpacks, platform.Module{ID: m.ID, Version: m.Version, API: version})
	}
	return w
}

func (w *workshop) path(name string) string { return filepath.Join(w.dir, name) }

func (w *workshop) builder(t *testing.T, api string) *lifecycle.Builder {
	return &lifecycle.Builder{
		API: version(t, api), Store: buildpack.Store{Buildpacks: w.path("buildpacks")}, Group: w.group, Layers: w.path("layers"),
		Host: buildpack.Host{
			App: w.path("app"), Platform: w.path("platform"), BuildConfig: w.path("build-config"),
			Environ: []string{"PATH=/usr/bin:/bin", "HOME=/home/cnb", "CNB_REGISTRY_AUTH=secret", "AWS_SECRET_ACCESS_KEY=secret"},
			Target:  &platform.Target{OS: "linux", Arch: "amd64", Distro: &platform.Distro{Name: "debian", Version: "12"}},
			ExecEnv: "test",
		},
	}
}

// script is a bin/build in sh with the paths by name, in every Buildpack API.
func script(body string) map[string]string {
	return map[string]string{"bin/build": "#!/bin/sh\nset -eu\nlayers=\"$1\" platform=\"$2\" plan=\"$3\"\n" + body}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestBuildEnvironment(t *testing.T) {
	for _, v := range []string{"0.7", "0.8", "0.9", "0.10", "0.11", "0.12"} {
		t.Run(v, func(t *testing.T) {
			first := lifecycletest.Module{ID: "acme/first", Version: "1", API: v, Files: script(`
mkdir -p "$layers/tool/bin" "$layers/tool/env" "$layers/tool/env.build" "$layers/runtime/bin" "$layers/scratch" "$layers/untyped"
: > "$layers/untyped.toml"
printf '[types]\nbuild = true\n' > "$layers/tool.toml"
printf '[types]\nlaunch = true\n' > "$layers/runtime.toml"
printf from-layer > "$layers/tool/env/CHOICE.default"
printf more > "$layers/tool/env.build/FLAGS.append"
`)}
			second := lifecycletest.Module{ID: "acme/second", Version: "2", API: v, Files: script(`env | sort > "$layers/env.txt"; echo out; echo err >&2`)}
			w := newWorkshop(t, first, second)
			write(t, w.path("platform/env/BP_USER"), "by the user")
			write(t, w.path("platform/env/PATH"), "/user/bin")
			write(t, w.path("build-config/env/OPERATOR"), "by the operator")
			write(t, w.path("build-config/env/CHOICE.override"), "by the operator")
			b := w.builder(t, "0.15")
			var out, errs bytes.Buffer
			b.Stdout, b.Stderr = &out, &errs
			if _, err := b.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if out.String() != "out\n" || errs.String() != "err\n" {
				t.Errorf("stdout %q, stderr %q", out.String(), errs.String())
			}
			want := map[string]string{
				"BP_USER": "by the user", "OPERATOR": "by the operator", "CHOICE": "by the operator", "FLAGS": "more", "HOME": "/home/cnb",
				"PATH":              "/user/bin:" + w.path("layers/acme_first/tool/bin") + ":/usr/bin:/bin",
				"CNB_BUILDPACK_DIR": w.path("buildpacks/acme_second/2"),
			}
			if v != "0.7" {
				want["CNB_LAYERS_DIR"], want["CNB_PLATFORM_DIR"] = w.path("layers/acme_second"), w.path("platform")
			}
			if len(v) > 3 { // from 0.10
				want["CNB_TARGET_OS"], want["CNB_TARGET_ARCH"] = "linux", "amd64"
				want["CNB_TARGET_DISTRO_NAME"], want["CNB_TARGET_DISTRO_VERSION"] = "debian", "12"
			}
			if v == "0.12" {
				want["CNB_EXEC_ENV"] = "test"
			}
			got := map[string]string{}
			for line := range strings.Lines(read(t, w.path("layers/acme_second/env.txt"))) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				if name != "PWD" && name != "CNB_BP_PLAN_PATH" && name != "_" && name != "OLDPWD" && name != "SHLVL" {
					got[name] = value
				}
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for _, dir := range []string{"untyped.ignore", "scratch"} { // only the first has a <layer>.toml
				if _, err := os.Stat(w.path("layers/acme_first/" + dir)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestClearEnv(t *testing.T) {
	m := lifecycletest.Module{ID: "acme/app", Version: "1", Head: "clear-env = true", Files: script(`printf '%s %s' "${BP_USER-none}" "${OPERATOR-none}" > "$layers/env.txt"`)}
	w := newWorkshop(t, m)
	write(t, w.path("platform/env/BP_USER"), "by the user")
	write(t, w.path("build-config/env/OPERATOR"), "yes")
	if _, err := w.builder(t, "0.12").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, w.path("layers/acme_app/env.txt")); got != "none yes" {
		t.Errorf("got %q", got)
	}
}

func TestPlanAndUnmet(t *testing.T) {
	module := func(id, unmet string) lifecycletest.Module {
		return lifecycletest.Module{ID: id, Version: "1", Files: script(`cp "$plan" "$layers/plan.txt"` + unmet)}
	}
	w := newWorkshop(t,
		module("a", "\n"+`printf '[[unmet]]\nname = "two"\n' > "$layers/build.toml"`), module("b", ""), module("c", ""))
	by := func(ids ...string) []resolver.Module {
		var all []resolver.Module
		for _, id := range ids {
			all = append(all, resolver.Module{Kind: resolver.Buildpack, ID: id, Version: "1"})
		}
		return all
	}
	b := w.builder(t, "0.12")
	b.Plan.Entries = []resolver.Entry{
		{Name: "one", Providers: by("a", "b"), Requires: []resolver.Require{{Name: "one", Metadata: map[string]any{"version": "1.*"}}}},
		{Name: "two", Providers: by("a", "b", "c"), Requires: []resolver.Require{{Name: "two"}}},
	}
	if _, err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"a": "[[entries]]\nname = \"one\"\n[entries.metadata]\nversion = \"1.*\"\n\n[[entries]]\nname = \"two\"\n",
		"b": "[[entries]]\nname = \"two\"\n", "c": "",
	}
	for id, plan := range want {
		if diff := gocmp.Diff(plan, read(t, w.path("layers/"+id+"/plan.txt"))); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
}

func TestProcessesAreMerged(t *testing.T) {
	first := lifecycletest.Module{ID: "first", Version: "1", API: "0.9", Files: script(`cat > "$layers/launch.toml" <<END
[[processes]]
type = "web"
command = ["first", "web"]
default = true
[[processes]]
type = "worker"
command = ["first"]
working-dir = "/tmp"
[[labels]]
key = "k"
value = "1"
[[slices]]
paths = ["a/*"]
END`)}
	second := lifecycletest.Module{ID: "second", Version: "1", API: "0.8", Files: script(`cat > "$layers/launch.toml" <<END
[[processes]]
type = "web"
command = "second \$HOME"
args = ["x"]
[[labels]]
key = "k"
value = "2"
END`)}
	w := newWorkshop(t, first, second)
	got, err := w.builder(t, "0.15").Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := &platform.BuildMetadata{
		Buildpacks: w.group.Buildpacks,
		Processes: []launch.Process{
			{Type: "web", Command: launch.Command{"second $HOME"}, Args: []string{"x"}, BuildpackID: "second", ExecEnv: []string{"*"}},
			{Type: "worker", Command: launch.Command{"first"}, Direct: true, WorkingDir: "/tmp", BuildpackID: "first", ExecEnv: []string{"*"}},
		},
		Labels: []platform.Label{{Key: "k", Value: "1"}, {Key: "k", Value: "2"}},
		Slices: []platform.Slice{{Paths: []string{"a/*"}}},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("a later process that is no default takes the place of one that is; -want +got:\n%s", diff)
	}
}

func TestBuildFailures(t *testing.T) {
	for _, test := range []struct {
		name, body, head string
		code             fail.Code
		want             string // in the message
	}{
		{"exit status", "exit 7", "", fail.BuildBuildpack, "exit status 7"},
		{"launch.toml is no TOML", `echo "[[" > "$layers/launch.toml"`, "", fail.Build, "launch.toml, line 2"},
		{"wrong type", `printf '[[processes]]\ntype = 3\n' > "$layers/launch.toml"`, "", fail.Build, "launch.toml"},
		{"process without a command", `printf '[[processes]]\ntype = "web"\n' > "$layers/launch.toml"`, "", fail.Build, `"command" is missing`},
		{"process type leads elsewhere", `printf '[[processes]]\ntype = "../x"\ncommand = ["x"]\n' > "$layers/launch.toml"`, "", fail.Build, `"../x"`},
		{"command is a string", `printf '[[processes]]\ntype = "a"\ncommand = "x"\n' > "$layers/launch.toml"`, "", fail.Build, `launch.toml: key "processes", element 1: process "a": key "command" must be a list of strings in Buildpack API 0.10`},
		{"direct is false", `printf '[[processes]]\ntype = "a"\ncommand = ["x"]\ndirect = false\n' > "$layers/launch.toml"`, "", fail.Build, `key "direct": false is not supported in Buildpack API 0.10`},
		{"launch at the top level", `printf 'launch = true\n' > "$layers/l.toml"`, "", fail.Build, `l.toml: key "launch" is not supported at the top level: put it under [types]`},
		{"two defaults", `printf '[[processes]]\ntype = "a"\ncommand = ["x"]\ndefault = true\n[[processes]]\ntype = "b"\ncommand = ["x"]\ndefault = true\n' > "$layers/launch.toml"`, "", fail.Build, "default"},
		{"unmet that was not asked", `printf '[[unmet]]\nname = "x"\n' > "$layers/build.toml"`, "", fail.Build, `"x"`},
		{"layer.toml", `printf '[types]\nlaunch = "yes"\n' > "$layers/l.toml"`, "", fail.Build, "l.toml"},
		{"SBOM that is not announced", `echo '{}' > "$layers/launch.sbom.cdx.json"`, "", fail.Build, "sbom-formats"},
		{"SBOM that is", `echo '{}' > "$layers/launch.sbom.cdx.json"`, `sbom-formats = ["application/vnd.cyclonedx+json"]`, fail.Success, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorkshop(t, lifecycletest.Module{ID: "acme/app", Version: "1", Head: test.head, Files: script(test.body)})
			_, err := w.builder(t, "0.12").Run(t.Context())
			if fail.CodeOf(err) != test.code || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got code %d: %v", fail.CodeOf(err), err)
			}
		})
	}
}

// TestLaunchPerBuildpackAPI: what each version takes of a process, and what it refuses as a mistake.
func TestLaunchPerBuildpackAPI(t *testing.T) {
	for _, v := range []string{"0.7", "0.8", "0.9", "0.10", "0.11", "0.12"} {
		list := v != "0.7" && v != "0.8"
		command, other, form := `["x"]`, `"x"`, "a list of strings"
		if !list {
			command, other, form = other, command, "a string"
		}
		process := func(rest string) string {
			return "printf '[[processes]]\ntype = \"a\"\n" + rest + "' > \"$layers/launch.toml\""
		}
		for _, tt := range []struct{ body, want string }{
			{process("command = " + other + `\n`), "launch.toml: key \"processes\", element 1: process \"a\": key \"command\" must be " + form + " in Buildpack API " + v},
			{process("command = " + command + `\ndirect = false\n`), `key "direct": false is not supported in Buildpack API ` + v},
			{`printf 'launch = true\n' > "$layers/l.toml"`, `l.toml: key "launch" is not supported at the top level: put it under [types]`},
			{process("command = " + command + `\nworking-dir = "/elsewhere"\n`), ""},
		} {
			if !list && strings.Contains(tt.want, "direct") {
				tt.want = ""
			}
			w := newWorkshop(t, lifecycletest.Module{ID: "acme/app", Version: "1", API: v, Files: script(tt.body)})
			got, err := w.builder(t, "0.15").Run(t.Context())
			switch {
			case tt.want != "":
				if fail.CodeOf(err) != fail.Build || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: code %d: %v, want %s", v, fail.CodeOf(err), err, tt.want)
				}
			case err != nil:
				t.Errorf("%s: %v", v, err)
			case strings.Contains(tt.body, "working-dir"):
				if dir := got.Processes[0].WorkingDir; (dir == "/elsewhere") != (v != "0.7") {
					t.Errorf("%s: the working directory is %q", v, dir)
				}
			}
		}
	}
}

// TestErrorExplainsFailedStart names what is missing where the kernel only says "no such file or directory".
func TestErrorExplainsFailedStart(t *testing.T) {
	for name, tt := range map[string]struct {
		content, want string
		code          fail.Code
	}{
		"interpreter":            {"#!/no/such/bash\n", "bin/build, /no/such/bash, does not exist", fail.BuildBuildpack},
		"carriage return":        {"#!/bin/sh\r\n", `bin/build ends in \r; save it with Unix line endings`, fail.BuildBuildpack},
		"carriage return of env": {"#!/usr/bin/env sh\r\n", `bin/build ends in \r; save it with Unix line endings`, fail.BuildBuildpack},
		"interpreter of env":     {"#!/usr/bin/env no-such-bash\n", "exit status 127: the interpreter of ", fail.BuildBuildpack},
	} {
		w := newWorkshop(t, lifecycletest.Module{ID: "acme/app", Version: "1", Files: map[string]string{"bin/build": tt.content}})
		if _, err := w.builder(t, "0.12").Run(t.Context()); fail.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: code %d: %v", name, fail.CodeOf(err), err)
		}
	}
	w := newWorkshop(t, lifecycletest.Module{ID: "acme/app", Version: "1", Files: script("")})
	b := w.builder(t, "0.12")
	b.Host.App = filepath.Join(t.TempDir(), "gone")
	if _, err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the working directory "+b.Host.App+" does not exist") {
		t.Errorf("no app directory: %v", err)
	}
}

func TestUnsupportedBuildpack(t *testing.T) {
	w := newWorkshop(t, lifecycletest.Module{ID: "acme/app", Version: "1", API: "0.6", Files: script("")})
	if _, err := w.builder(t, "0.12").Run(t.Context()); fail.CodeOf(err) != fail.BuildpackAPI || !strings.Contains(err.Error(), "acme/app@1") {
		t.Errorf("got code %d: %v", fail.CodeOf(err), err)
	}
}

// TestCancellationKillsTheBuildpack cancels a build whose buildpack does not listen to SIGTERM and has a child of its own.
func TestCancellationKillsTheBuildpack(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "started")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorkshop(t, lifecycletest.Module{ID: "acme/app", Version: "1", Files: script(`
sleep 1000 &
trap 'echo asked > "$layers/asked"' TERM
echo "$$ $!" > ` + pipe + `
while :; do sleep 0.05; done`)})
	b := w.builder(t, "0.12")
	b.Host.Grace = 200 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	processes := map[string]int{}
	started := make(chan error, 1)
	go func() {
		defer cancel()
		started <- func() error {
			pids, err := os.ReadFile(pipe)
			if err != nil {
				return err
			}
			for i, name := range []string{"self", "child"} {
				pid, err := strconv.Atoi(strings.Fields(string(pids))[i])
				if err != nil {
					return err
				}
				if processes[name], err = unix.PidfdOpen(pid, 0); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	if _, err := b.Run(ctx); err == nil {
		t.Error("a build that was stopped succeeded")
	}
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if got := read(t, w.path("layers/acme_app/asked")); got != "asked\n" {
		t.Errorf("SIGTERM was not passed on: %q", got)
	}
	for name, process := range processes {
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}, 10_000); n != 1 { // a signal takes a moment
			_ = unix.PidfdSendSignal(process, unix.SIGKILL, nil, 0)
			t.Errorf("%s is still there: %v", name, err)
		}
		_ = unix.Close(process)
	}
}

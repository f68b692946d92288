//go:build e2e && linux

package apply_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/extensions/apply"
)

// isolated are the ways with a root of its own.
var isolated = ways[1:]

// Each command is a way out, and has to fail or show nothing. They run as root in
// an isolated root, in a container with docker's default capabilities, and in one
// that may make namespaces.
var attempts = []struct{ name, command, forbidden string }{
	{"the platform's directories", `ls -d /layers/result* /kaniko/base.tar /workspace/secret /cnb/lifecycle /platform 2>&1; true`, "/kaniko/base.tar\n"},
	{"files of the application", `cat /workspace/secret; true`, "secret of the app"},
	{"the container's files", `ls /.dockerenv && echo seen; true`, "seen"},
	{"the environment", `env`, "secret"},
	{"the parent's environment", `cat /proc/*/environ 2>/dev/null | tr '\0' '\n'; true`, "secret"},
	{"the parent's root", `for p in /proc/[0-9]*; do ls $p/root/cnb/lifecycle; ls $p/cwd/cnb/lifecycle; done 2>/dev/null; true`, "applier"},
	{"open descriptors", `/attack fds`, "leaked"},
	{"a second chroot", `/attack chroot`, "escaped"},
	{"device nodes", `mknod /tmp/disk b 8 0 && echo made; mknod /tmp/mem c 1 1 && echo made; true`, "made"},
	{"tracing the parent", `/attack ptrace`, "traced"},
	{"the parent's program", `/attack exe`, "opened"},
	{"reading the parent's memory", `/attack memory`, "read"},
	{"raw sockets", `/attack raw`, "opened"},
	{"capabilities again", `/attack capabilities`, "regained"},
	{"file handles", `/attack handle`, "opened"},
	{"system calls of the program that started it", `/attack calls`, "answered"},
	{"mounts", `mount -t tmpfs none /mnt 2>/dev/null && echo mounted; mount -o bind / /tmp 2>/dev/null && echo mounted; true`, "mounted"},
	{"settings of the machine", `echo x > /proc/sys/kernel/hostname && echo written; echo core > /proc/sys/kernel/core_pattern && echo written; true`, "written"},
	{"a way up", `cd /; cd ../../../../..; ls -d cnb/lifecycle kaniko 2>/dev/null; ls -d /../../cnb/lifecycle 2>/dev/null; true`, "lifecycle"},
}

func TestIsolation(t *testing.T) {
	d := newDaemon(t)
	alpine := d.alpine()
	attack := compiled(t, "./testdata/attack")
	for _, w := range isolated {
		t.Run(w.name, func(t *testing.T) {
			d := *d
			d.t = t
			app := t.TempDir()
			program, err := os.ReadFile(attack)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(app, "attack"), program, 0o755); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(app, "secret"), "secret of the app")
			var text strings.Builder
			text.WriteString("ARG base_image\nFROM ${base_image}\nUSER root\nCOPY attack /attack\n")
			for i, a := range attempts {
				text.WriteString("RUN echo '<" + string(rune('A'+i)) + ">'; " + a.command + "\n")
			}
			text.WriteString("USER 1000:1000\n")
			r, output := w.run(&d, alpine, app, text.String())
			if r.Error != "" {
				t.Fatalf("%s\n%s", r.Error, output)
			}
			for i, a := range attempts {
				_, part, ok := strings.Cut(output+"\n", "<"+string(rune('A'+i))+">\n")
				part, _, _ = strings.Cut(part, "\n<")
				if !ok || strings.Contains(part+"\n", a.forbidden) {
					t.Errorf("%s: got out\n%s", a.name, part)
				}
			}
			for _, l := range r.Layers {
				for _, name := range namesIn(t, l) {
					if skipped(strings.TrimSuffix(name, "/")) || name == "aside-hosts" {
						t.Errorf("%s landed in a layer", name)
					}
				}
			}
		})
	}
}

// The attack has to get somewhere where it may: otherwise the test shows nothing.
func TestAttacksSucceedWithoutIsolation(t *testing.T) {
	d := newDaemon(t)
	alpine := d.alpine()
	attack := compiled(t, "./testdata/attack")
	for what, want := range map[string]string{"chroot": "escaped", "ptrace": "traced", "memory": "read", "raw": "opened", "fds": "leaked", "exe": "opened"} {
		script := "/attack " + what
		if what == "fds" {
			script += " 7</"
		}
		out := d.docker(nil, "run", "--rm", "--user=0:0", "--security-opt=seccomp=unconfined", "--cap-add=SYS_PTRACE", "-v", attack+":/attack:ro", alpine.ref, "sh", "-c", script+"; true")
		if !strings.Contains(out, want) {
			t.Errorf("%s: got %q, want %s", what, out, want)
		}
	}
}

func namesIn(t *testing.T, file string) (names []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

// here is an applier of this process, which is root, with an isolated root of busybox.
func here(t *testing.T) (*apply.Applier, *bytes.Buffer) {
	t.Helper()
	d := &daemon{t: t, dir: t.TempDir()}
	file := d.alpineTar()
	var out bytes.Buffer
	return &apply.Applier{
		Root:  apply.Root{Dir: filepath.Join(t.TempDir(), "root"), Layers: []func() (io.ReadCloser, error){func() (io.ReadCloser, error) { return os.Open(file) }}},
		Spool: t.TempDir(), App: t.TempDir(), Stdout: &out, Stderr: &out,
	}, &out
}

func runFile(t testing.TB, text string) []*extensions.Dockerfile {
	t.Helper()
	d, err := extensions.Parse("generated/ext/run.Dockerfile", []byte("ARG base_image\nFROM ${base_image}\n"+text), extensions.Run)
	if err != nil {
		t.Fatal(err)
	}
	return []*extensions.Dockerfile{d}
}

func TestFailingCommands(t *testing.T) {
	for _, c := range []struct {
		run, want string
		code      int
	}{
		{"RUN echo out; echo err >&2; exit 7", "exit code 7", 7},
		{"RUN kill -9 $$", "ended by signal 9", 137},
		{`RUN ["no-such-program"]`, "no-such-program: not found in PATH", 127},
		{`RUN ["/no/such/program"]`, "/no/such/program", 126},
		{`RUN ["/etc/passwd"]`, "/etc/passwd", 126},
		{`SHELL ["/no/shell"]` + "\nRUN x", "/no/shell", 126},
		{"USER nobody-here\nRUN x", "nobody-here", 0},
		{"RUN <<EOF\n#!/no/interpreter\nEOF", "exit code 127", 127},
		{`RUN printf '#!/bin/env sh\r\n' > /x && chmod +x /x` + "\n" + `RUN ["/x"]`, `exit code 127: the first line of /x ends in \r`, 127},
	} {
		a, out := here(t)
		_, err := a.Apply(t.Context(), runFile(t, "# comment\n"+c.run+"\n"), v1.Config{User: "0:0"})
		e, ok := errors.AsType[*apply.Error](err)
		if !ok || !strings.Contains(err.Error(), c.want) || e.ExitCode != c.code || e.Path != "generated/ext/run.Dockerfile" || e.Line < 4 || e.Line > 5 || !strings.HasPrefix(e.Instruction, "RUN") {
			t.Errorf("%s: got %v, %+v", c.run, err, e)
		}
		if c.code == 7 && out.String() != "out\nerr\n" {
			t.Errorf("output %q", out)
		}
	}
}

func TestInlineFiles(t *testing.T) {
	a, out := here(t)
	_, err := a.Apply(t.Context(), runFile(t, `ARG who=you
RUN <<EOF
echo "shell for $who"
exit_code=3
echo $((exit_code + 1))
EOF
RUN <<EOF
#!/bin/busybox sh
echo "script $0"
EOF
RUN cat <<A >/x && cat /x - <<B
one
A
two $who
B
USER 1000
RUN <<EOF
#!/bin/sh
id -u
EOF
`), v1.Config{User: "0:0"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "shell for you\n4\nscript /dev/pipes/EOF\none\ntwo you\n1000\n"; out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// Cancelled, a command ends with everything that it started, and soon.
func TestCancellation(t *testing.T) {
	for name, command := range map[string]string{
		"a command that obeys":        "sleep 1001",
		"one that does not":           "trap '' TERM INT; while :; do sleep 1001; done",
		"with others in new sessions": "setsid sh -c 'trap \"\" TERM; sleep 1001; sleep 1001' & setsid sleep 1001 & sleep 1001",
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := here(t)
			started, w := io.Pipe()
			a.Stdout = w
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				buf := make([]byte, 1)
				io.ReadFull(started, buf)
				cancel()
				io.Copy(io.Discard, started)
			}()
			_, err := a.Apply(ctx, runFile(t, "RUN echo started; "+command+"\n"), v1.Config{User: "0:0"})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			out, _ := exec.Command("pgrep", "-f", "^sleep 1001").Output()
			for field := range strings.FieldsSeq(string(out)) {
				pid, err := strconv.Atoi(field)
				if err != nil {
					t.Fatal(err)
				}
				process, err := unix.PidfdOpen(pid, 0)
				if err != nil {
					continue // it has ended
				}
				if n, err := unix.Poll([]unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}, 5_000); n != 1 {
					t.Errorf("left running: %d, %v", pid, err)
				}
				_ = unix.Close(process)
			}
		})
	}
}

// What a container may do decides how it is isolated, but not what comes of it.
func TestNetworkFilesAreRestored(t *testing.T) {
	d := newDaemon(t)
	alpine := d.alpine()
	for _, w := range isolated {
		t.Run(w.name, func(t *testing.T) {
			d := *d
			d.t = t
			r, output := w.run(&d, alpine, t.TempDir(), `ARG base_image
FROM ${base_image}
USER root
RUN cat /etc/hosts; echo mine >> /etc/hosts; echo mine >> /etc/resolv.conf
RUN cat /etc/hosts /etc/resolv.conf
RUN echo x > /etc/own
COPY . /etc/
RUN rm -f /etc/resolv.conf; ln -s /etc/passwd /etc/resolv.conf
RUN cat /etc/hosts /etc/resolv.conf
USER 1000:1000
`)
			if r.Error != "" {
				t.Fatalf("%s\n%s", r.Error, output)
			}
			if strings.Contains(output, "of the image") || strings.Contains(output, "mine") || strings.Contains(output, "root:x:0") {
				t.Errorf("got\n%s", output)
			}
			// The last time it is the command itself that changed the directory.
			want := []string{"etc/ etc/own", "etc/"}
			var got []string
			for _, l := range r.Layers {
				got = append(got, strings.Join(namesIn(t, l), " "))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrorExplainsMissingProc(t *testing.T) {
	d := newDaemon(t)
	r, _ := isolated[0].run(d, d.alpine(), t.TempDir(), "ARG base_image\nFROM ${base_image}\nUSER root\nRUN cat /proc/self/status\n")
	if !strings.Contains(r.Error, "the isolated root has no /proc") || !strings.Contains(r.Error, "exit code 1") {
		t.Errorf("got %s", r.Error)
	}
	r, _ = isolated[1].run(d, d.alpine(), t.TempDir(), "ARG base_image\nFROM ${base_image}\nUSER root\nRUN cat /proc/self/status; exit 3\n")
	if strings.Contains(r.Error, "has no /proc") || !strings.Contains(r.Error, "exit code 3") {
		t.Errorf("got %s", r.Error)
	}
}

// A second build with the same inputs executes nothing, in place and isolated.
func TestCachedCommands(t *testing.T) {
	a, out := here(t)
	a.Cache, a.Digest = t.TempDir(), "sha256:x"
	dir, generated := t.TempDir(), 0
	text := "RUN echo executed > /x; echo executed\nUSER app\n"
	once := func(want int) *apply.Result {
		t.Helper()
		generated++
		a.Root.Dir = filepath.Join(dir, string(rune('a'+generated)))
		out.Reset()
		r, err := a.Apply(t.Context(), runFile(t, text), v1.Config{User: "0:0"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Executed != want || strings.Count(out.String(), "executed\n") != want {
			t.Errorf("%d executed, want %d; output %q", r.Executed, want, out)
		}
		return r
	}
	first := once(1)
	again := once(0)
	if got, want := id(t, again.Layers[0]), id(t, first.Layers[0]); got != want {
		t.Errorf("layer %s, want %s", got, want)
	}
	if _, err := os.Stat(a.Root.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("the image was unpacked although all layers were there")
	}
	text = "ARG build_id=0\n" + text
	once(0) // it is in the environment, but nothing refers to it
	text = strings.Replace(text, "echo executed\n", "echo executed ${build_id} >/y; echo executed\n", 1)
	once(1)
	once(1)
	text += "RUN echo executed\n"
	once(2)
	once(2)
}

func id(t *testing.T, l v1.Layer) string {
	t.Helper()
	h, err := l.DiffID()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// Its programs that are root's own would be within the reach of others, were the
// directory open to them.
func TestIsolatedRootIsClosed(t *testing.T) {
	a, _ := here(t)
	if _, err := a.Apply(t.Context(), runFile(t, "RUN true\nUSER 1\nRUN ls /etc/passwd\n"), v1.Config{User: "0:0"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(a.Root.Dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := a.Apply(t.Context(), runFile(t, "RUN true\n"), v1.Config{User: "0:0"}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a directory that is in use: %v", err)
	}
}

// What a container may not do is told apart from other errors.
func TestNotPermittedInContainers(t *testing.T) {
	d := newDaemon(t)
	alpine := d.alpine()
	text := "ARG base_image\nFROM ${base_image}\nUSER root\nRUN true\nUSER 1000\n"
	for _, c := range []struct {
		dir, option string
	}{
		{"/layers/root", "--user=1000:1000"}, {"/", "--user=1000:1000"}, {"/layers/root", "--cap-drop=SYS_CHROOT"}, {"/layers/root", "--cap-drop=SETPCAP"}, {"/layers/root", "--cap-drop=MKNOD"},
	} {
		r, output := d.apply(alpine, t.TempDir(), text, c.dir, c.option)
		if r.Code != "not-permitted" {
			t.Errorf("%s %s: got %+v\n%s", c.dir, c.option, r, output)
		}
	}
	// Nothing to execute needs no rights, and a command in place no more than it takes itself.
	if r, output := d.apply(alpine, t.TempDir(), "ARG base_image\nFROM ${base_image}\nLABEL a=b\n", "/", "--user=1000:1000"); r.Error != "" {
		t.Errorf("%s\n%s", r.Error, output)
	}
	if r, output := d.apply(alpine, t.TempDir(), text, "/", "--cap-drop=ALL"); r.Error != "" {
		t.Errorf("%s\n%s", r.Error, output)
	}
	if r, _ := d.apply(alpine, t.TempDir(), "ARG base_image\nFROM ${base_image}\nUSER root\n", "/"); r.Code != "root-user" {
		t.Errorf("got %+v", r)
	}
}

// In place, a second build takes its files from the cache: in a new container, which
// knows nothing of the first, nothing is executed but what is new.
func TestCachedInPlace(t *testing.T) {
	d := newDaemon(t)
	alpine := d.alpine()
	for _, d.kind = range []extensions.ImageKind{extensions.Build, extensions.Run} {
		d.cache = t.TempDir()
		text := "ARG base_image\nFROM ${base_image}\nUSER root\nRUN echo executed; rm /opt/kept/a; rm -r /opt/kept/deep; ln -s b /opt/kept/l; mkdir -m 1777 /shared\nRUN echo executed; ln /opt/kept/b /opt/kept/c\n"
		last := "USER 1000:1000\n"
		first, output := d.apply(alpine, t.TempDir(), text+last, "/")
		if first.Executed != 2 || strings.Count(output, "executed") != 2 {
			t.Fatalf("%+v\n%s", first, output)
		}
		again, output := d.apply(alpine, t.TempDir(), text+last, "/")
		if again.Executed != 0 || strings.Contains(output, "executed") || len(again.Layers) != 2 {
			t.Errorf("%s: %+v\n%s", d.kind, again, output)
		}
		check := "RUN ! test -e /opt/kept/a && ! test -e /opt/kept/deep && test /opt/kept/l -ef /opt/kept/c && stat -c %a /shared | grep -q 1777 && grep -q b /opt/kept/b\n"
		more, output := d.apply(alpine, t.TempDir(), text+check+last, "/")
		if more.Executed != 1 || strings.Contains(output, "executed") {
			t.Errorf("%s: %+v\n%s", d.kind, more, output)
		}
	}
}

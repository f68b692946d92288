//go:build e2e && linux

package apply_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// program builds a command of testdata into a build context.
func program(t *testing.T, name string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), "./testdata/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	return dir
}

// TestSandboxedKernel: what works in an isolated root but not in a sandbox is what docs/sandbox.md says, and what it
// says to work in neither does not.
func TestSandboxedKernel(t *testing.T) {
	d := newDaemon(t)
	alpine := d.alpine()
	text := "ARG base_image\nFROM ${base_image}\nUSER root\nRUN mkdir /mnt\nCOPY kernel /kernel\nRUN /kernel\nUSER 1000:1000\n"
	var works [2]map[string]bool
	for i, w := range isolated[1:] {
		r, output := w.run(d, alpine, program(t, "kernel"), text)
		if r.Error != "" {
			t.Fatalf("%s: %s\n%s", w.name, r.Error, output)
		}
		works[i] = map[string]bool{}
		for line := range strings.Lines(output) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "works: "); ok {
				works[i][name] = true
			}
		}
	}
	var got []string
	for name := range works[0] {
		if !works[1][name] {
			got = append(got, name)
		}
	}
	page, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| what | instead |\n|---|---|\n")
	table, neither, _ := strings.Cut(table, "\n\n")
	var want []string
	for line := range strings.Lines(table) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		want = append(want, strings.ReplaceAll(name, "`", ""))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what does not work in the sandbox (-docs +tried):\n%s", diff)
	}
	for _, name := range []string{"device nodes", "mounts", "raw sockets", "packet sockets", "kernel modules", "perf", "fanotify", "userfaultfd"} {
		if works[0][name] || works[1][name] || !strings.Contains(neither, name) {
			t.Errorf("%s: works isolated: %t, in a sandbox: %t; docs/sandbox.md has to say that it works in neither", name, works[0][name], works[1][name])
		}
	}
}

// TestSandboxLimits: whatever a command exhausts, the program that started the sandbox goes on and says what failed.
func TestSandboxLimits(t *testing.T) {
	d := newDaemon(t)
	alpine := d.alpine()
	for _, c := range []struct {
		name, command, want string
		disk, memory        int64
		timeout             time.Duration
		options             []string
	}{
		{name: "time", command: "trap '' TERM; setsid sleep 1000 & while :; do sleep 1000; done", want: "deadline exceeded", timeout: 5 * time.Second},
		{name: "disk", command: "dd if=/dev/zero of=/big bs=1M count=300", want: "exit code 1", disk: 100 << 20},
		{name: "disk in many files", command: "mkdir /many; i=0; while dd if=/dev/zero of=/many/$i bs=1M count=10; do i=$((i+1)); done 2>&1 | grep -m1 'No space'; exit 3", want: "exit code 3", disk: 100 << 20},
		{name: "memory", command: "dd if=/dev/zero of=/dev/null bs=300M count=100", want: "more than 104857600 bytes of memory", memory: 100 << 20},
		{name: "files", command: "mkdir /many; i=0; while : > /many/$i; do i=$((i+1)); done 2>/dev/null; exit 3", want: "more than 157286400 bytes of memory", memory: 150 << 20},
		{name: "layers", command: "dd if=/dev/zero of=/a bs=1M count=70\nRUN rm /a && dd if=/dev/zero of=/b bs=1M count=70\nRUN rm /b && dd if=/dev/zero of=/c bs=1M count=70", want: "the layers exceed the limit", disk: 200 << 20},
		{name: "processes", command: "f() { f | f & }; f; wait; exit 3", want: "line 4: RUN f()", options: []string{"--pids-limit=300"}},
		{name: "signals", command: "trap '' TERM; kill -TERM -1; kill -9 1; kill -9 $PPID; exit 3", want: "line 4: RUN trap"}, // the kernel of a sandbox lets a command kill the first process
	} {
		t.Run(c.name, func(t *testing.T) {
			d := *d
			d.t, d.disk, d.memory, d.timeout = t, c.disk, c.memory, c.timeout
			options := append(append([]string{"--network=none"}, unprivileged...), c.options...)
			r, output := d.apply(alpine, t.TempDir(), "ARG base_image\nFROM ${base_image}\nUSER root\nRUN "+c.command+"\nUSER 1000:1000\n", inSandbox, options...)
			if r.Code == "no-sandbox" || !strings.Contains(r.Error, c.want) {
				t.Errorf("got %q, want %q\n%s", r.Error, c.want, output)
			}
		})
	}
}

// TestSandboxWithoutNetwork: commands have no network, and neither has ADD.
func TestSandboxWithoutNetwork(t *testing.T) {
	d := newDaemon(t)
	d.noNetwork = true
	alpine := d.alpine()
	const head = "ARG base_image\nFROM ${base_image}\nUSER root\n"
	options := append([]string{"--network=host"}, unprivileged...)
	server := httptest.NewServer(http.FileServerFS(os.DirFS(t.TempDir())))
	defer server.Close()
	host, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	r, output := d.apply(alpine, t.TempDir(), head+"RUN if echo | nc -w 2 "+host+" "+port+"; then echo connected; fi\nUSER 1000:1000\n", inSandbox, options...)
	if r.Error != "" || strings.Contains(output, "connected") {
		t.Errorf("%s\n%s", r.Error, output)
	}
	if r, _ := d.apply(alpine, t.TempDir(), head+"ADD "+server.URL+" /x\n", inSandbox, options...); !strings.Contains(r.Error, "the network is disabled") {
		t.Errorf("ADD: got %q", r.Error)
	}
	// With docker's default capabilities, no network namespace can be made.
	if r, _ := d.apply(alpine, t.TempDir(), head+"RUN true\nUSER 1000:1000\n", "/layers/root"); r.Code != "not-permitted" {
		t.Errorf("an isolated root: got %+v", r)
	}
	// With namespaces it can.
	r, output = isolated[1].run(d, alpine, t.TempDir(), head+"RUN if echo | nc -w 2 "+host+" "+port+"; then echo connected; fi\nUSER 1000:1000\n")
	if r.Error != "" || strings.Contains(output, "connected") {
		t.Errorf("an isolated root with namespaces: %s\n%s", r.Error, output)
	}
}

// TestNoSandbox says why a sandbox does not work.
func TestNoSandbox(t *testing.T) {
	d := newDaemon(t)
	options := append([]string{"--security-opt=seccomp=" + withoutPtrace(t)}, unprivileged...)
	r, output := d.apply(d.alpine(), t.TempDir(), "ARG base_image\nFROM ${base_image}\nUSER root\nRUN true\nUSER 1000:1000\n", inSandbox, options...)
	if r.Code != "no-sandbox" || !strings.Contains(r.Error, "operation not permitted") || !strings.Contains(r.Error, "a seccomp profile that permits ptrace") || strings.Contains(r.Error, "goroutine") {
		t.Errorf("got %+v\n%s", r, output)
	}
}

// withoutPtrace is a profile for docker that forbids ptrace alone.
func withoutPtrace(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "profile.json")
	writeFile(t, file, `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}]}`)
	return file
}

// TestSandboxCache: a second build takes its layers from the cache outside, and executes only what is new.
func TestSandboxCache(t *testing.T) {
	d := newDaemon(t)
	alpine := d.alpine()
	d.cache = t.TempDir()
	giveTo(t, 12345, d.cache)
	text := "ARG base_image\nFROM ${base_image}\nUSER root\nRUN echo executed; rm /opt/kept/a; echo x > /x\nRUN --mount=type=cache,target=/var/cache/x echo executed; ls /var/cache/x; touch /var/cache/x/kept\nRUN --mount=type=cache,target=/var/cache/x test -e /var/cache/x/kept && touch /var/cache/x/twice\n"
	last := "USER app\n"
	first, output := d.apply(alpine, t.TempDir(), text+last, inSandbox, unprivileged...)
	if first.Error != "" || first.Executed != 3 || strings.Count(output, "executed") != 2 || strings.Contains(output, "kept") {
		t.Fatalf("%+v\n%s", first, output)
	}
	again, output := d.apply(alpine, t.TempDir(), text+last, inSandbox, unprivileged...)
	if again.Executed != 0 || strings.Contains(output, "executed") {
		t.Errorf("%+v\n%s", again, output)
	}
	for i := range again.Layers {
		if got, want := namesIn(t, again.Layers[i]), namesIn(t, first.Layers[i]); !slices.Equal(got, want) {
			t.Errorf("layer %d: %q, want %q", i, got, want)
		}
	}
	d.debug = true
	more, output := d.apply(alpine, t.TempDir(), text+"RUN --mount=type=cache,target=/var/cache/x cat /x; ls /var/cache/x; test -e /var/cache/x/twice && ! test -e /opt/kept/a\n"+last, inSandbox, unprivileged...)
	if more.Error != "" || more.Executed != 1 || !strings.Contains("\n"+output, "\nkept\n") || strings.Contains(output, "does not unpack") {
		t.Errorf("%+v\n%s", more, output)
	}
}

// TestSandboxCacheOfAnotherUser: what cannot be stored in the cache is in the image nevertheless.
func TestSandboxCacheOfAnotherUser(t *testing.T) {
	d := newDaemon(t)
	d.cache, d.debug = t.TempDir(), true
	r, output := d.apply(d.alpine(), t.TempDir(), "ARG base_image\nFROM ${base_image}\nUSER root\nRUN echo x > /x\nRUN echo y > /y\nUSER 1000:1000\n", inSandbox, unprivileged...)
	if r.Error != "" || len(r.Layers) != 2 || !strings.Contains(output, "permission denied") {
		t.Errorf("%+v\n%s", r, output)
	}
}

// TestAttributesOfUnchangedFiles: a file that gets an attribute, and nothing else, is part of the layer.
func TestAttributesOfUnchangedFiles(t *testing.T) {
	d := newDaemon(t)
	alpine := d.alpine()
	for _, w := range isolated {
		r, output := w.run(d, alpine, program(t, "kernel"), "ARG base_image\nFROM ${base_image}\nUSER root\nCOPY kernel /kernel\nRUN /kernel attribute /opt/one\nUSER 1000:1000\n")
		if r.Error != "" || len(r.Layers) != 2 {
			t.Fatalf("%s: %+v\n%s", w.name, r, output)
		}
		if got := namesIn(t, r.Layers[1]); !slices.Equal(got, []string{"opt/", "opt/one", "opt/two"}) {
			t.Errorf("%s: the layer has %q", w.name, got)
		}
	}
}

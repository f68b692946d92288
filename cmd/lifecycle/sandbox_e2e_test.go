//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// unprivileged are containers in which the creator may not use an isolated root.
var unprivileged = []struct {
	name, user string
	options    []string
}{
	{"the CNB user", "1000:1000", nil},
	{"another user without capabilities", "12345:0", []string{"--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--tmpfs=/tmp"}},
}

// inSandbox builds with a creator that has no privileges, and publishes.
func (s *stage) inSandbox(t *testing.T, user string, options ...string) platformtest.Built {
	t.Helper()
	s.Cache, s.LaunchCache, s.Kaniko = "", "", ""
	s.API, s.Publish, s.Name = "0.12", true, s.site.repository+"/app:sandbox"
	s.User, s.Options = user, options
	s.forget()
	return s.Creator(platformtest.Files{"main.sh": ""})
}

// filesOfRunImage are those of the app image outside of /layers, where the API and the platform
// leave traces.
func (s *stage) filesOfRunImage() string {
	s.T.Helper()
	return strings.Join(slices.DeleteFunc(strings.Split(s.tree(), "\n"), func(line string) bool {
		return strings.Contains(line, " /layers/") || strings.HasPrefix(line, "/layers/")
	}), "\n")
}

// TestExtendWithoutPrivileges extends a run image as users and in containers that may do nothing:
// the app image has the same files as that of a platform that runs an extender as root.
func TestExtendWithoutPrivileges(t *testing.T) {
	t.Parallel()
	s := newStage(t, "curl:launch,php:launch", "curl", "php")
	s.RunImage = s.run("plain", "")
	s.five(t, extended)
	want := s.filesOfRunImage()
	for _, c := range unprivileged {
		t.Run(c.name, func(t *testing.T) {
			b := built(t, s.inSandbox(t, c.user, c.options...))
			s.Do(nil, "pull", "-q", s.Name)
			s.prints(t, "/usr/bin/curl\nno tree")
			if diff := gocmp.Diff(want, s.filesOfRunImage()); diff != "" {
				t.Errorf("the files differ (-five phases +sandbox):\n%s\n%s", diff, b.Log)
			}
		})
	}
	t.Run("root asks for it", func(t *testing.T) {
		s.Env = []string{"CNB_EXTEND_IN_CREATOR=sandbox"}
		defer func() { s.Env = nil }()
		built(t, s.inSandbox(t, ""))
		s.Do(nil, "pull", "-q", s.Name)
		if diff := gocmp.Diff(want, s.filesOfRunImage()); diff != "" {
			t.Errorf("the files differ (-five phases +sandbox):\n%s", diff)
		}
	})
	for _, c := range []struct {
		name, how, text string
		options         []string
	}{
		{"never", "never", "CNB_EXTEND_IN_CREATOR is never", nil},
		{"root alone", "root", "requires root", nil},
		{"ptrace is forbidden", "auto", "a seccomp profile that permits ptrace", []string{"--security-opt=seccomp=" + withoutPtrace(t)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.Env = []string{"CNB_EXTEND_IN_CREATOR=" + c.how}
			defer func() { s.Env = nil }()
			b := s.inSandbox(t, "1000:1000", c.options...)
			if b.Exit != 22 || b.Has("BUILDING") || !b.Has("e2e/curl@1.0.0 has to extend the run image") || !b.Has("has no curl") || !b.Has(c.text) {
				t.Errorf("exit code %d\n%s", b.Exit, b.Log)
			}
		})
	}
}

// withoutPtrace is a profile for docker that forbids ptrace alone.
func withoutPtrace(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "seccomp.json")
	if err := os.WriteFile(file, []byte(`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSandboxAfterASwitch extends the image that an extension switched to.
func TestSandboxAfterASwitch(t *testing.T) {
	t.Parallel()
	s := newStage(t, "other:launch,curl:launch", "swap", "curl")
	s.RunImage = s.run("plain", "")
	s.run("switched", "RUN echo switched > /etc/switched")
	built(t, s.inSandbox(t, "12345:0", unprivileged[1].options...))
	s.Do(nil, "pull", "-q", s.Name)
	if got := s.site.entrypoint(s.Name, "cat", "/etc/switched"); !strings.Contains(got, "switched") {
		t.Errorf("got %q", got)
	}
	s.prints(t, "/usr/bin/curl\nno tree")
}

// TestSandboxedCommandFails reports the failure of a command as elsewhere.
func TestSandboxedCommandFails(t *testing.T) {
	t.Parallel()
	s := newStage(t, "failing:launch", "failing", "slow")
	s.RunImage = s.run("plain", "")
	b := s.inSandbox(t, "1000:1000")
	if b.Exit != 102 || !b.Has("about to fail") || !b.Has("line 4: RUN echo about to fail; exit 7: exit code 7") {
		t.Errorf("exit code %d\n%s", b.Exit, b.Log)
	}
	noexec := s.Do(nil, "volume", "create", "--opt=type=tmpfs", "--opt=device=tmpfs", "--opt=o=noexec,uid=1000,gid=1000")
	defer s.Try(nil, "volume", "rm", "-f", noexec)
	s.Before = func(string) { s.Layers = noexec }
	b = s.inSandbox(t, "1000:1000")
	if b.Exit != 102 || !b.Has("keeping the root file system of the sandbox in memory") || !b.Has("exit code 7") {
		t.Errorf("layers are mounted noexec: exit code %d\n%s", b.Exit, b.Log)
	}
	s.Before = nil
	s.interrupted(t)
}

// interrupted stops a creator while a command runs in the sandbox: it ends, and leaves no files.
func (s *stage) interrupted(t *testing.T) {
	t.Helper()
	volume, _, _ := strings.Cut(s.Mounts[0], ":")
	s.Put(volume, platformtest.Files{"env/E2E_REQUIRES": "slow:launch"})
	container := "e2e-slow-" + s.site.id
	go func() {
		for t.Context().Err() == nil {
			if log, _ := s.Try(nil, "logs", container); strings.Contains(log, "begins") {
				s.Try(nil, "kill", "--signal=TERM", container)
				return
			}
		}
	}()
	b := s.inSandbox(t, "1000:1000", "--name="+container)
	if b.Exit != 102 || !b.Has("terminated") {
		t.Errorf("exit code %d\n%s", b.Exit, b.Log)
	}
}

// TestSandboxIsolates runs an extension that looks for what it must not see.
func TestSandboxIsolates(t *testing.T) {
	t.Parallel()
	s := newStage(t, "spy:launch", "spy")
	s.RunImage = s.run("plain", "")
	s.Env = []string{`CNB_REGISTRY_AUTH={"registry.example":"Basic ` + "c2VjcmV0OnNlY3JldA==" + `"}`, "MY_secret=secret"}
	b := built(t, s.inSandbox(t, "1000:1000"))
	s.Do(nil, "pull", "-q", s.Name)
	if got := s.site.start(s.Name); !strings.HasSuffix(got, "no tree\ndone") {
		t.Errorf("the extension sees or may do too much: %q\n%s", got, b.Log)
	}
}

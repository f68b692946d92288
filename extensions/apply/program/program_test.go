package program_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/baseplan/baseplan/extensions/apply/program"
)

// TestExplain starts what cannot be started, and holds what is said of it.
func TestExplain(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		content string
		mode    fs.FileMode
		dir     string
		want    string
	}{
		"interpreter":   {"#!/no/such/bash -e\n", 0o755, "", "the interpreter of PATH, /no/such/bash, does not exist: no such file or directory"},
		"spaces":        {"#! \t/no/such/sh\t-e\n", 0o755, "", "the interpreter of PATH, /no/such/sh, does not exist: no such file or directory"},
		"cr":            {"#!/bin/sh\r\necho\r\n", 0o755, "", `the first line of PATH ends in \r; save it with Unix line endings: no such file or directory`},
		"not-x":         {"#!/bin/sh\n", 0o644, "", "PATH is not executable (-rw-r--r--): permission denied"},
		"no-x":          {"#!DIR/not-x\n", 0o755, "", "the interpreter of PATH, DIR/not-x, is not executable: permission denied"},
		"text":          {"hello\n", 0o755, "", "PATH has no #! line and is not a program for this machine: exec format error"},
		"elf":           {"\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 100), 0o755, "", "PATH was built for another architecture: exec format error"},
		"directory":     {"#!/bin/sh\n", 0o755, "/no/such/dir", "the working directory /no/such/dir does not exist: no such file or directory"},
		"not-directory": {"#!/bin/sh\n", 0o755, "DIR/text", "the working directory DIR/text is not a directory: not a directory"},
	} {
		path := filepath.Join(dir, name)
		fill := strings.NewReplacer("PATH", path, "DIR", dir).Replace
		for file, content := range map[string]string{path: tt.content, filepath.Join(dir, "not-x"): "#!/bin/sh\n", filepath.Join(dir, "text"): "hello\n"} {
			mode := fs.FileMode(0o755)
			if filepath.Base(file) == "not-x" {
				mode = 0o644
			}
			if err := errors.Join(os.WriteFile(file, []byte(fill(content)), mode), os.Chmod(file, mode)); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(path)
		cmd.Dir, cmd.SysProcAttr = fill(tt.dir), &syscall.SysProcAttr{Setpgid: true}
		cause := cmd.Run()
		err := program.Explain(cause, path, cmd.Dir)
		if err == nil || err.Error() != fill(tt.want) || !errors.Is(err, cause) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, fill(tt.want))
		}
	}
	missing := &fs.PathError{Op: "fork/exec", Path: "/no/such", Err: syscall.ENOENT}
	if err := program.Explain(missing, missing.Path, dir); !errors.Is(err, error(missing)) || err.Error() != missing.Error() {
		t.Errorf("got %v", err)
	}
	if program.Explain(nil, "/bin/sh", "") != nil {
		t.Error("an error of nothing")
	}
}

// TestNotStarted runs scripts that env cannot start, and some that it can.
func TestNotStarted(t *testing.T) {
	dir := t.TempDir()
	environ := []string{"PATH=/usr/bin:/bin"}
	for name, tt := range map[string]struct {
		content, want string
		exit          int
	}{
		"cr":            {"#!/usr/bin/env sh\r\n", `the first line of PATH ends in \r; save it with Unix line endings`, 127},
		"missing":       {"#!/usr/bin/env no-such-bash\n", "the interpreter of PATH, no-such-bash, is not in PATH (/usr/bin:/bin)", 127},
		"missing-path":  {"#! /usr/bin/env /no/such/bash\n", "the interpreter of PATH, /no/such/bash, does not exist", 127},
		"unsplit":       {"#!/usr/bin/env sh -e\n", "the interpreter of PATH, sh -e, is not in PATH (/usr/bin:/bin)", 127},
		"missing-split": {"#!/usr/bin/env -S A=b no-such-bash -e\n", "the interpreter of PATH, no-such-bash, is not in PATH (/usr/bin:/bin)", 127},
		"no-command":    {"#!/usr/bin/env sh\nno-such-command\n", "", 127},
		"its-own":       {"#!/bin/sh\nexit 126\n", "", 126},
		"by-path":       {"#!/usr/bin/env /bin/sh\nexit 127\n", "", 127},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tt.content), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path)
		cmd.Env, cmd.SysProcAttr = environ, &syscall.SysProcAttr{Setpgid: true}
		_ = cmd.Run()
		exit := cmd.ProcessState.ExitCode()
		if exit != tt.exit {
			t.Errorf("%s ended with %d, want %d", name, exit, tt.exit)
		}
		if got, want := program.NotStarted(exit, path, environ), strings.ReplaceAll(tt.want, "PATH,", path+","); got != strings.ReplaceAll(want, "of PATH ends", "of "+path+" ends") {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	if got := program.NotStarted(127, "/bin/sh", environ); got != "" {
		t.Errorf("a program that is no script: %s", got)
	}
}

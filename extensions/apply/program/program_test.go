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
		"cr":            {"#!/bin/sh\r\necho\r\n", 0o755, "", `the first line of PATH ends in \r: save it with Unix line ends: no such file or directory`},
		"not-x":         {"#!/bin/sh\n", 0o644, "", "PATH is not executable (-rw-r--r--): permission denied"},
		"no-x":          {"#!DIR/not-x\n", 0o755, "", "the interpreter of PATH, DIR/not-x, is not executable: permission denied"},
		"text":          {"hello\n", 0o755, "", "PATH has no #! line and is no program for this machine: exec format error"},
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

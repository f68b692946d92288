//go:build e2e

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// TestPodmanImage reads an image of podman by the socket of the user's service.
func TestPodmanImage(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "podman", "podman.sock")
	storage := []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"}
	podman := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "podman", append(storage, args...)...)
		cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
		return cmd
	}
	registry := lifecycletest.Registry()
	defer registry.Close()
	run := registry.Push("run:base", lifecycletest.Debian("curl"))
	if out, err := podman("pull", "--tls-verify=false", run).CombinedOutput(); err != nil {
		t.Fatalf("podman pull: %v\n%s", err, out)
	}
	registry.Close()
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	service := podman("system", "service", "--time=0", "unix://"+socket)
	service.Cancel = func() error { return service.Process.Signal(syscall.SIGTERM) }
	var log bytes.Buffer
	service.Stdout, service.Stderr = &log, &log
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = service.Process.Signal(syscall.SIGTERM)
		_ = service.Wait()
	}()
	for range 300 {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	env := map[string]string{"XDG_RUNTIME_DIR": dir, "HOME": dir}
	if _, err := os.Stat("/var/run/docker.sock"); err == nil { // docker's comes first
		env["DOCKER_HOST"] = "unix://" + socket
	}
	for args, want := range map[string]string{
		"sbom show docker://" + run:             "inventory  generated",
		"provides docker://" + run + " curl":    "yes",
		"sbom show docker://registry.example/x": "no such image",
	} {
		var out bytes.Buffer
		code := cli.Run(t.Context(), strings.Fields(args), &cli.Console{Out: &out, Err: &out, Getenv: func(name string) string { return env[name] }})
		if !strings.Contains(out.String(), want) || (code == cli.Enough) != (want != "no such image") {
			t.Errorf("baseplan %s: exit code %d\n%s\n%s", args, code, &out, &log)
		}
	}
	if out, err := podman("ps", "-aq", "--external").Output(); err != nil || len(out) > 0 {
		t.Errorf("containers are left: %s, %v", out, err)
	}
}

//go:build e2e

package attach

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// With tag e2e every test that runs on all registries runs on Debian's
// docker-registry too: distribution 2.8, which knows nothing of referrers.
func init() {
	registries["docker-registry"] = func() http.Handler { return dockerRegistry() }
	deleting["docker-registry"] = registries["docker-registry"]
}

var dockerRegistry = sync.OnceValue(func() http.Handler {
	binary, err := exec.LookPath("docker-registry")
	if err != nil {
		panic("docker-registry is not installed: apt-get install docker-registry")
	}
	if e2eDir, err = os.MkdirTemp("", "docker-registry-"); err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	config := filepath.Join(e2eDir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: info, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q}\n", filepath.Join(e2eDir, "data"), at)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		panic(err)
	}
	e2eProcess = exec.Command(binary, "serve", config)
	stderr, err := e2eProcess.StderrPipe()
	if err != nil {
		panic(err)
	}
	if err := e2eProcess.Start(); err != nil {
		panic(err)
	}
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if strings.Contains(lines.Text(), "listening on") {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: at})
		}
	}
	panic("docker-registry does not answer")
})

var (
	e2eDir     string
	e2eProcess *exec.Cmd
)

func TestMain(m *testing.M) {
	code := m.Run()
	if e2eProcess != nil {
		_ = e2eProcess.Process.Kill()
		_ = e2eProcess.Wait()
		_ = os.RemoveAll(e2eDir)
	}
	os.Exit(code)
}

package dockercontext_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/cmd/internal/dockercontext"
)

// config is a directory of docker's configuration.
type config string

func (c config) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(string(c), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func id(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

func (c config) context(t *testing.T, name, meta string) {
	t.Helper()
	c.write(t, "contexts/meta/"+id(name)+"/meta.json", meta)
}

// TestFind: DOCKER_HOST, DOCKER_CONTEXT, the current context, docker's socket, podman's.
func TestFind(t *testing.T) {
	dir := config(t.TempDir())
	dir.context(t, "remote", `{"Name": "remote", "Metadata": {}, "Endpoints": {"docker": {"Host": "tcp://build.example:2376", "SkipTLSVerify": false}}}`)
	dir.context(t, "desktop", `{"Name": "desktop", "Endpoints": {"docker": {"Host": "unix:///home/me/.docker/desktop.sock"}, "kubernetes": {}}}`)
	dir.context(t, "far", `{"Endpoints": {"docker": {"Host": "ssh://me@build.example:22/run/docker.sock"}}}`)
	dir.context(t, "empty", `{"Endpoints": {}}`)
	dir.context(t, "broken", `{"Endpoints": [`)
	dir.write(t, "there.sock", "")
	there := "unix://" + filepath.Join(string(dir), "there.sock")
	gone := "unix://" + filepath.Join(string(dir), "gone.sock")
	for _, tt := range []struct {
		name    string
		env     map[string]string
		config  string
		sockets []string
		want    string // the host, or a part of the error
	}{
		{"the variable", map[string]string{"DOCKER_HOST": "tcp://host.example:2375", "DOCKER_CONTEXT": "remote"}, `{"currentContext": "desktop"}`, nil, "tcp://host.example:2375"},
		{"the context of the variable", map[string]string{"DOCKER_CONTEXT": "remote"}, `{"currentContext": "desktop"}`, nil, "tcp://build.example:2376"},
		{"the current context", nil, `{"auths": {}, "currentContext": "desktop"}`, nil, "unix:///home/me/.docker/desktop.sock"},
		{"the default context", map[string]string{"DOCKER_CONTEXT": "default"}, `{"currentContext": "desktop"}`, []string{there}, there},
		{"no context", nil, `{"auths": {}}`, []string{there}, there},
		{"no configuration", nil, "", []string{gone, there}, there},
		{"no socket", nil, "", []string{gone, gone + "2"}, "no docker daemon: neither DOCKER_HOST nor DOCKER_CONTEXT is set, " + filepath.Join(string(dir), "config.json") + " selects no context, and there is no " + gone + ", " + gone + "2; start docker or podman (systemctl --user start podman.socket), or set DOCKER_HOST"},
		{"a named pipe", nil, "", []string{"npipe:////./pipe/docker_engine"}, "npipe:////./pipe/docker_engine"},
		{"an unknown context", map[string]string{"DOCKER_CONTEXT": "nowhere"}, "", []string{there}, `context "nowhere" (DOCKER_CONTEXT): context not found: open ` + filepath.Join(string(dir), "contexts", "meta", id("nowhere"), "meta.json") + ": no such file or directory; choose one of docker context ls with DOCKER_CONTEXT or docker context use, or set DOCKER_HOST"},
		{"an unknown current context", nil, `{"currentContext": "nowhere"}`, []string{there}, `context "nowhere" (` + filepath.Join(string(dir), "config.json") + `): context not found: `},
		{"over SSH", map[string]string{"DOCKER_CONTEXT": "far"}, "", nil, `context "far" (DOCKER_CONTEXT) is ssh://me@build.example:22/run/docker.sock, and a daemon cannot be reached over SSH; forward its socket, ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock me@build.example:22, and set DOCKER_HOST=unix:///tmp/docker.sock`},
		{"over SSH by the variable", map[string]string{"DOCKER_HOST": "ssh://build.example"}, "", nil, "DOCKER_HOST is ssh://build.example, and a daemon cannot be reached over SSH"},
		{"without an endpoint", map[string]string{"DOCKER_CONTEXT": "empty"}, "", nil, "has no docker endpoint; set it with docker context update empty --docker host=HOST"},
		{"a broken context", map[string]string{"DOCKER_CONTEXT": "broken"}, "", nil, `context "broken" (DOCKER_CONTEXT): reading `},
		{"a broken configuration", nil, `{`, []string{there}, "reading docker's configuration " + filepath.Join(string(dir), "config.json") + ": "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.Remove(filepath.Join(string(dir), "config.json")); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if tt.config != "" {
				dir.write(t, "config.json", tt.config)
			}
			d, err := finder(dir, tt.env, tt.sockets).Find()
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got the error\n%v, want\n%s", err, tt.want)
				}
				return
			}
			if d.Host != tt.want || d.TLS != nil || d.Environment != (tt.env["DOCKER_HOST"] != "") || d.From == "" {
				t.Errorf("got %+v, want %s", d, tt.want)
			}
		})
	}
}

func finder(dir config, env map[string]string, sockets []string) dockercontext.Finder {
	return dockercontext.Finder{Sockets: sockets, Getenv: func(name string) string {
		if name == "DOCKER_CONFIG" {
			return string(dir)
		}
		return env[name]
	}}
}

// TestHome finds the configuration in the home directory, and podman's socket of the user.
func TestHome(t *testing.T) {
	if _, err := os.Stat("/var/run/docker.sock"); err == nil {
		t.Skip("docker runs here, whose socket comes first")
	}
	home, runtime := t.TempDir(), t.TempDir()
	config(runtime).write(t, "podman/podman.sock", "")
	env := map[string]string{"HOME": home, "XDG_RUNTIME_DIR": runtime}
	f := dockercontext.Finder{Getenv: func(name string) string { return env[name] }}
	if d, err := f.Find(); err != nil || d.Host != "unix://"+filepath.Join(runtime, "podman", "podman.sock") {
		t.Errorf("got %+v, %v", d, err)
	}
	config(home).write(t, ".docker/config.json", `{"currentContext": "x"}`)
	config(home).write(t, ".docker/contexts/meta/"+id("x")+"/meta.json", `{"Endpoints": {"docker": {"Host": "tcp://x.example:2375"}}}`)
	if d, err := f.Find(); err != nil || d.Host != "tcp://x.example:2375" {
		t.Errorf("got %+v, %v", d, err)
	}
}

// TestTLS verifies a daemon by the certificate authority of its context, and not where the context says so.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	dir := config(t.TempDir())
	host := strings.Replace(server.URL, "https://", "tcp://", 1)
	for _, name := range []string{"known", "unknown"} {
		dir.context(t, name, `{"Endpoints": {"docker": {"Host": "`+host+`"}}}`)
	}
	dir.context(t, "unverified", `{"Endpoints": {"docker": {"Host": "`+host+`", "SkipTLSVerify": true}}}`)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	dir.write(t, "contexts/tls/"+id("known")+"/docker/ca.pem", ca)
	for name, want := range map[string]bool{"known": true, "unknown": false, "unverified": true} {
		d, err := finder(dir, map[string]string{"DOCKER_CONTEXT": name}, nil).Find()
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: d.TLS}}
		response, err := client.Get(server.URL)
		if err == nil {
			response.Body.Close()
		}
		if got := err == nil; got != want || (d.TLS != nil) != want {
			t.Errorf("%s: reached %t, want %t: %v", name, got, want, err)
		}
	}
	dir.context(t, "half", `{"Endpoints": {"docker": {"Host": "`+host+`"}}}`)
	dir.write(t, "contexts/tls/"+id("half")+"/docker/cert.pem", ca)
	if _, err := finder(dir, map[string]string{"DOCKER_CONTEXT": "half"}, nil).Find(); err == nil || !strings.Contains(err.Error(), "reading cert.pem and key.pem in ") {
		t.Errorf("a certificate without a key: %v", err)
	}
	dir.write(t, "contexts/tls/"+id("known")+"/docker/ca.pem", "nothing")
	if _, err := finder(dir, map[string]string{"DOCKER_CONTEXT": "known"}, nil).Find(); err == nil || !strings.Contains(err.Error(), "ca.pem has no certificate") {
		t.Errorf("an empty authority: %v", err)
	}
}

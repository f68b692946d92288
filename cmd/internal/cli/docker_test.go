package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// TestDockerContext reads an image in the daemon of docker's current context, at a socket of its own.
func TestDockerContext(t *testing.T) {
	label, err := platform.Explanation{RunImage: platform.ExplainedImage{Name: "registry.example/run"}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	image := map[string]any{
		"Id": "sha256:" + strings.Repeat("1", 64), "Os": "linux", "Architecture": "amd64",
		"Config": map[string]any{"Labels": map[string]string{platform.LifecycleMetadataLabel: "{}", platform.ResolutionLabel: label}},
	}
	dir := shortDir(t)
	socket := filepath.Join(dir, "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.44")
		switch {
		case r.URL.Path == "/_ping":
		case strings.HasSuffix(r.URL.Path, "/images/app/json"):
			_ = json.NewEncoder(w).Encode(image)
		default:
			http.Error(w, `{"message": "No such image"}`, http.StatusNotFound)
		}
	})
	server := &http.Server{Handler: handler} //nolint:gosec // a test
	go server.Serve(listener)
	defer server.Close()
	remote := httptest.NewTLSServer(handler)
	defer remote.Close()
	id := func(name string) string {
		sum := sha256.Sum256([]byte(name))
		return hex.EncodeToString(sum[:])
	}
	for path, content := range map[string]string{
		"contexts/meta/" + id("mine") + "/meta.json":      `{"Name": "mine", "Endpoints": {"docker": {"Host": "unix://` + socket + `"}}}`,
		"contexts/meta/" + id("remote") + "/meta.json":    `{"Name": "remote", "Endpoints": {"docker": {"Host": "` + strings.Replace(remote.URL, "https", "tcp", 1) + `"}}}`,
		"contexts/tls/" + id("remote") + "/docker/ca.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: remote.Certificate().Raw})),
		"config.json": `{"currentContext": "mine"}`,
	} {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		image, context string
		code           int
		want           string
	}{
		{"docker://app", "", Enough, "app image  docker://app\n"},
		{"docker://app", "remote", Enough, "app image  docker://app\n"},
		{"docker://none", "", Failure, "no such image: inspecting it in the docker daemon at unix://" + socket},
		{"docker://app", "other", Failure, `error: opening image docker://app: connecting to the docker daemon: context "other" (DOCKER_CONTEXT): context not found: `},
	} {
		var out bytes.Buffer
		env := map[string]string{"DOCKER_CONFIG": dir, "DOCKER_CONTEXT": tt.context}
		code := Run(t.Context(), []string{"explain", tt.image}, &Console{Out: &out, Err: &out, Getenv: func(name string) string { return env[name] }})
		if code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s in %q: exit code %d\n%s\nwant %d and %q", tt.image, tt.context, code, out.String(), tt.code, tt.want)
		}
	}
}

// shortDir returns a directory whose path is short enough for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "docker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

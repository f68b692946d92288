// Package dockercontext finds the docker daemon as the docker CLI does: by DOCKER_HOST, else by a context, else at the
// default socket; and, if that does not exist, podman's. Start with [Finder].
//
// It reads the files of docker's configuration itself, since docker's own package for them brings the whole CLI.
package dockercontext

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/image"
)

// A Finder finds the daemon.
type Finder struct {
	Getenv  func(string) string
	Sockets []string // default sockets, the first that exists is used; nil: docker's and podman's
}

// A Daemon is where a docker daemon is.
type Daemon struct {
	image.Docker
	From string // what decided, for people
}

// defaultContext is the context that stands for the default socket.
const defaultContext = "default"

// Find returns the daemon. Errors say where it was looked for.
func (f Finder) Find() (Daemon, error) {
	if host := f.Getenv("DOCKER_HOST"); host != "" {
		return supported(Daemon{image.Docker{Host: host, Environment: true}, "DOCKER_HOST"})
	}
	name, from := f.Getenv("DOCKER_CONTEXT"), "DOCKER_CONTEXT"
	if name == "" {
		var err error
		from = filepath.Join(f.config(), "config.json")
		if name, err = currentContext(from); err != nil {
			return Daemon{}, err
		}
	}
	if name != "" && name != defaultContext {
		return f.context(name, from)
	}
	return f.socket()
}

// config returns the directory of docker's configuration.
func (f Finder) config() string {
	if dir := f.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home := f.Getenv("HOME")
	if runtime.GOOS == "windows" {
		home = f.Getenv("USERPROFILE")
	}
	return filepath.Join(home, ".docker")
}

// currentContext returns the context that config.json selects; "": none.
func currentContext(path string) (string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	if err == nil {
		err = json.Unmarshal(data, &config)
	}
	if err != nil {
		return "", fmt.Errorf("reading docker's configuration %s: %w", path, err)
	}
	return config.CurrentContext, nil
}

// An endpoint is the docker endpoint of a context.
type endpoint struct {
	Host          string
	SkipTLSVerify bool
}

// context returns the daemon of a context, which from names.
func (f Finder) context(name, from string) (Daemon, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	path := filepath.Join(f.config(), "contexts", "meta", id, "meta.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Daemon{}, fmt.Errorf("context %q (%s): context not found: %w; choose one of docker context ls with DOCKER_CONTEXT or docker context use, or set DOCKER_HOST", name, from, err)
	}
	if err != nil {
		return Daemon{}, fmt.Errorf("context %q (%s): %w", name, from, err)
	}
	var meta struct {
		Endpoints map[string]endpoint
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return Daemon{}, fmt.Errorf("context %q (%s): reading %s: %w", name, from, path, err)
	}
	docker := meta.Endpoints["docker"]
	if docker.Host == "" {
		return Daemon{}, fmt.Errorf("context %q (%s): %s has no docker endpoint; set it with docker context update %s --docker host=HOST, or set DOCKER_HOST", name, from, path, name)
	}
	d := Daemon{image.Docker{Host: docker.Host}, fmt.Sprintf("context %q (%s)", name, from)}
	if d.TLS, err = tlsIn(filepath.Join(f.config(), "contexts", "tls", id, "docker"), docker.SkipTLSVerify); err != nil {
		return Daemon{}, fmt.Errorf("%s: %w", d.From, err)
	}
	return supported(d)
}

// tlsIn returns the configuration of TLS for a context, or nil if it has none.
func tlsIn(dir string, skipVerify bool) (*tls.Config, error) {
	read := func(name string) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return data, err
	}
	ca, caErr := read("ca.pem")
	cert, certErr := read("cert.pem")
	key, keyErr := read("key.pem")
	if err := errors.Join(caErr, certErr, keyErr); err != nil {
		return nil, err
	}
	if ca == nil && cert == nil && key == nil && !skipVerify {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: skipVerify} //nolint:gosec // the context says so
	if ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s has no certificate", filepath.Join(dir, "ca.pem"))
		}
	}
	if cert != nil || key != nil {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("reading cert.pem and key.pem in %s: %w", dir, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// supported rejects hosts that cannot be reached without the docker CLI.
func supported(d Daemon) (Daemon, error) {
	if rest, ok := strings.CutPrefix(d.Host, "ssh://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		return Daemon{}, fmt.Errorf("%s is %s, and a daemon cannot be reached over SSH; forward its socket, ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock %s, and set DOCKER_HOST=unix:///tmp/docker.sock", d.From, d.Host, host)
	}
	return d, nil
}

// socket returns the first default socket that exists.
func (f Finder) socket() (Daemon, error) {
	hosts := f.Sockets
	if hosts == nil {
		hosts = f.defaults()
	}
	for _, host := range hosts {
		path, ok := strings.CutPrefix(host, "unix://")
		if !ok { // a named pipe
			return Daemon{image.Docker{Host: host}, "the default"}, nil
		}
		if _, err := os.Stat(path); err == nil {
			return Daemon{image.Docker{Host: host}, "the default"}, nil
		}
	}
	return Daemon{}, fmt.Errorf("no docker daemon: neither DOCKER_HOST nor DOCKER_CONTEXT is set, %s selects no context, and there is no %s; start docker or podman (systemctl --user start podman.socket), or set DOCKER_HOST",
		filepath.Join(f.config(), "config.json"), strings.Join(hosts, ", "))
}

// defaults returns docker's default address, then podman's sockets: the user's and the system's.
func (f Finder) defaults() []string {
	if runtime.GOOS == "windows" {
		return []string{"npipe:////./pipe/docker_engine"}
	}
	all := []string{"unix:///var/run/docker.sock"}
	if dir := f.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		all = append(all, "unix://"+filepath.Join(dir, "podman", "podman.sock"))
	}
	return append(all, "unix:///run/podman/podman.sock")
}

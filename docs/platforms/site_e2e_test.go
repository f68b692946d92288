//go:build e2e

package platforms_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// A site is a registry with a builder and run images, and a release that the builder is made from.
type site struct {
	platformtest.Docker
	registry string // host and port
	release  string // folder
	builder  string // as builder.toml says
	lacking  string // a run image without curl
	enough   string // one with curl, that of builder.toml
}

const (
	user   = "tester"
	secret = "s3cret"
)

// guarded is the registry of all sites, since a daemon takes seconds to compress Debian for a registry that does
// not have it. It wants a password of whoever pushes or pulls.
var guarded = sync.OnceValue(func() *lifecycletest.Host { return lifecycletest.Registry().Guarded(user, secret) })

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Docker: platformtest.New(t), registry: guarded().Name, release: platformtest.Release(t)}
	t.Setenv("DOCKER_CONFIG", s.credentials())
	s.builder = s.made("builder:bookworm", platformtest.Debian(s.Docker), packBuilder(t))
	s.lacking = s.runImage("lacking", "")
	s.enough = s.runImage("bookworm", "RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*")
	return s
}

// config is docker's config.json for the registry.
func (s *site) config() string {
	return fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, s.registry, user, secret)
}

func (s *site) credentials() string {
	s.T.Helper()
	dir := s.T.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(s.config()), 0o600); err != nil {
		s.T.Fatal(err)
	}
	return dir
}

// here is the name of a file of the release for this machine.
func here(name string) string { return strings.ReplaceAll(name, "amd64", runtime.GOARCH) }

const cnbUser = `RUN groupadd -g 1000 cnb && useradd -m -u 1000 -g 1000 cnb
LABEL io.buildpacks.base.distro.name=debian io.buildpacks.base.distro.version=12
`

func (s *site) pushed(name string) string {
	s.T.Helper()
	s.Do(nil, "push", "-q", name)
	return name
}

func (s *site) runImage(tag, more string) string {
	s.T.Helper()
	return s.pushed(s.Image(s.registry+"/run:"+tag, "FROM "+platformtest.Debian(s.Docker)+"\n"+more+"\n"+cnbUser+"USER 1000:1000\n", nil))
}

// made is a builder, made from an image.
func (s *site) made(tag, base string, b builder) string {
	s.T.Helper()
	lifecycle, err := os.ReadFile(filepath.Join(s.release, here(path.Base(b.Lifecycle.URI))))
	if err != nil {
		s.T.Fatal(err)
	}
	context := platformtest.Files{
		"lifecycle.tgz": string(lifecycle),
		"cnb/order.toml": s.encoded(struct {
			Order    []group `toml:"order"`
			OrderExt []group `toml:"order-extensions"`
		}{b.Order, b.OrderExt}),
		"cnb/run.toml": strings.ReplaceAll(s.encoded(b.Run), "registry.example", s.registry),
	}
	for kind, all := range map[string][]located{"buildpacks": b.Buildpacks, "extensions": b.Extensions} {
		for _, l := range all {
			dir := "builder/" + l.URI
			e := described(s.T.(*testing.T), dir)
			add(s.T, context, dir, "cnb/"+kind+"/"+strings.ReplaceAll(e.ID, "/", "_")+"/"+e.Version)
		}
	}
	return s.pushed(s.Image(s.registry+"/"+tag, "FROM "+base+"\n"+cnbUser+`
ENV CNB_USER_ID=1000 CNB_GROUP_ID=1000
ADD lifecycle.tgz /cnb
COPY cnb /cnb
RUN mkdir /layers /workspace && chown 1000:1000 /layers /workspace
USER 1000:1000
WORKDIR /layers
`, context))
}

func (s *site) encoded(v any) string {
	s.T.Helper()
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(v); err != nil {
		s.T.Fatal(err)
	}
	return b.String()
}

// add puts a folder into a build context.
func add(t testing.TB, context platformtest.Files, dir, to string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		name, _ := filepath.Rel(dir, file)
		if path.Base(path.Dir(file)) == "bin" {
			name += "*"
		}
		context[to+"/"+name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// source is an app that says which curl it finds.
func source() platformtest.Files {
	return platformtest.Files{"main.sh": "command -v curl || echo no curl\n", ".git/HEAD": "ref: refs/heads/main\n"}
}

// prints starts an app image and checks what it says.
func (s *site) prints(t *testing.T, name, want string) {
	t.Helper()
	s.Do(nil, "pull", "-q", name)
	t.Cleanup(func() { s.Try(nil, "rmi", "-f", name) })
	if got := s.Do(nil, "run", "--rm", "--network", "none", name); got != want {
		t.Errorf("%s prints %q, want %q", name, got, want)
	}
}

// contains checks what a build said.
func contains(t *testing.T, log string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(log, text) {
			t.Errorf("the build does not say %q:\n%s", text, log)
		}
	}
}

//go:build e2e

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// A site is what all platforms of the suite share: a docker daemon, a registry, a lifecycle
// image, a builder and run images.
type site struct {
	platformtest.Docker
	repository string // prefix of the site's images in the registry
	lifecycle  string
	id         string // in names of images, so that tests can run side by side
}

// shared is what all sites have in common, since a daemon takes seconds to load the image of the
// lifecycle, and to compress Debian for a registry that does not have it.
var shared struct {
	sync.Mutex
	sites     int
	registry  *lifecycletest.Host
	lifecycle string
}

func newSite(t *testing.T) *site {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	s := &site{Docker: platformtest.New(t)}
	if shared.registry == nil {
		shared.registry = lifecycletest.Registry()
		shared.lifecycle = platformtest.Lifecycle(s.Docker, "baseplan-e2e/lifecycle:phases")
	}
	shared.sites++
	_, port, _ := strings.Cut(shared.registry.Name, ":")
	s.id = fmt.Sprintf("%s-%d", port, shared.sites)
	s.repository, s.lifecycle = shared.registry.Name+"/"+s.id, shared.lifecycle
	return s
}

// modules are the buildpacks and extensions of testdata/e2e as a builder has them.
func modules(t *testing.T) platformtest.Files {
	t.Helper()
	files := platformtest.Files{}
	err := filepath.WalkDir("testdata/e2e", func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel("testdata/e2e", path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if filepath.Base(filepath.Dir(path)) == "bin" {
			name += "*"
		}
		files["cnb/"+name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// builder makes a builder: the Debian image with the tarball of the distribution, the modules and an order.
func (s *site) builder(tag, order string, uid int) string {
	s.T.Helper()
	files := modules(s.T.(*testing.T))
	files["cnb/order.toml"] = order
	tarball, err := os.ReadFile(platformtest.Tarball(platformtest.Release(s.T)))
	if err != nil {
		s.T.Fatal(err)
	}
	files["lifecycle.tgz"] = string(tarball)
	return s.Image(tag, fmt.Sprintf(`FROM %s
RUN groupadd -g %d cnb && useradd -m -u %[2]d -g %[2]d cnb
ENV CNB_USER_ID=%[2]d CNB_GROUP_ID=%[2]d CNB_STACK_ID=e2e
ADD lifecycle.tgz /cnb
COPY cnb /cnb
LABEL io.buildpacks.base.distro.name=debian io.buildpacks.base.distro.version=12
USER %[2]d:%[2]d
`, platformtest.Debian(s.Docker), uid), files)
}

// runImage makes a run image of Debian with more instructions, in the daemon. It is this site's
// alone: a daemon knows one image by all registries that it was pushed to.
func (s *site) runImage(tag, more string) string {
	s.T.Helper()
	return s.Image(tag, fmt.Sprintf(`FROM %s
%s
RUN groupadd -g 1000 cnb && useradd -m -u 1001 -g 1000 app
LABEL io.buildpacks.base.distro.name=debian io.buildpacks.base.distro.version=12 e2e.site=%s
USER 1001:1000
`, platformtest.Debian(s.Docker), more, s.id), nil)
}

// orderOf is an order of one group of buildpacks, and one of extensions.
func orderOf(buildpacks, extensions []string) string {
	var b strings.Builder
	group := func(table string, ids []string) {
		if len(ids) == 0 {
			return
		}
		fmt.Fprintf(&b, "[[%s]]\n", table)
		for _, id := range ids {
			fmt.Fprintf(&b, "[[%s.group]]\nid = %q\nversion = \"1.0.0\"\n", table, id)
		}
	}
	group("order", buildpacks)
	group("order-extensions", extensions)
	return b.String()
}

// built checks that a build went through all its phases.
func built(t *testing.T, b platformtest.Built) platformtest.Built {
	t.Helper()
	if b.Failed != "" {
		t.Fatalf("%s: exit code %d\n%s", b.Failed, b.Exit, b.Log)
	}
	return b
}

// imageID is a daemon image's ID.
func (s *site) imageID(name string) string {
	s.T.Helper()
	return s.Do(nil, "image", "inspect", "-f", "{{.Id}}", name)
}

// start runs an app image and gives what it prints.
func (s *site) start(name string, args ...string) string {
	s.T.Helper()
	return s.Do(nil, append([]string{"run", "--rm", "--network", "none", name}, args...)...)
}

func (s *site) entrypoint(name, entrypoint string, args ...string) string {
	s.T.Helper()
	return s.Do(nil, append([]string{"run", "--rm", "--network", "none", "--entrypoint", entrypoint, name}, args...)...)
}

// everything is a composite buildpack, of the others.
var everything = []string{"e2e/all"}

// app is the source of the app that the buildpacks of the suite build.
func app(version string) platformtest.Files {
	return platformtest.Files{"main.sh": "echo main " + version + "\n", "static/logo.txt": "logo\n", ".profile": "export FROM_PROFILE=profile\n"}
}

// TestBuilds builds an app on a daemon at every Platform API; at those that changed something about it again and again,
// with whatever can change in between.
func TestBuilds(t *testing.T) {
	for api, again := range map[string]bool{
		"0.7": true, "0.8": false, "0.9": true, "0.10": false, "0.11": false, "0.12": true, "0.13": false, "0.14": false, "0.15": true,
	} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			p := s.full("baseplan-e2e/app:" + s.id)
			p.API = api
			t.Cleanup(func() { s.Try(nil, "rmi", "-f", p.Name, p.Name+"-creator", p.Name+"-second") })
			first := built(t, p.FivePhases(app("one")))
			id := s.imageID(p.Name)
			s.outputs(t, p.Name, "one")

			q := *p
			q.Name, q.Cache, q.LaunchCache = p.Name+"-creator", "", ""
			q.Tags = []string{p.Name + "-second"}
			built(t, q.Creator(app("one")))
			if got := s.imageID(q.Name); got != id {
				t.Errorf("the creator makes %s, five phases %s", got, id)
			}
			if got := s.imageID(q.Tags[0]); got != id {
				t.Errorf("the second tag is %s", got)
			}

			if !again {
				return
			}
			second := built(t, p.FivePhases(app("one")))
			if got := s.imageID(p.Name); got != id {
				t.Errorf("an unchanged rebuild gives %s, want %s\n%s", got, id, second.Log)
			}
			if !second.Has(`Restoring data for "e2e/tools:cached" from cache`) || !second.Has("Reusing layer 'e2e/tools:launched'") {
				t.Errorf("nothing was reused:\n%s", second.Log)
			}
			if first.Has("Reusing layer 'e2e/tools:launched'") {
				t.Errorf("a first build reuses layers:\n%s", first.Log)
			}

			changed := built(t, p.FivePhases(app("two")))
			if s.imageID(p.Name) == id {
				t.Errorf("changed source gives the same image\n%s", changed.Log)
			}
			s.outputs(t, p.Name, "two")
		})
	}
}

// outputs runs every process type of the app and checks what it prints.
func (s *site) outputs(t *testing.T, name, version string) {
	t.Helper()
	for process, want := range map[string]string{
		"web":     "main " + version + "\nlayer tool\nLAUNCHED=yes\nEXECD=dynamic\nargs: one\n",
		"worker":  "worker in /workspace/static\nlogo\n",
		"shell":   "profile.d for shell, profile, yes\n",
		"special": "list=one only=special\n",
	} {
		if got := s.entrypoint(name, "/cnb/process/"+process); got != strings.TrimSpace(want) {
			t.Errorf("%s prints %q, want %q", process, got, want)
		}
	}
	if got := s.Do(nil, "run", "--rm", "-e", "CNB_EXEC_ENV=test", "--entrypoint", "/cnb/process/tested", name); got != "tested" {
		t.Errorf("the process for tests prints %q", got)
	}
	if got := s.entrypoint(name, "launcher", "tool"); got != "layer tool" {
		t.Errorf("a command of the user's prints %q", got)
	}
	if got := strings.Fields(s.entrypoint(name, "launcher", "--", "env")); slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "CNB_APP_DIR=") }) {
		t.Errorf("the process sees CNB_APP_DIR: %q", got)
	}
}

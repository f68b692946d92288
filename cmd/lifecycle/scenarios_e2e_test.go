//go:build e2e

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// extended are the phases of a build whose run image is extended.
var extended = []string{"analyzer", "detector", "restorer", "builder", "extender run", "exporter"}

// plain are those of one where nothing is left to extend.
var plain = []string{"analyzer", "detector", "restorer", "builder", "exporter"}

// A stage is a site with a builder and extensions.
type stage struct {
	site *site
	platformtest.Platform
}

// newStage has a builder with extensions, for an app that requires something: NAME:CONTEXT,….
func newStage(t *testing.T, requires string, extensions ...string) *stage {
	t.Helper()
	s := newSite(t)
	var ids []string
	for _, e := range extensions {
		ids = append(ids, "e2e/"+e)
	}
	env := s.Volume(platformtest.Files{"env/E2E_REQUIRES": requires, "env/E2E_SWITCH_TO": s.repository + "/run:switched"})
	st := &stage{site: s, Platform: platformtest.Platform{
		Docker: s.Docker, API: "0.15", Lifecycle: s.lifecycle, UID: 1000, GID: 1000,
		Builder: s.builder(s.repository+"/builder:extensions", orderOf([]string{"e2e/needs"}, ids), 1000),
		Name:    "baseplan-e2e/app:" + s.id, Mounts: []string{env + ":/platform"},
	}}
	s.Do(nil, "push", "-q", st.Builder) // a build image that is extended has to be in a registry
	st.forget()
	t.Cleanup(st.forget)
	return st
}

func (s *stage) forget() { s.Try(nil, "rmi", "-f", s.Name) }

// run makes a run image in the registry and the daemon: Debian with more instructions.
func (s *stage) run(tag, more string) string {
	s.T.Helper()
	name := s.site.runImage(s.site.repository+"/run:"+tag, more)
	s.Do(nil, "push", "-q", name)
	return name
}

const apt = "RUN apt-get update && apt-get install -y --no-install-recommends "

// attach attaches an SBOM to an image in the registry.
func (s *stage) attach(ref string, args ...string) {
	s.T.Helper()
	s.baseplan(append([]string{"sbom", "attach", ref}, args...)...)
}

func (s *stage) baseplan(args ...string) {
	s.T.Helper()
	var out, errs bytes.Buffer
	code := cli.Run(context.Background(), args, &cli.Console{Out: &out, Err: &errs, Getenv: os.Getenv})
	if code != cli.Enough {
		s.T.Fatalf("baseplan %q: exit code %d\n%s%s", args, code, &out, &errs)
	}
}

// five builds with five phases, which have to be these.
func (s *stage) five(t *testing.T, phases []string) platformtest.Built {
	t.Helper()
	b := built(t, s.FivePhases(platformtest.Files{"main.sh": ""}))
	if !slices.Equal(b.Phases, phases) {
		t.Fatalf("the platform ran %q, want %q\n%s", b.Phases, phases, b.Log)
	}
	return b
}

// create builds with the creator.
func (s *stage) create(t *testing.T) platformtest.Built {
	t.Helper()
	s.Cache, s.LaunchCache, s.Kaniko = "", "", ""
	return built(t, s.Creator(platformtest.Files{"main.sh": ""}))
}

// verdicts are those that resolution.toml has, by extension and image.
func (s *stage) verdicts(t *testing.T) map[string]string {
	t.Helper()
	r, err := platform.DecodeResolution([]byte(s.Get(s.Layers, "resolution.toml")), "resolution.toml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, v := range r.Verdicts {
		all[v.Extension+" "+v.Image] = v.Verdict
	}
	return all
}

// prints starts the app, which says which tools it has.
func (s *stage) prints(t *testing.T, want string) {
	t.Helper()
	if got := s.site.start(s.Name); got != want {
		t.Errorf("the app prints %q, want %q", got, want)
	}
}

// tree is the app image's file system: names, types, modes, owners, links and contents. Logs
// and caches that hold times are left out.
func (s *stage) tree() string {
	s.T.Helper()
	return s.Do(nil, "run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh", s.Name, "-c", `find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /var/log -o -path /var/cache -o -path /etc/resolv.conf -o -path /etc/hosts -o -path /etc/hostname \) -prune \
		-o -printf '%p %y %m %U:%G %l\n' | sort; find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /var/log -o -path /var/cache \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum 2>/dev/null | grep -v -e /etc/resolv.conf -e /etc/hosts -e /etc/hostname`)
}

// layersOf are the diff IDs of a daemon's image, bottom first.
func (s *stage) layersOf(name string) []string {
	s.T.Helper()
	return strings.Fields(s.Do(nil, "image", "inspect", "-f", "{{join .RootFS.Layers \" \"}}", name))
}

// same makes sure that five phases and the creator made the same image.
func (s *stage) same(t *testing.T, ids []string) {
	t.Helper()
	if len(ids) == 2 && ids[0] != ids[1] {
		t.Errorf("five phases make %s, the creator %s", ids[0], ids[1])
	}
}

// explained makes sure that the app image says how it was built.
func (s *stage) explained(t *testing.T, parts ...string) {
	t.Helper()
	got := s.Do(nil, "image", "inspect", "-f", `{{index .Config.Labels "baseplan.resolution"}}`, s.Name)
	for _, want := range parts {
		if !strings.Contains(got, want) {
			t.Errorf("the app image says %s, without %s", got, want)
		}
	}
}

// both runs a check after five phases and after the creator.
func (s *stage) both(t *testing.T, phases []string, check func(*testing.T, platformtest.Built)) {
	t.Run("five phases", func(t *testing.T) { check(t, s.five(t, phases)) })
	t.Run("creator", func(t *testing.T) { check(t, s.create(t)) })
}

func TestRunImageHasWhatIsRequired(t *testing.T) {
	t.Parallel()
	s := newStage(t, "curl:launch", "curl")
	s.RunImage = s.run("curl", apt+"curl")
	s.attach(s.RunImage)
	var ids []string
	s.both(t, plain, func(t *testing.T, b platformtest.Built) {
		ids = append(ids, s.site.imageID(s.Name))
		if got := s.verdicts(t)["e2e/curl run"]; got != "satisfied" || !b.Has("inventory: referrer") || !b.Has("e2e/curl: skipped (curl, required by e2e/needs at launch, is provided by curl") {
			t.Errorf("verdict %q\n%s", got, b.Log)
		}
		s.prints(t, "/usr/bin/curl\nno tree")
		if got := s.Do(nil, "image", "inspect", "-f", `{{index .Config.Labels "baseplan.run-image.requirements"}}`, s.Name); !strings.Contains(got, "pkg:deb/debian/curl") {
			t.Errorf("the app image relies on %q", got)
		}
		s.explained(t, `"inventory":"referrer"`, `"verdict":"satisfied"`)
	})
	s.same(t, ids)
}

func TestInventoryIsGenerated(t *testing.T) {
	t.Parallel()
	s := newStage(t, "curl:launch", "curl")
	s.RunImage = s.run("curl", apt+"curl")
	var ids []string
	s.both(t, plain, func(t *testing.T, b platformtest.Built) {
		ids = append(ids, s.site.imageID(s.Name))
		if got := s.verdicts(t)["e2e/curl run"]; got != "satisfied" {
			t.Errorf("verdict %q\n%s", got, b.Log)
		}
		s.prints(t, "/usr/bin/curl\nno tree")
	})
	s.same(t, ids)
}

func TestRunImageIsExtended(t *testing.T) {
	t.Parallel()
	s := newStage(t, "curl:launch", "curl")
	s.RunImage = s.run("plain", "")
	var trees []string
	var layers [][]string
	s.both(t, extended, func(t *testing.T, b platformtest.Built) {
		if got := s.verdicts(t)["e2e/curl run"]; got != "apply" {
			t.Errorf("verdict %q\n%s", got, b.Log)
		}
		s.prints(t, "/usr/bin/curl\nno tree")
		s.explained(t, `"verdict":"apply"`, `apt-get install: curl is not installed`, `"extend-run":true`)
		trees, layers = append(trees, s.tree()), append(layers, s.layersOf(s.Name))
	})
	if len(trees) == 2 {
		if diff := gocmp.Diff(trees[0], trees[1]); diff != "" {
			t.Errorf("five phases and the creator make different files:\n%s", diff)
		}
		// The extension's layer has the times of its RUN; what is below and above is the same.
		under := len(s.layersOf(s.RunImage))
		for _, l := range layers {
			l[under] = "extension"
		}
		if diff := gocmp.Diff(layers[0], layers[1]); diff != "" {
			t.Errorf("five phases and the creator make different layers:\n%s", diff)
		}
	}
	t.Run("published by the creator", func(t *testing.T) {
		p := s.Platform
		p.Publish, p.Name, p.Cache, p.LaunchCache, p.Kaniko = true, s.site.repository+"/app:extended", "", "", ""
		built(t, p.Creator(platformtest.Files{"main.sh": ""}))
		s.Do(nil, "pull", "-q", p.Name)
		t.Cleanup(func() { s.Try(nil, "rmi", "-f", p.Name) })
		if got := s.site.start(p.Name); got != "/usr/bin/curl\nno tree" {
			t.Errorf("the app prints %q", got)
		}
	})
	t.Run("a second build", func(t *testing.T) {
		s.Cache, s.LaunchCache, s.Kaniko = "", "", ""
		s.five(t, extended)
		id := s.site.imageID(s.Name)
		if b := s.five(t, extended); b.Has("Unpacking curl") {
			t.Errorf("the second build executes the Dockerfile again:\n%s", b.Log)
		}
		if got := s.site.imageID(s.Name); got != id {
			t.Errorf("the second build makes %s, want %s", got, id)
		}
	})
}

// TestBuildImageHasItAlready is what users report today: the package is in the build image, and
// so it never gets into the run image.
func TestBuildImageHasItAlready(t *testing.T) {
	t.Parallel()
	s := newStage(t, "tree:launch,tree:build", "tree")
	s.Builder = s.Image("baseplan-e2e/builder:tree-"+s.site.id, "FROM "+s.Builder+"\nUSER 0\n"+apt+"tree\nUSER 1000:1000\n", nil)
	s.RunImage = s.run("plain", "")
	b := s.create(t)
	if got := s.verdicts(t); got["e2e/tree run"] != "apply" || got["e2e/tree build"] != "satisfied" {
		t.Errorf("verdicts %q\n%s", got, b.Log)
	}
	s.prints(t, "no curl\n/usr/bin/tree")
}

func TestSwitchAndExtendTheBuildImage(t *testing.T) {
	t.Parallel()
	s := newStage(t, "tools:build", "switch")
	s.RunImage = s.run("plain", "")
	s.run("switched", apt+"tree")
	s.both(t, []string{"analyzer", "detector", "restorer", "extender build", "exporter"}, func(t *testing.T, b platformtest.Built) {
		if got := s.verdicts(t); got["e2e/switch run"] != "switch" || got["e2e/switch build"] != "apply" {
			t.Errorf("verdicts %q\n%s", got, b.Log)
		}
		s.prints(t, "no curl\n/usr/bin/tree")
	})
}

func TestSwitchedImageHasTheRest(t *testing.T) {
	t.Parallel()
	s := newStage(t, "tools:launch,curl:launch", "switch", "curl")
	s.RunImage = s.run("plain", "")
	s.run("switched", apt+"curl")
	s.both(t, []string{"analyzer", "detector", "restorer", "extender build", "exporter"}, func(t *testing.T, b platformtest.Built) {
		if got := s.verdicts(t); got["e2e/switch run"] != "switch" || got["e2e/curl run"] != "satisfied" {
			t.Errorf("verdicts %q\n%s", got, b.Log)
		}
		s.prints(t, "/usr/bin/curl\nno tree")
	})
}

func TestStaleSBOMLayer(t *testing.T) {
	t.Parallel()
	s := newStage(t, "curl:launch", "curl")
	base := s.run("plain", "")
	layered := s.site.repository + "/run:layered"
	s.attach(base, "--as", "layer", "--tag", layered)
	s.Do(nil, "pull", "-q", layered)
	t.Cleanup(func() { s.Try(nil, "rmi", "-f", layered) })
	s.RunImage = s.Image(s.site.repository+"/run:stale", "FROM "+layered+"\nUSER 0\n"+apt+"curl\nUSER 1001:1000\n", nil)
	s.Do(nil, "push", "-q", s.RunImage)
	s.both(t, plain, func(t *testing.T, b platformtest.Built) {
		if !b.Has("stale") {
			t.Errorf("nobody says that the SBOM is stale:\n%s", b.Log)
		}
		s.prints(t, "/usr/bin/curl\nno tree")
	})
}

func TestFalseSBOM(t *testing.T) {
	t.Parallel()
	s := newStage(t, "curl:launch", "curl")
	s.RunImage = s.run("plain", "")
	honest := s.run("curl", apt+"curl")
	dir := t.TempDir()
	lie := filepath.Join(dir, "lie.cdx.json")
	s.baseplan("sbom", "generate", honest, "--file", lie)
	s.attach(s.RunImage, "--sbom", lie, "--force") // without, it is refused
	t.Run("used without keys", func(t *testing.T) {
		s.five(t, plain)
		s.prints(t, "no curl\nno tree")
	})
	t.Run("found by sbom find --verify", func(t *testing.T) {
		var out, errs bytes.Buffer
		cli.Run(context.Background(), []string{"sbom", "find", s.RunImage, "--verify"}, &cli.Console{Out: &out, Err: &errs})
		if !strings.Contains(out.String(), "curl") {
			t.Errorf("got\n%s%s", &out, &errs)
		}
	})
	t.Run("ignored with a key", func(t *testing.T) {
		s.Env = []string{"CNB_RUN_SBOM_KEY=" + publicKey(t)}
		s.both(t, extended, func(t *testing.T, b platformtest.Built) {
			if !b.Has("unsigned") {
				t.Errorf("no warning about the unsigned SBOM:\n%s", b.Log)
			}
			s.prints(t, "/usr/bin/curl\nno tree")
		})
	})
}

func TestDockerfileThatDoesMore(t *testing.T) {
	t.Parallel()
	s := newStage(t, "curl:launch", "more")
	s.RunImage = s.run("curl", apt+"curl")
	s.attach(s.RunImage)
	t.Run("by plan", func(t *testing.T) {
		s.Env = []string{"CNB_RUN_IMAGE_PROOF=plan"}
		s.five(t, plain)
		s.prints(t, "/usr/bin/curl\nno tree")
	})
	t.Run("strict", func(t *testing.T) {
		s.Env = []string{"CNB_RUN_IMAGE_PROOF=strict"}
		s.both(t, extended, func(t *testing.T, _ platformtest.Built) { s.prints(t, "/usr/bin/curl\nno tree\nmore") })
	})
	t.Run("by effect", func(t *testing.T) {
		s.Env = []string{"CNB_RUN_IMAGE_PROOF=effect"}
		s.create(t)
		s.prints(t, "/usr/bin/curl\nno tree\nmore")
	})
}

func TestMissingLibraryIsNamed(t *testing.T) {
	t.Parallel()
	s := newStage(t, "php:launch", "php")
	s.RunImage = s.run("plain", "")
	s.attach(s.RunImage)
	s.both(t, extended, func(t *testing.T, b platformtest.Built) {
		r, err := platform.DecodeResolution([]byte(s.Get(s.Layers, "resolution.toml")), "resolution.toml")
		if err != nil {
			t.Fatal(err)
		}
		var lacks []string
		for _, i := range r.Verdicts[0].Instructions {
			lacks = append(lacks, i.Lacks...)
		}
		if !slices.Equal(lacks, []string{"libyaml-0-2"}) || !strings.Contains(strings.Join(r.Verdicts[0].Reasons, "\n"), "libyaml-0-2 is not installed") {
			t.Errorf("the run image is said to lack %q\n%s", lacks, b.Log)
		}
	})
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	s := newStage(t, "spy:launch", "spy")
	s.RunImage = s.run("plain", "")
	s.Env = []string{`CNB_REGISTRY_AUTH={"registry.example":"Basic ` + "c2VjcmV0OnNlY3JldA==" + `"}`, "MY_secret=secret"}
	b := s.create(t)
	if got := s.site.start(s.Name); !strings.HasSuffix(got, "no tree\ndone") {
		t.Errorf("the extension sees or may do too much: %q\n%s", got, b.Log)
	}
	for path, want := range map[string]bool{"/usr/bin/made-by-spy": true} {
		if _, code := s.Try(nil, "run", "--rm", "--entrypoint", "ls", s.Name, path); (code == 0) != want {
			t.Errorf("%s in the app image: %t", path, code == 0)
		}
	}
}

func TestRunImageIsChosen(t *testing.T) {
	t.Parallel()
	s := newStage(t, "curl:launch", "curl")
	s.RunImage = s.run("plain", "")
	enough := s.run("curl", apt+"curl")
	more := s.run("more", apt+"curl tree")
	s.Builder = s.Image("baseplan-e2e/builder:choice-"+s.site.id, "FROM "+s.Builder+"\nCOPY run.toml /cnb/run.toml\n", platformtest.Files{
		"run.toml": fmt.Sprintf("[[images]]\nimage = %q\n[[images]]\nimage = %q\n[[images]]\nimage = %q\n", s.RunImage, more, enough),
	})
	s.Env = []string{"CNB_RUN_IMAGE_SELECTION=auto"}
	b := s.create(t)
	if !b.Has("Selecting run image " + enough) {
		t.Errorf("the smallest that is enough is not taken:\n%s", b.Log)
	}
	s.prints(t, "/usr/bin/curl\nno tree")
	t.Run("named where nothing may be applied", func(t *testing.T) {
		s.Env = []string{"CNB_EXTEND_IN_CREATOR=never"}
		b := s.Creator(platformtest.Files{"main.sh": ""})
		if b.Exit != 22 || !b.Has("these would satisfy the build: "+enough+", "+more) {
			t.Errorf("exit code %d\n%s", b.Exit, b.Log)
		}
	})
}

// TestExtensionsAtEveryVersion has one extension skipped and another extend the build image, at
// every Platform API that knows extensions.
func TestExtensionsAtEveryVersion(t *testing.T) {
	t.Parallel()
	s := newStage(t, "curl:launch,tree:build", "curl", "buildtree")
	s.RunImage = s.run("curl", apt+"curl")
	s.attach(s.RunImage)
	for _, api := range []string{"0.10", "0.11", "0.12", "0.13", "0.14", "0.15"} {
		t.Run(api, func(t *testing.T) {
			s.API, s.Env, s.Cache, s.LaunchCache = api, []string{"CNB_EXPERIMENTAL_MODE=warn"}, "", ""
			s.both(t, []string{"analyzer", "detector", "restorer", "extender build", "exporter"}, func(t *testing.T, b platformtest.Built) {
				if !b.Has("build image has tree: /usr/bin/tree") {
					t.Errorf("buildpacks do not see what the build image was extended by:\n%s", b.Log)
				}
				s.prints(t, "/usr/bin/curl\nno tree")
			})
		})
	}
}

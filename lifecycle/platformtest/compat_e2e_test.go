//go:build e2e

package platformtest_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// whole are the Platform APIs at which an app is also built again, rebased and started in each way: the oldest, the one
// that made extensions and targets part of the platform, and the newest.
var whole = []string{"0.7", "0.12", "0.15"}

// TestCompat builds apps with buildpacks of libcnb and packit as platforms do.
func TestCompat(t *testing.T) {
	b := newBed(t)
	for _, part := range []struct {
		name string
		test func(*bed, *testing.T)
	}{
		{"Platform APIs", (*bed).buildsAtAll},
		{"extension of API 0.7", (*bed).extends},
		{"publishing", (*bed).publishesByPhases},
		{"Tekton", (*bed).runsTekton},
		{"Spring Boot", (*bed).runsSpringBoot},
		{"CI step", (*bed).runsCreatorStep},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(b.on(t), t) })
	}
}

// buildsAtAll builds an app with five phases and with the creator at each Platform API.
func (b *bed) buildsAtAll(t *testing.T) {
	for _, version := range api.Platform.Supported {
		t.Run(version.String(), func(t *testing.T) {
			t.Parallel()
			b := b.on(t)
			p := b.platform(version.String(), fmt.Sprintf("baseplan-e2e/compat-app:%s-%s", b.id, version))
			p.RunImage = b.newRun(b.run+"-"+p.API, "")
			first := built(t, p.FivePhases(b.app()))
			says(t, first.Log, "python: made", "target: linux "+runtime.GOARCH+" debian 12", "home: /home/cnb", "build: tool: venv", "build: verify: trusted", "Setting default process type 'web'")
			b.runs(t, p.Name)
			b.createdAlike(t, p)
			if slices.Contains(whole, version.String()) {
				b.labelled(t, p.Name)
				b.startsProcesses(t, p.Name)
				b.keepsSBOM(t, p)
				b.rebuilds(t, p)
				b.rebases(t, p)
			}
		})
	}
}

// runs starts the default process, a shell script.
func (b *bed) runs(t *testing.T, name string) {
	t.Helper()
	got := b.Do(nil, "run", "--rm", "--network", "none", "-e", "PHRASES=given", name)
	if want := "venv says hello to everyone in /workspace: first, given, last"; got != want {
		t.Errorf("the app prints %q, want %q", got, want)
	}
}

// createdAlike builds the app with the creator: the image has to be the same.
func (b *bed) createdAlike(t *testing.T, five *platformtest.Platform) {
	t.Helper()
	p := b.platform(five.API, five.Name+"-creator")
	p.RunImage, p.Tags = five.RunImage, []string{five.Name + "-tag"}
	t.Cleanup(func() { b.Try(nil, "rmi", "-f", p.Tags[0]) })
	log := built(t, p.Creator(b.app())).Log
	says(t, log, "home: /home/cnb", "build: verify: trusted")
	for _, name := range []string{p.Name, p.Tags[0]} {
		if got, want := b.imageID(name), b.imageID(five.Name); got != want {
			t.Errorf("%s is %s, five phases make %s\n%s", name, got, want, log)
		}
	}
}

func (b *bed) labelled(t *testing.T, name string) {
	t.Helper()
	for label, want := range map[string]string{"org.opencontainers.image.title": "An app", "example.team": "compat", "example.stage": "test"} {
		if got := b.Do(nil, "image", "inspect", "-f", fmt.Sprintf("{{index .Config.Labels %q}}", label), name); got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
	}
}

// startsProcesses starts the image in the ways that people do, and looks at what a process is given.
func (b *bed) startsProcesses(t *testing.T, name string) {
	t.Helper()
	binding := b.Volume(platformtest.Files{"authority/type": "ca-certificates", "authority/ca.pem": b.certs.authority})
	for _, test := range []struct {
		docker []string // arguments before the image
		args   []string
		want   string
	}{
		{[]string{"-e", "AUDIENCE=you"}, nil, "venv says hello to you in /workspace: first, last"},
		{[]string{"--entrypoint", "/cnb/process/worker"}, []string{"a worker of", "two words"}, "a worker of two words"},
		{[]string{"--entrypoint", "/cnb/process/tool"}, nil, "venv"},
		{[]string{"--entrypoint", "launcher"}, []string{"verify", "site.pem"}, "not trusted"},
		{[]string{"--entrypoint", "launcher", "-e", "SERVICE_BINDING_ROOT=/bindings", "-v", binding + ":/bindings"}, []string{"verify", "site.pem"}, "trusted"},
	} {
		args := append(append([]string{"run", "--rm", "--network", "none"}, test.docker...), append([]string{name}, test.args...)...)
		if got := b.Do(nil, args...); got != test.want {
			t.Errorf("%q prints %q, want %q", args, got, test.want)
		}
	}
	env := map[string]string{}
	for line := range strings.Lines(b.Do(nil, "run", "--rm", "--network", "none", "--entrypoint", "launcher", name, "--", "env")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[key] = value
	}
	for _, key := range []string{"CNB_APP_DIR", "CNB_LAYERS_DIR", "CNB_PROCESS_TYPE", "CNB_PLATFORM_API", "CNB_DEPRECATION_MODE"} {
		if value, ok := env[key]; ok {
			t.Errorf("a process is given %s=%s", key, value)
		}
	}
	const layers = "/layers/compat_interpreter/"
	if !strings.HasPrefix(env["PATH"], layers+"venv/bin:"+layers+"python/bin:/") || strings.Contains(env["PATH"], "/cnb/") {
		t.Errorf("a process is given PATH=%s", env["PATH"])
	}
	if env["VIRTUAL_ENV"] != layers+"venv" || env["GREETING"] != "hello" {
		t.Errorf("a process is given VIRTUAL_ENV=%s and GREETING=%s", env["VIRTUAL_ENV"], env["GREETING"])
	}
}

// keepsSBOM looks for the SBOM of a layer in the image. Before Platform API 0.8 there is none in it.
func (b *bed) keepsSBOM(t *testing.T, p *platformtest.Platform) {
	t.Helper()
	got, code := b.Try(nil, "run", "--rm", "--network", "none", "--entrypoint", "cat", p.Name, "/layers/sbom/launch/compat_interpreter/python/sbom.cdx.json")
	if p.API == "0.7" {
		if code == 0 {
			t.Errorf("the image has an SBOM of a layer: %s", got)
		}
		return
	}
	if !strings.Contains(got, `{"type":"application","name":"python","version":"3"}`) {
		t.Errorf("the SBOM of a layer is %s", got)
	}
}

// rebuilds builds the app again: under its name, and under another one, so that there is no previous image.
func (b *bed) rebuilds(t *testing.T, p *platformtest.Platform) {
	t.Helper()
	id := b.imageID(p.Name)
	for _, name := range []string{p.Name, p.Name + "-next"} {
		q := *p
		q.Name = name
		t.Cleanup(func() { b.Try(nil, "rmi", "-f", name) })
		log := built(t, q.FivePhases(b.app())).Log
		says(t, log, "python: restored with its files")
		if name == p.Name {
			says(t, log, "Reusing layer 'compat/interpreter:python'", "Reusing layer 'compat/ca-certificates:helper'")
		}
		if got := b.imageID(name); got != id {
			t.Errorf("the second build makes %s, want %s\n%s", got, id, log)
		}
	}
}

// rebases moves the image to a new run image of the same name.
func (b *bed) rebases(t *testing.T, p *platformtest.Platform) {
	t.Helper()
	b.newRun(p.RunImage, "RUN echo next > /etc/compat")
	if log, code := p.Rebase(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	b.runs(t, p.Name)
	if got := b.Do(nil, "run", "--rm", "--network", "none", "--entrypoint", "cat", p.Name, "/etc/compat"); got != "next" {
		t.Errorf("the file of the new run image has %q", got)
	}
}

// extends has an extension of Buildpack API 0.7 bring a tool that the app needs to be built, and at launch:
// by a Dockerfile for each image, or by another run image, as below Platform API 0.12 nothing else is allowed.
func (b *bed) extends(t *testing.T) {
	builder := b.open + "/compat-builder:extended"
	b.Do(nil, "tag", b.extending, builder)
	t.Cleanup(func() { b.Try(nil, "rmi", "-f", builder) })
	b.Do(nil, "push", "-q", builder) // the restorer takes what is extended from a registry
	tree := b.newRun(b.open+"/compat-run:tree", "RUN apt-get update && apt-get install -y --no-install-recommends tree && rm -rf /var/lib/apt/lists/*")
	b.Do(nil, "push", "-q", tree)
	for _, test := range []struct {
		api      string
		switched bool
		app      platformtest.Files
		phases   []string
	}{
		{"0.10", true, b.needing("tree build", "tree launch"), []string{"analyzer", "detector", "restorer", "extender build", "exporter"}},
		{"0.12", false, b.needing("tree launch"), []string{"analyzer", "detector", "restorer", "builder", "extender run", "exporter"}},
		{"0.15", false, b.needing("tree build", "tree launch"), []string{"analyzer", "detector", "restorer", "extender build", "extender run", "exporter"}},
	} {
		t.Run(test.api, func(t *testing.T) {
			t.Parallel()
			b := b.on(t)
			p := b.platform(test.api, fmt.Sprintf("baseplan-e2e/compat-extended:%s-%s", b.id, test.api))
			p.Builder, p.RunImage = builder, b.newRun(b.open+"/compat-run:"+test.api, "")
			b.Do(nil, "push", "-q", p.RunImage)
			if test.api < "0.13" {
				p.Env = []string{"CNB_EXPERIMENTAL_MODE=warn"}
			}
			if test.switched {
				volume, _, _ := strings.Cut(p.Mounts[0], ":")
				b.Put(volume, platformtest.Files{"env/BP_TREE_RUN_IMAGE": tree})
			}
			five := built(t, p.FivePhases(test.app))
			if !slices.Equal(five.Phases, test.phases) {
				t.Errorf("the platform ran %q, want %q\n%s", five.Phases, test.phases, five.Log)
			}
			says(t, five.Log, "home: /home/cnb", "build: tool: venv")
			b.hasTree(t, p.Name)
			p.Name += "-creator"
			t.Cleanup(func() { b.Try(nil, "rmi", "-f", p.Name) })
			p.Cache, p.LaunchCache, p.Kaniko = "", "", ""
			says(t, built(t, p.Creator(test.app)).Log, "home: /home/cnb", "build: tool: venv")
			b.hasTree(t, p.Name)
		})
	}
}

func (b *bed) hasTree(t *testing.T, name string) {
	t.Helper()
	b.runs(t, name)
	if got := b.Do(nil, "run", "--rm", "--network", "none", "--entrypoint", "launcher", name, "which", "tree"); got != "/usr/bin/tree" {
		t.Errorf("tree is %q", got)
	}
}

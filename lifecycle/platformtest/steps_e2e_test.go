//go:build e2e

package platformtest_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// publisher is a platform that builds to the guarded registry, and takes the run image from there.
func (b *bed) publisher(api, repository string) *platformtest.Platform {
	b.T.Helper()
	p := b.platform(api, b.guarded+"/"+repository)
	p.Publish, p.RunImage = true, b.pushed(b.run, "compat-run")
	return p
}

// digest is that of an image in the registry.
func (b *bed) digest(name string) string {
	b.T.Helper()
	digest, err := lifecycletest.DigestOf(strings.Replace(name, b.guarded, b.open, 1))
	if err != nil {
		b.T.Fatal(err)
	}
	return digest
}

// publishesByPhases builds to a registry as pack does (--publish, with a cache image and credentials in the
// environment) and as kpack does (the CNB user everywhere, credentials in docker's configuration).
func (b *bed) publishesByPhases(t *testing.T) {
	for name, prepare := range map[string]func(*bed) *platformtest.Platform{
		"pack": func(b *bed) *platformtest.Platform {
			p := b.publisher("0.15", "pack")
			p.CacheImage, p.Tags = b.guarded+"/pack-cache", []string{p.Name + ":tag"}
			p.Auth = fmt.Sprintf(`{%q:"Basic %s"}`, b.guarded, base64.StdEncoding.EncodeToString([]byte(user+":"+secret)))
			flags := []string{"-insecure-registry", b.guarded, "-uid", "1000", "-gid", "1000"}
			p.Flags = map[string][]string{"analyzer": flags, "restorer": flags, "exporter": flags, "creator": flags}
			return p
		},
		"kpack": func(b *bed) *platformtest.Platform {
			p := b.publisher("0.9", "kpack")
			p.User, p.Config = "1000:1000", b.Volume(platformtest.Files{"config.json": b.dockerConfig()})
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := b.on(t)
			p := prepare(b)
			says(t, built(t, p.FivePhases(b.app())).Log, "python: made", "home: /home/cnb", "build: verify: trusted")
			digest := b.digest(p.Name)
			second := built(t, p.FivePhases(b.app())).Log
			says(t, second, "python: restored with its files", "Reusing layer 'compat/interpreter:python'")
			if got := b.digest(p.Name); got != digest {
				t.Errorf("the second build makes %s, want %s\n%s", got, digest, second)
			}
			q := *p
			q.Name, q.Tags, q.Cache, q.CacheImage = p.Name+"-creator", nil, "", ""
			log := built(t, q.Creator(b.app())).Log
			if got := b.digest(q.Name); got != digest {
				t.Errorf("the creator makes %s, want %s\n%s", got, digest, log)
			}
			for _, tag := range p.Tags {
				if got := b.digest(tag); got != digest {
					t.Errorf("%s is %s, want %s", tag, got, digest)
				}
			}
			b.runs(t, b.pulled(p.Name))
		})
	}
}

// A pod runs the steps of one build in containers that have the same volumes.
type pod struct {
	*bed
	env     []string
	volumes []string
}

// step runs a script in an image as a user.
func (p *pod) step(image, user, script string) (log string, code int) {
	p.T.Helper()
	args := []string{"run", "--rm", "--network", "host", "-w", "/workspace", "--entrypoint", "sh"}
	if user != "" {
		args = append(args, "--user", user)
	}
	for _, v := range p.volumes {
		args = append(args, "-v", v)
	}
	for _, e := range p.env {
		args = append(args, "-e", e)
	}
	return p.Try(nil, append(args, image, "-euc", script)...)
}

// runsTekton runs the steps of the catalog's Task: those that are fixed before it is known what a build needs.
func (b *bed) runsTekton(t *testing.T) {
	builder := b.pushed(b.extending, "compat-builder")
	run := b.pushed(b.run, "compat-run")
	for _, test := range []struct {
		name, api, failed string
		app               platformtest.Files
		log               []string
	}{
		{"no extension", "0.12", "", b.app(), []string{"builds without an extension", "home: /home/cnb", "build: verify: trusted"}},
		{"build image", "0.15", "", b.needing("tree build"), []string{"builds with an extension", "home: /home/cnb", "build: tool: venv"}},
		// No step extends the run image.
		{"run image", "0.15", "export", b.needing("tree launch"), []string{"failed to export", "run extender -kind run first"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := b.on(t)
			image := b.guarded + "/tekton:" + strings.ReplaceAll(test.name, " ", "-")
			source := b.Volume(test.app)
			pod := &pod{bed: b, env: []string{"CNB_PLATFORM_API=" + test.api, "DOCKER_CONFIG=/docker-config", "CNB_EXPERIMENTAL_MODE=warn"}, volumes: []string{
				b.Volume(nil) + ":/layers", source + ":/workspace/source", b.Volume(nil) + ":/cache", b.Volume(nil) + ":/kaniko", b.user() + ":/platform",
				b.Volume(platformtest.Files{"config.json": b.dockerConfig()}) + ":/docker-config",
			}}
			const extension = `[ -n "$(ls /layers/generated/*/build.Dockerfile /layers/generated/build/*/Dockerfile 2>/dev/null)" ]`
			var log string
			for _, s := range []struct{ name, user, script string }{
				{"prepare", "0", "chown -R 1000:1000 /layers /cache /kaniko /workspace/source"},
				{"analyze", "", "exec /cnb/lifecycle/analyzer -layers= -cache-image= -run-image=" + run + " " + image},
				{"detect", "", "exec /cnb/lifecycle/detector -app=/workspace/source -layers= -platform=/platform"},
				{"restore", "", "exec /cnb/lifecycle/restorer -layers= -cache-dir=/cache -cache-image= -build-image=" + builder},
				{"extend", "0", "if ! " + extension + "; then echo builds without an extension; exit 0; fi; echo builds with an extension; exec /cnb/lifecycle/extender -kind=build -app=/workspace/source"},
				{"build", "", "if " + extension + "; then exit 0; fi; exec /cnb/lifecycle/builder -app=/workspace/source -layers="},
				{"export", "", "exec /cnb/lifecycle/exporter -app=/workspace/source -layers= -cache-dir=/cache -cache-image= -process-type= " + image},
			} {
				out, code := pod.step(builder, s.user, s.script)
				log += out
				if (code != 0) != (s.name == test.failed) {
					t.Fatalf("step %s: exit code %d\n%s", s.name, code, log)
				}
			}
			says(t, log, test.log...)
			if test.failed != "" {
				if digest, err := lifecycletest.DigestOf(strings.Replace(image, b.guarded, b.open, 1)); err == nil {
					t.Errorf("an image without what it needs was pushed: %s", digest)
				}
				return
			}
			name := b.pulled(image)
			got := b.Do(nil, "run", "--rm", "--network", "none", "-e", "PHRASES=given", name)
			if want := "venv says hello to everyone in /workspace/source: first, given, last"; got != want {
				t.Errorf("the app prints %q, want %q", got, want)
			}
		})
	}
}

// runsSpringBoot runs the creator as root in the builder, with the daemon's socket and without HOME.
func (b *bed) runsSpringBoot(t *testing.T) {
	const name = "docker.io/baseplan-e2e/compat-boot"
	image := name + ":" + b.id
	t.Cleanup(func() { b.Try(nil, "rmi", "-f", image) })
	cache, launchCache := b.Volume(nil), b.Volume(nil)
	var ids []string
	for _, python := range []string{"made", "restored with its files"} {
		source := b.Volume(b.app())
		b.Shell(source, "chown -R 1000:1000 .")
		pod := &pod{bed: b, env: []string{"CNB_PLATFORM_API=0.14"}, volumes: []string{
			b.Socket() + ":/var/run/docker.sock", b.Volume(nil) + ":/layers", source + ":/workspace", cache + ":/cache", launchCache + ":/launch-cache", b.user() + ":/platform",
		}}
		log, code := pod.step(b.builder, "0", "unset HOME; exec /cnb/lifecycle/creator -daemon -launch-cache /launch-cache -app /workspace -cache-dir /cache -run-image "+b.run+" "+image)
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, log)
		}
		says(t, log, "python: "+python, "home: /home/cnb", "build: verify: trusted")
		ids = append(ids, b.imageID(image))
	}
	if ids[0] != ids[1] {
		t.Errorf("the second build makes %s, want %s", ids[1], ids[0])
	}
	b.runs(t, image)
}

// runsCreatorStep runs the creator as a step of a CI job does: in one container of the builder, as its user, confined as
// docker confines by default, with another's HOME and an order that was written anew.
func (b *bed) runsCreatorStep(t *testing.T) {
	run := b.pushed(b.run, "compat-run")
	image := b.guarded + "/ci:commit"
	create := func(app platformtest.Files, ids ...string) (string, int) {
		source := b.Volume(app)
		b.Shell(source, "chown -R 1000:1000 .")
		pod := &pod{bed: b, env: []string{"DOCKER_CONFIG=/docker-config", "HOME=/root"}, volumes: []string{
			source + ":/workspace", b.user() + ":/platform", b.Volume(platformtest.Files{"config.json": b.dockerConfig()}) + ":/docker-config",
		}}
		order := "[[order]]\n"
		for _, id := range ids {
			order += fmt.Sprintf("[[order.group]]\nid = \"compat/%s\"\nversion = \"1.0.0\"\n", id)
		}
		return pod.step(b.extending, "", `umask 0
echo "lifecycle $(/cnb/lifecycle/lifecycle -version)"
cat >/tmp/order.toml <<'END'
`+order+`END
export CNB_PLATFORM_API=0.12
exec /cnb/lifecycle/creator -no-color -buildpacks /cnb/buildpacks -order /tmp/order.toml -platform /platform -skip-restore -run-image `+run+` -process-type worker -tag `+b.guarded+`/ci:branch `+image)
	}
	all := []string{"ca-certificates", "interpreter", "app", "procfile", "environment-variables"}
	log, code := create(b.app(), all...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	says(t, log, "lifecycle "+platformtest.Version, "home: /home/cnb", "build: verify: trusted", "Setting default process type 'worker'")
	digest := b.digest(image)
	if got := b.digest(b.guarded + "/ci:branch"); got != digest {
		t.Errorf("the other tag is %s, want %s", got, digest)
	}
	name := b.pulled(image)
	if got := b.Do(nil, "run", "--rm", "--network", "none", name, "works"); got != "works" {
		t.Errorf("the app prints %q", got)
	}
	if log, code = create(b.app(), all...); code != 0 || b.digest(image) != digest {
		t.Errorf("the second time: exit code %d, %s, want %s\n%s", code, b.digest(image), digest, log)
	}
	says(t, log, "python: made", "Reusing layer 'compat/interpreter:python'")

	app := b.app()
	delete(app, "Procfile")
	log, code = create(app, "procfile")
	var errs []string
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "ERROR:") { // all that this platform shows
			errs = append(errs, strings.TrimSpace(line))
		}
	}
	if code != 20 || len(errs) != 1 || !strings.Contains(errs[0], "no buildpack of the order is for the app in /workspace") {
		t.Errorf("nothing is detected: exit code %d, errors %q\n%s", code, errs, log)
	}
}

//go:build e2e

package platforms_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// TestGitLab runs the job's script as GitLab's docker executor does: in the job's image and as its user, in
// a checkout that is root's.
func TestGitLab(t *testing.T) {
	s := newSite(t)
	var checkout string
	var j job
	run := func(image string) (string, int) {
		j = gitlab(t, map[string]string{"builder": s.builder, "run-image": image})
		checkout = s.Volume(source())         // GitLab cleans it for each job
		s.Shell(checkout, "chmod -R a+rwX .") // GitLab's umask
		args := []string{"run", "--rm", "-i", "--network", "host", "-v", checkout + ":/builds/acme/app", "-w", "/builds/acme/app", "--entrypoint", j.Image.Entrypoint[0]}
		predefined := map[string]string{
			"CI_PROJECT_DIR": "/builds/acme/app", "CI_REGISTRY": s.registry, "CI_REGISTRY_IMAGE": s.registry + "/acme/app",
			"CI_REGISTRY_USER": user, "CI_REGISTRY_PASSWORD": secret, "CI_COMMIT_REF_SLUG": "main", "CI_COMMIT_SHA": "0123abc",
		}
		for name, value := range predefined {
			args = append(args, "-e", name+"="+value)
		}
		for name, value := range j.Variables {
			args = append(args, "-e", name+"="+os.Expand(value, func(v string) string { return predefined[v] }))
		}
		// GitLab runs after_script in a shell of its own, whatever came before.
		script := "(set -e\n" + strings.Join(j.Script, "\n") + "\n); code=$?; (set -e\n" + strings.Join(j.AfterScript, "\n") + "\n); exit $code\n"
		return s.Try(strings.NewReader(script), append(args, j.Image.Name, "sh")...)
	}
	if log, code := run(s.lacking); code != 0 {
		t.Errorf("without curl in the run image the exit code is %d\n%s", code, log)
	} else {
		contains(t, log, "EXTENDING")
		s.prints(t, s.registry+"/acme/app:0123abc", "/usr/bin/curl")
	}
	log, code := run(s.enough)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	contains(t, log, "sample/curl: skipped")
	s.prints(t, s.registry+"/acme/app:0123abc", "/usr/bin/curl")
	s.prints(t, s.registry+"/acme/app:main", "/usr/bin/curl")
	if out := s.Do(nil, "run", "--rm", "--entrypoint", "ls", s.registry+"/acme/app:main", "-A", "/workspace"); out != "main.sh" {
		t.Errorf("the app image has %q in /workspace", out)
	}
	for _, path := range j.Artifacts.Paths {
		if text := s.Get(checkout, path+"resolution.toml"); !strings.Contains(text, "satisfied") {
			t.Errorf("the artifact %s has no resolution: %s", path, text)
		}
	}
	if log, code := run(s.enough); code != 0 || !strings.Contains(log, "Reusing layer") {
		t.Errorf("the second time: exit code %d\n%s", code, log)
	}
}

// TestJenkins runs the stage's script as Jenkins does: in the agent's image, as the user of the agent, in a
// workspace at the path that it has outside.
func TestJenkins(t *testing.T) {
	s := newSite(t)
	text := read(t, "jenkins/Jenkinsfile")
	sh := regexp.MustCompile(`(?m)^ *sh '(.*)'$`).FindStringSubmatch(text)
	if sh == nil {
		t.Fatal("the Jenkinsfile runs no script")
	}
	files := source()
	files["image.sh"] = read(t, "jenkins/image.sh")
	workspace := s.Volume(files)
	s.Shell(workspace, "chown -R 1000:1000 .")
	run := func(app string, env ...string) (string, int) {
		args := []string{"run", "--rm", "--network", "host", "-u", "1000:1000", "-v", workspace + ":/var/jenkins/workspace/app", "-w", "/var/jenkins/workspace/app", "--entrypoint", "sh"}
		for _, e := range append(env, "IMAGE="+s.registry+"/"+app, "REGISTRY_USER="+user, "REGISTRY_PASSWORD="+secret) {
			args = append(args, "-e", e)
		}
		return s.Try(nil, append(args, s.builder, "-c", sh[1])...)
	}
	log, code := run("jenkins:1", "RUN_IMAGE="+s.enough, "TAG="+s.registry+"/jenkins:latest", "PROCESS_TYPE=web")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	contains(t, log, "sample/curl: skipped")
	if strings.Contains(log, "\x1b[") {
		t.Errorf("the log has colours:\n%q", log)
	}
	s.prints(t, s.registry+"/jenkins:1", "/usr/bin/curl")
	s.prints(t, s.registry+"/jenkins:latest", "/usr/bin/curl")
	log, code = run("jenkins:2", "RUN_IMAGE="+s.lacking)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	contains(t, log, "EXTENDING")
	s.prints(t, s.registry+"/jenkins:2", "/usr/bin/curl")
}

// TestSpringBoot builds with the settings of both build files as Spring Boot does: the creator of the builder, as
// root, to a daemon. The builder is one that had another lifecycle: builder/Dockerfile replaced it.
func TestSpringBoot(t *testing.T) {
	s := newSite(t)
	lifecycle := s.pushLifecycle(t)
	theirs := s.Image(s.registry+"/builder:theirs", "FROM "+s.builder+"\nUSER 0\nRUN rm /cnb/lifecycle/analyzer && printf '#!/bin/sh\\nexit 1\\n' | tee /cnb/lifecycle/analyzer > /cnb/lifecycle/creator\nUSER 1000:1000\n", nil)
	context := platformtest.Files{"baseplan.toml": read(t, "builder/baseplan.toml"), "Dockerfile": read(t, "builder/Dockerfile")}
	ours := s.registry + "/builder:ours"
	dir := s.T.TempDir()
	for name, text := range context {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.Do(nil, "build", "-q", "--build-arg", "builder="+theirs, "--build-arg", "lifecycle="+lifecycle, "--tag", ours, dir)
	t.Cleanup(func() { s.Try(nil, "rmi", "-f", ours) })

	settings := maven(t)
	at := func(name string) string {
		return strings.NewReplacer("registry.example", s.registry, "${project.version}", "1.0.0").Replace(name)
	}
	for _, run := range []string{s.enough, s.lacking} {
		p := &platformtest.Platform{
			Docker: s.Docker, API: "0.14", Builder: ours, UID: 1000, GID: 1000, Name: at(settings.Name),
			RunImage: run,
		}
		b := p.Creator(source())
		if b.Failed != "" {
			t.Fatalf("exit code %d\n%s", b.Exit, b.Log)
		}
		t.Cleanup(func() { s.Try(nil, "rmi", "-f", p.Name) })
		if got := s.Do(nil, "run", "--rm", "--network", "none", p.Name); got != "/usr/bin/curl" {
			t.Errorf("on %s the app prints %q", run, got)
		}
		if skipped := b.Has("sample/curl: skipped"); skipped != (run == s.enough) {
			t.Errorf("on %s the extension is skipped: %t\n%s", run, skipped, b.Log)
		}
	}
}

// pushLifecycle pushes the lifecycle image of the release, with more flags of cmd/dist, and gives its name.
func (s *site) pushLifecycle(t *testing.T, flags ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{
		"run", "./cmd/dist", "-out", t.TempDir(), "-version", "1.0.0", "-platforms", "linux/" + runtime.GOARCH, "-push", s.registry + "/lifecycle:1.0.0",
	}, flags...)...)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pushing the lifecycle image: %v\n%s", err, out)
	}
	name := s.registry + "/lifecycle:1.0.0"
	s.Do(nil, "pull", "-q", name)
	t.Cleanup(func() { s.Try(nil, "rmi", "-f", name) })
	return name
}

// TestGitHub runs the workflow's scripts and the action in order, on this machine as a runner, with the release served
// where the action looks for it.
func TestGitHub(t *testing.T) {
	s := newSite(t)
	releases := httptest.NewServer(http.StripPrefix("/v1.0.0/", http.FileServer(http.Dir(s.release))))
	t.Cleanup(releases.Close)
	w := workflow(t)
	image := strings.NewReplacer("ghcr.io", s.registry, "${{ github.repository }}", "acme/images").Replace(w.Env["IMAGE"])
	t.Cleanup(func() { s.Try(nil, "rmi", "-f", image) })
	gh := newRunner(t, "DOCKER_BUILDKIT=0", "DOCKER_API_VERSION=1.41", "IMAGE="+image, "RUNNER_ARCH="+map[string]string{"amd64": "X64", "arm64": "ARM64"}[runtime.GOARCH])
	dockerfile := "FROM " + platformtest.Debian(s.Docker) + "\nLABEL io.buildpacks.base.distro.name=debian io.buildpacks.base.distro.version=12\nUSER 1000:1000\n"
	if err := os.MkdirAll(filepath.Join(gh.dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(gh.dir, "run", "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	ran, log := 0, ""
	for _, step := range w.Jobs["publish"].Steps {
		var out string
		var err error
		switch {
		case step.Run != "":
			out, err = gh.bash(t, step.Run)
		case strings.HasPrefix(step.Uses, "baseplan/baseplan@"):
			with := map[string]string{"releases": releases.URL}
			for name, text := range step.With {
				with[name] = strings.ReplaceAll(text, "${{ env.IMAGE }}", image)
			}
			out, err = gh.use(t, with)
		default:
			continue // checkout and login, which are GitHub's and docker's
		}
		if log += out; err != nil {
			t.Fatalf("%s: %v\n%s", step.Name, err, log)
		}
		ran++
	}
	if ran != 2 {
		t.Errorf("%d steps ran, want 2", ran)
	}

	r := s.taskRun(t, "tekton/creator.yaml", map[string]string{"APP_IMAGE": s.registry + "/app:github", "BUILDER_IMAGE": s.builder, "RUN_IMAGE": image, "RUN_SBOM": "attached"})
	log, failed := r.run(t)
	if failed != "" {
		t.Fatalf("step %q failed\n%s", failed, log)
	}
	contains(t, log, "inventory: referrer", "has no curl", "EXTENDING")
}

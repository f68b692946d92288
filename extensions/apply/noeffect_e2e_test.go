//go:build e2e && linux

package apply_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom/scan"
)

// What "no effect" allows to change: package lists and caches, logs and
// temporary files, apt's record of what was asked for; and what sqlite and lock
// files leave behind when a database is read. zypper links its cache to /repo.
var allowed = regexp.MustCompile(`^(?:var/lib/apt/(?:lists|extended_states|periodic)|var/cache/(?:apt|dnf|zypp|ldconfig)|var/log|tmp|var/tmp|run|repo)(?:/|$)|` +
	`^var/lib/(?:rpm|dnf)/(?:[a-z]+\.sqlite-shm|\.rpm\.lock)$`)

// baseOf is what an analysis knows of an image: its inventory as it is scanned, and its configuration.
func baseOf(t *testing.T, img v1.Image) extensions.Base {
	t.Helper()
	doc, err := scan.Image(t.Context(), img, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set, _ := provides.From(doc, nil, nil)
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := file.Config
	return extensions.Base{Set: set, Config: &extensions.Config{User: c.User, WorkingDir: c.WorkingDir, Env: c.Env, Labels: c.Labels, Shell: c.Shell}}
}

// harmless are Dockerfiles of ../testdata that have no effect on an image that
// has the packages, by name.
func harmless(t *testing.T, on, missed string) map[string]string {
	t.Helper()
	found := map[string]string{}
	archive, err := txtar.ParseFile("../testdata/harmless.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if image, name, _ := strings.Cut(f.Name, "/"); image == on {
			found[name] = "ARG base_image\nFROM ${base_image}\nUSER root\n" + string(f.Data) + "ARG user_id\nUSER ${user_id}\n"
		}
	}
	files, err := filepath.Glob("../testdata/missed/" + missed + "-*.Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(file)] = string(content)
	}
	return found
}

// unchanged builds every Dockerfile that is called no-effect with docker, and
// compares. The others have to be those that are named.
func (d *daemon) unchanged(b *base, dockerfiles map[string]string, effects ...string) {
	d.t.Helper()
	on := baseOf(d.t, b.image)
	wantTree, wantConfig := d.kept(b.ref), d.config(b.ref)
	known := map[string]bool{}
	for _, name := range effects {
		known[name] = true
	}
	t := d.t
	for name, content := range dockerfiles {
		t.Run(name, func(t *testing.T) {
			d := *d
			d.t = t
			file, err := extensions.Parse("run.Dockerfile", []byte(content), extensions.Run)
			if err != nil {
				t.Fatal(err)
			}
			v := extensions.Check(file, on, nil, extensions.ByEffect)
			if none := v.Outcome == extensions.NoEffect; none == known[name] {
				t.Errorf("the verdict is %s: %v", v.Outcome, v.Reasons)
			}
			if v.Outcome != extensions.NoEffect {
				return
			}
			got := d.built(b, content)
			if diff := cmp.Diff(wantTree, d.kept(got)); diff != "" {
				t.Errorf("the file tree differs (-before +after):\n%s", diff)
			}
			config := d.config(got)
			config["Shell"] = wantConfig["Shell"]                               // which only later instructions heed
			config["WorkingDir"] = path.Clean(fmt.Sprint(config["WorkingDir"])) // some builders keep a slash at its end
			if diff := cmp.Diff(wantConfig, config); diff != "" {
				t.Errorf("the configuration differs (-before +after):\n%s", diff)
			}
		})
	}
}

// built builds a Dockerfile with docker or, where Debian's does not know its
// syntax, with ours.
func (d *daemon) built(b *base, dockerfile string) (ref string) {
	d.t.Helper()
	if !strings.Contains(dockerfile, "<<") {
		return d.want(b, d.t.TempDir(), dockerfile)
	}
	r, output := d.apply(b, d.t.TempDir(), dockerfile, "/layers/root", "--network=host")
	if r.Error != "" {
		d.t.Fatalf("%s\n%s", r.Error, output)
	}
	return d.extended(b, r)
}

// kept is the tree of an image without what "no effect" allows to change.
func (d *daemon) kept(ref string) map[string]node {
	d.t.Helper()
	nodes := d.tree(ref)
	for name := range nodes {
		if allowed.MatchString(name) {
			delete(nodes, name)
		}
	}
	return nodes
}

var runConfig = v1.Config{
	User: "1000", WorkingDir: "/workspace", Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}, Labels: map[string]string{"os": "linux"},
}

// TestNoEffectOnDebian holds the proof by effect against apt and dpkg.
func TestNoEffectOnDebian(t *testing.T) {
	d := newDaemon(t)
	b := d.load("baseplan-e2e/debian:tree", lifecycletest.Rootfs(t, "debian-curl-tree", "curl", "tree"), runConfig)
	all := harmless(t, "debian", "deb")
	curl := baseOf(t, b.image).Set.Answer("curl", "")
	if !curl.Met {
		t.Fatal("the image has no curl")
	}
	for name, content := range all { // whatever the mirror has
		all[name] = strings.ReplaceAll(content, "7.88.1-10+deb12u15", curl.By[0].Full)
	}
	all["recommends"] = strings.Replace(all["install"], "curl", "curl openssl apt", 1)
	d.unchanged(b, all, "deb-label-maint.Dockerfile", "deb-apt-autoremove.Dockerfile")
}

// TestNoEffectOnRPM holds it against dnf, zypper and rpm, on packages made here.
func TestNoEffectOnRPM(t *testing.T) {
	d := newDaemon(t)
	tools := d.load("baseplan-e2e/debian:rpm", lifecycletest.Rootfs(t, "debian-rpm-tools", "dnf", "zypper", "createrepo-c", "rpm"), runConfig)
	context := t.TempDir()
	for file, content := range rpmSources {
		writeFile(t, filepath.Join(context, file), content)
	}
	ref := d.want(tools, context, rpmDockerfile)
	saved := filepath.Join(t.TempDir(), "image.tar")
	d.docker(nil, "save", "-o", saved, ref)
	img, err := tarball.ImageFromPath(saved, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := harmless(t, "ubi", "rpm")
	for name, content := range all {
		if regexp.MustCompile(`\b(?:microdnf|tdnf|yum|dnf5)\b[^/]`).MatchString(content) {
			delete(all, name)
		}
	}
	for _, manager := range []string{"dnf", "zypper"} { // one that came as a dependency
		all[manager+" of a dependency"] = strings.Replace(all["rpm-dnf-in.Dockerfile"], "dnf in -y bash", manager+" install -y openssl-libs", 1)
	}
	d.unchanged(&base{ref: ref, image: img, config: runConfig}, all)
}

// rpmDockerfile makes packages, a repository, and an image that has the packages.
const rpmDockerfile = `ARG base_image
FROM ${base_image}
USER root
RUN mkdir -p /etc/rpm && echo '%_dbpath /var/lib/rpm' >> /etc/rpm/macros && rm -rf /root/.rpmdb
COPY . /src/
RUN cd /src && for s in *.spec; do rpmbuild --define '_rpmdir /repo' --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' -bb $s; done && createrepo_c /repo
RUN mkdir -p /etc/yum.repos.d /etc/zypp/repos.d && cp /src/test.repo /etc/yum.repos.d/ && cp /src/test.repo /etc/zypp/repos.d/ && rm -rf /src /root/rpmbuild
RUN dnf -y install openssl tzdata which bash nodejs && zypper -n refresh
USER 1000
`

var rpmSources = map[string]string{
	"test.repo":         "[test]\nname=test\nbaseurl=file:///repo\nenabled=1\ngpgcheck=0\nautorefresh=0\n",
	"openssl.spec":      rpmSpec("openssl", "1:3.0.7-27.el9", "x86_64", "/usr/bin/openssl", "Requires: openssl-libs"),
	"openssl-libs.spec": rpmSpec("openssl-libs", "1:3.0.7-27.el9", "x86_64", "/usr/lib64/libssl.so.3", "Provides: libssl.so.3()(64bit)"),
	"tzdata.spec":       rpmSpec("tzdata", "0:2024a-1.el9", "noarch", "/usr/share/tz", ""),
	"which.spec":        rpmSpec("which", "0:2.21-29.el9", "x86_64", "/usr/bin/which-rpm", ""),
	"bash.spec":         rpmSpec("bash", "0:5.1.8-6.el9", "x86_64", "/usr/bin/bash-rpm", ""),
	"nodejs.spec":       rpmSpec("nodejs", "1:16.20.2-8.el9_4", "x86_64", "/usr/bin/node", ""),
}

func rpmSpec(name, evr, arch, file, more string) string {
	epoch, rest, _ := strings.Cut(evr, ":")
	version, release, _ := strings.Cut(rest, "-")
	return "Name: " + name + "\nEpoch: " + epoch + "\nVersion: " + version + "\nRelease: " + release + "\nSummary: a package of a test\nLicense: none\nBuildArch: " + arch +
		"\nAutoReqProv: no\n" + more + "\n%description\nA package of a test.\n%install\nmkdir -p %{buildroot}" + filepath.Dir(file) + "\necho x >%{buildroot}" + file + "\n%files\n" + file + "\n"
}

package extensions

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
)

// fault is a case of ../testdata/faults/dockerfiles: the extensions a and b, as
// far as they are there, and an app that requires what they provide.
func fault(t *testing.T, name string, base Base, requires map[string][]string) Case {
	t.Helper()
	c := Case{Run: base, Resolution: &resolver.Resolution{}}
	for _, id := range []string{"a", "b"} {
		content, err := os.ReadFile(filepath.Join("../testdata/faults/dockerfiles", name, id+".run.Dockerfile"))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		d, err := Parse(id+"/run.Dockerfile", content, Run)
		if err != nil {
			t.Fatal(err)
		}
		d.Extension = resolver.Module{Kind: resolver.Extension, ID: id}
		c.Dockerfiles = append(c.Dockerfiles, d)
		for _, required := range requires[id] {
			c.Resolution.Requirements = append(c.Resolution.Requirements, resolver.Requirement{
				Name: required, By: resolver.Module{Kind: resolver.Buildpack, ID: "app"}, Contexts: []resolver.Context{resolver.Launch}, Providers: []resolver.Module{d.Extension},
			})
		}
	}
	return c
}

// TestFaults: a Dockerfile that does more than install is not skipped since the
// image has the name, and one that others build on is applied with them.
func TestFaults(t *testing.T) {
	run := func(packages ...string) Base { return known("run", packages...) }
	for _, tt := range []struct {
		name     string
		base     Base
		requires map[string][]string
		want     string
		reasons  []string // the first of each
		byPlan   string
	}{
		{"ca", run("ca-certificates"), map[string][]string{"a": {"ca-certificates"}}, "apply", []string{
			"does more than install what provides ca-certificates: line 5: puts files into the image; line 6: update-ca-certificates is not understood; " +
				"line 7: the image has no NODE_EXTRA_CA_CERTS",
		}, "satisfied"},
		{"loc", run("locales"), map[string][]string{"a": {"locales"}}, "apply", []string{
			"does more than install what provides locales: line 4: sed is not understood; locale-gen is not understood; line 5: the image has no LANG",
		}, "satisfied"},
		{"order", run("tree"), map[string][]string{"a": {"tree"}, "b": {"hello"}}, "apply apply", []string{
			"does more than install what provides tree: line 4: the redirection /opt/acme-repo.list is not understood",
			"hello, required by app at launch, is not met: the image has no hello",
		}, "apply apply"},
	} {
		c := fault(t, tt.name, tt.base, tt.requires)
		got := Judge(c)
		if outcomes(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, outcomes(got), tt.want)
			continue
		}
		for i, want := range tt.reasons {
			if reason := got.Verdicts[i].Reasons[0]; reason != want {
				t.Errorf("%s: %q, want %q", tt.name, reason, want)
			}
		}
		if c.Proof = ByPlan; outcomes(Judge(c)) != tt.byPlan {
			t.Errorf("%s: by plan: %s, want %s", tt.name, outcomes(Judge(c)), tt.byPlan)
		}
	}
}

// TestUnpinnedInstallLooksForNoNewerVersion: nothing is installed, and the verdict says that nobody
// looked for a newer version.
func TestUnpinnedInstallLooksForNoNewerVersion(t *testing.T) {
	content, err := os.ReadFile("../testdata/faults/dockerfiles/fix/run.Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	d := parse(t, Run, string(content))
	want := []string{nothingChanges, "unpinned installs do not look for newer versions: libssl3 1.2-3, openssl 1.2-3 are already installed"}
	if v := Check(d, known("run", "openssl", "libssl3"), nil, ""); v.Outcome != NoEffect || cmp.Diff(want, v.Reasons) != "" {
		t.Errorf("%s: %q", v.Outcome, v.Reasons)
	}
	pinned := onBase(t, "USER root", "RUN apt-get install -y openssl=1.2-3", reset)
	if v := Check(pinned, known("run", "openssl"), nil, ""); len(v.Reasons) != 1 {
		t.Errorf("pinned: %q", v.Reasons)
	}
}

// TestInstalls holds by plan where all that a Dockerfile does is to install what
// provides the names, and nowhere else.
func TestInstalls(t *testing.T) {
	jre := known("run", "openjdk-17-jre-headless", "curl")
	debian := func(lines ...string) string {
		return "ARG base_image\nFROM ${base_image}\nUSER root\n" + strings.Join(lines, "\n") + "\n" + reset
	}
	for _, tt := range []struct {
		name, dockerfile, requires string
		base                       Base
		want                       Outcome
		reason                     string // one of them; empty: any
	}{
		{"another version of an installed package", debian("RUN apt-get update && apt-get install -y openjdk-21-jre-headless && rm -rf /var/lib/apt/lists/*"), "jre", jre, Satisfied,
			"unpinned installs do not look for newer versions: openjdk-17-jre-headless 1.2-3 is already installed"},
		{"another version of the same package", debian("RUN apt-get install -y openjdk-17-jre-headless=9"), "jre", jre, Satisfied, ""},
		{"and one more that is there", debian("RUN apt-get install -y openjdk-21-jre-headless curl"), "jre", jre, Satisfied,
			"unpinned installs do not look for newer versions: curl 1.2-3, openjdk-17-jre-headless 1.2-3 are already installed"},
		{"and one more that is not", debian("RUN apt-get install -y openjdk-21-jre-headless tree"), "jre", jre, Apply,
			"does more than install what provides jre: line 4: installs tree, which would not provide jre"},
		{"in another line", debian("RUN apt-get install -y openjdk-21-jre-headless", "RUN apt-get install -y tree"), "jre", jre, Apply, ""},
		{"a meta-package that the mapping does not know", debian("RUN apt-get install -y default-jre-headless"), "jre", jre, Apply,
			"does more than install what provides jre: line 4: installs default-jre-headless, which would not provide jre"},
		{"of another architecture", debian("RUN apt-get install -y openjdk-21-jre-headless:arm64"), "jre", jre, Apply, ""},
		{"of its own architecture", debian("RUN apt-get install -y openjdk-21-jre-headless:amd64"), "jre", jre, Satisfied, ""},
		{"a removal", debian("RUN apt-get install -y openjdk-17-jre-headless-"), "jre", jre, Apply, ""},
		{"a file", debian("RUN apt-get install -y ./openjdk-21-jre-headless.deb"), "jre", jre, Apply, ""},
		{"a pattern", debian("RUN apt-get install -y 'openjdk-*-jre-headless'"), "jre", jre, Apply, ""},
		{"files", debian("COPY x /"), "jre", jre, Apply, "does more than install what provides jre: line 4: puts files into the image"},
		{"more files", debian("ADD x /"), "jre", jre, Apply, ""},
		{"env", debian("ENV JAVA_HOME=/x"), "jre", jre, Apply, "does more than install what provides jre: line 4: the image has no JAVA_HOME"},
		{"label", debian("LABEL x=y"), "jre", jre, Apply, ""},
		{"user", "ARG base_image\nFROM ${base_image}\nUSER root\n", "jre", jre, Apply, ""},
		{"a command", debian("RUN update-alternatives --set java /x"), "jre", jre, Apply, ""},
		{"a command among others", debian("RUN apt-get update && java-config && apt-get install -y openjdk-21-jre-headless"), "jre", jre, Apply, ""},
		{"everything that is more", debian("RUN frob", "COPY x /", "RUN apt-get install -y tree gd"), "jre", jre, Apply,
			"does more than install what provides jre: line 4: frob is not understood; line 5: puts files into the image; line 6: installs tree, which would not provide jre; line 6: installs gd, which would not provide jre"},
		{"a command if the install fails", debian("RUN apt-get install -y openjdk-21-jre-headless || frob"), "jre", jre, Apply, ""},
		{"a command if the install succeeds", debian("RUN if apt-get install -y openjdk-21-jre-headless; then frob; fi"), "jre", jre, Apply, ""},
		{"a command in a loop of installs", debian("RUN for p in 17 21; do apt-get install -y openjdk-$p-jre-headless && frob $p; done"), "jre", jre, Apply, ""},
		{"installs in a loop", debian("RUN for p in 17 21; do apt-get install -y openjdk-$p-jre-headless; done"), "jre", jre, Satisfied, ""},
		{"another package manager", debian("RUN apk add openjdk21-jre-headless"), "jre", jre, Apply, ""},
		{"not root", "ARG base_image\nFROM ${base_image}\nRUN apt-get install -y openjdk-21-jre-headless\n", "jre", jre, Apply, ""},
		{"package URL", debian("RUN apt-get install -y curl=9"), "pkg:deb/debian/curl", jre, Satisfied, ""},
		{"rpm", debian("RUN dnf install -y nodejs-1:18.20.4-1.el9"), "node", bases(t)["ubi"], Satisfied, ""},
		{"rpm, with an architecture", debian("RUN dnf install -y nodejs-18.20.4.x86_64"), "node", bases(t)["ubi"], Satisfied, ""},
		{"rpm, another package", debian("RUN dnf install -y nodejs-docs"), "node", bases(t)["ubi"], Apply, ""},
		{"rpm, of another architecture", debian("RUN dnf install -y nodejs.i686"), "node", bases(t)["ubi"], Apply, ""},
		{"rpm, a group", debian("RUN dnf install -y @nodejs"), "node", bases(t)["ubi"], Apply, ""},
		{"apk", debian("RUN apk add 'zlib>9'"), "zlib", bases(t)["alpine"], Satisfied, ""},
		{"apk, another package", debian("RUN apk add zlib-dev"), "zlib", bases(t)["alpine"], Apply, ""},
	} {
		d := parse(t, Run, tt.dockerfile)
		d.Extension = resolver.Module{Kind: resolver.Extension, ID: "e"}
		v := Judge(Case{Dockerfiles: []*Dockerfile{d}, Run: tt.base, Resolution: &resolver.Resolution{Requirements: []resolver.Requirement{
			{Name: tt.requires, By: resolver.Module{ID: "app"}, Providers: []resolver.Module{d.Extension}},
		}}}).Verdicts[0]
		if v.Outcome != tt.want || tt.reason != "" && !strings.Contains("\n"+strings.Join(v.Reasons, "\n")+"\n", "\n"+tt.reason+"\n") {
			t.Errorf("%s: %s, want %s: %q", tt.name, v.Outcome, tt.want, v.Reasons)
		}
	}
}

// TestInstallsWithTheOperatorsMapping decides by what holds for the image.
func TestInstallsWithTheOperatorsMapping(t *testing.T) {
	packages := []sbom.Package{{Type: sbom.Deb, Name: "acme-jvm-17", Version: "1", PURL: "pkg:deb/acme/acme-jvm-17@1"}}
	for _, tt := range []struct {
		pattern string
		want    Outcome
	}{
		{"pkg:deb/acme/acme-jvm-*", Satisfied},
		{"pkg:deb/other/acme-jvm-*", Apply},
		{"pkg:deb/acme/acme-jvm-17", Apply},
	} {
		set, _ := provides.From(&sbom.Document{Packages: packages}, []provides.Mapping{{Name: "jre", Packages: []string{tt.pattern}}}, nil)
		d := onBase(t, "USER root", "RUN apt-get install -y acme-jvm-21", reset)
		d.Extension = resolver.Module{Kind: resolver.Extension, ID: "e"}
		v := Judge(Case{Dockerfiles: []*Dockerfile{d}, Run: Base{Set: set, Config: &Config{User: "1000"}}, Resolution: &resolver.Resolution{Requirements: []resolver.Requirement{
			{Name: "jre", By: resolver.Module{ID: "app"}, Providers: []resolver.Module{d.Extension}},
		}}}).Verdicts[0]
		if v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %q", tt.pattern, v.Outcome, tt.want, v.Reasons)
		}
	}
}

// TestMaxAge lets installs that are not pinned count on young images only.
func TestMaxAge(t *testing.T) {
	built := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return built.Add(-d) }
	const day = 24 * time.Hour
	label := func(value string) map[string]string { return map[string]string{createdLabel: value} }
	for _, tt := range []struct {
		name   string
		config *Config
		max    time.Duration
		want   Outcome
	}{
		{"any age", &Config{}, 0, NoEffect},
		{"young", &Config{Created: ago(29 * day)}, 30 * day, NoEffect},
		{"just too old", &Config{Created: ago(30 * day)}, 30 * day, Apply},
		{"old", &Config{Created: ago(31 * day)}, 30 * day, Apply},
		{"the configuration counts first", &Config{Created: ago(31 * day), Labels: label("2026-03-30T00:00:00Z")}, 30 * day, Apply},
		{"reproducible, with a label", &Config{Created: time.Date(1980, 1, 1, 0, 0, 1, 0, time.UTC), Labels: label("2026-03-30T00:00:00Z")}, 30 * day, NoEffect},
		{"no date, with a label", &Config{Labels: label("2026-03-30T00:00:00+02:00")}, 30 * day, NoEffect},
		{"old label", &Config{Labels: label("2026-01-30T00:00:00Z")}, 30 * day, Apply},
		{"reproducible label", &Config{Labels: label("1980-01-01T00:00:00Z")}, 30 * day, Apply},
		{"no time in the label", &Config{Labels: label("yesterday")}, 30 * day, Apply},
		{"reproducible", &Config{Created: time.Unix(0, 0)}, 30 * day, Apply},
		{"no date", &Config{}, 30 * day, Apply},
		{"a clock that is fast", &Config{Created: ago(-time.Hour)}, 30 * day, NoEffect},
		{"from the future", &Config{Created: ago(-48 * time.Hour)}, 30 * day, Apply},
	} {
		base := known("run", "curl")
		tt.config.User = "1000"
		base.Config = tt.config
		unpinned, pinned := onBase(t, "USER root", "RUN apt-get install -y curl", reset), onBase(t, "USER root", "RUN apt-get install -y curl=1.2-3", reset)
		c := Case{MaxAge: tt.max, Built: built}
		if v := c.Check(unpinned, base); v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %q", tt.name, v.Outcome, tt.want, v.Reasons)
		}
		if v := c.Check(pinned, base); v.Outcome != NoEffect {
			t.Errorf("%s: pinned: %s: %q", tt.name, v.Outcome, v.Reasons)
		}
	}
	if v := (Case{MaxAge: day}).Check(onBase(t, "USER root", "RUN apt-get install -y curl", reset), Base{Set: known("", "curl").Set, Config: &Config{Created: built}}); v.Outcome != Apply {
		t.Errorf("no time of the build: %s", v.Outcome)
	}
}

// TestMaxAgeAndPlan: on an old image, installs that are not pinned prove nothing
// under Installs either, and the operator's ByPlan lets them.
func TestMaxAgeAndPlan(t *testing.T) {
	for _, tt := range []struct {
		line  string
		proof Proof
		want  Outcome
	}{
		{"RUN apt-get install -y curl", "", Apply},
		{"RUN apt-get install -y curl=1.2-3", "", Satisfied},
		{"RUN apt-get install -y curl=9", "", Satisfied},
		{"RUN apt-get install -y curl", ByPlan, Satisfied},
	} {
		c := group(t, "r:curl:-")
		c.Proof, c.MaxAge, c.Built = tt.proof, time.Hour, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		d := onBase(t, "USER root", tt.line, reset)
		d.Extension = c.Dockerfiles[0].Extension
		c.Dockerfiles[0] = d
		if v := Judge(c).Verdicts[0]; v.Outcome != tt.want {
			t.Errorf("%s, %s: %s, want %s: %q", tt.line, tt.proof, v.Outcome, tt.want, v.Reasons)
		}
	}
}

// TestEffectsThatNoImageMakesUnnecessary names the effects that no other image makes unnecessary.
func TestEffectsThatNoImageMakesUnnecessary(t *testing.T) {
	for _, tt := range []struct {
		line  string
		proof Proof
		met   bool // something is required of the extension
		want  []string
	}{
		{"COPY x /", "", true, []string{"line 3: puts files into the image"}},
		{"COPY x /", ByEffect, true, []string{"line 3: puts files into the image"}},
		{"COPY x /", ByPlan, true, nil},
		{"COPY x /", ByPlan, false, []string{"line 3: puts files into the image"}},
		{"ENV A=b", "", true, nil},                     // an image could have it
		{"RUN command -v tree || frob", "", true, nil}, // or tree
		{"RUN if [ ! -x /usr/bin/tree ]; then frob; fi", "", true, nil},
		{"RUN dpkg -s tree || { frob && frab; }", "", true, nil},
		{"RUN command -v tree && frob", "", true, nil},
		{"RUN command -v tree; frob", "", true, []string{"line 3: frob is not understood"}},
		{"RUN frob || true", "", true, []string{"line 3: frob is not understood"}},
		{"RUN [ a = b ] || frob", "", true, []string{"line 3: frob is not understood"}},
		{"USER root\nRUN apt-get install -y tree\n" + reset, "", true, nil},
		{"USER root\nRUN apt-get install -y tree\n" + reset, Strict, true, nil},
		{"USER root\nRUN frob\nRUN apt-get install -y tree\nRUN frab\n" + reset, "", true, []string{"line 4: frob is not understood", "line 6: frab is not understood"}},
	} {
		c := group(t, "r:gd:-")
		if !tt.met {
			c.Resolution.Requirements = nil
		}
		c.Proof = tt.proof
		d := onBase(t, tt.line)
		d.Extension = c.Dockerfiles[0].Extension
		c.Dockerfiles[0] = d
		v := Judge(c).Verdicts[0]
		if diff := cmp.Diff(tt.want, v.Beyond); diff != "" || v.Outcome != Apply {
			t.Errorf("%s under %q: %s: -want +got:\n%s", tt.line, tt.proof, v.Outcome, diff)
		}
	}
	if v := Judge(group(t, "r:curl:install!")).Verdicts[0]; len(v.Beyond) != 1 {
		t.Errorf("always-apply: %q", v.Beyond)
	}
	for _, v := range Judge(group(t, "r:gd:copy r:curl:install r:-:install")).Verdicts[1:] {
		if !v.Along || v.Beyond != nil {
			t.Errorf("%s, beyond %q", v.Outcome, v.Beyond)
		}
	}
}

func TestDockerfilesThatNoImageMakesUnnecessary(t *testing.T) {
	c := group(t, "r:gd:copy r:curl:install! r:gd:- b:tree:install+copy")
	c.Proof = ""
	want := []string{"e/0 does more than install: line 3: puts files into the image", "e/1: always-apply is set in the extension's extension.toml"}
	if diff := cmp.Diff(want, Judge(c).NeverEnough(Run)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

package extensions

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/baseplan/baseplan/provides"
)

const reset = "ARG user_id\nUSER ${user_id}"

// A harmlessLine is what follows USER root and is no effect.
type harmlessLine struct{ name, on, line, reason string }

var harmlessLines = readHarmless()

// readHarmless reads lines that the e2e tests of package apply hold against real builds.
func readHarmless() []harmlessLine {
	archive, err := txtar.ParseFile("testdata/harmless.txtar")
	if err != nil {
		panic(err)
	}
	var lines []harmlessLine
	for _, f := range archive.Files {
		on, name, _ := strings.Cut(f.Name, "/")
		l := harmlessLine{name: name, on: on, line: strings.TrimSuffix(string(f.Data), "\n")}
		if rest, ok := strings.CutPrefix(l.line, "# reason: "); ok {
			l.reason, l.line, _ = strings.Cut(rest, "\n")
		}
		lines = append(lines, l)
	}
	return lines
}

func TestNoEffect(t *testing.T) {
	bases := bases(t)
	for _, c := range harmlessLines {
		t.Run(c.name, func(t *testing.T) {
			v := Check(onBase(t, "USER root", c.line, reset), bases[c.on], nil, ByPlan)
			if v.Outcome != NoEffect {
				t.Fatalf("verdict %s: %v", v.Outcome, v.Reasons)
			}
			if c.reason != "" && !slices.ContainsFunc(v.Instructions, func(i Instruction) bool { return i.Reason == c.reason }) {
				t.Errorf("no instruction has the reason %q: %v", c.reason, v.Instructions)
			}
		})
	}
}

// TestMountEffects has mounts over directories of which nothing depends, and over others.
func TestMountEffects(t *testing.T) {
	base := bases(t)["debian"]
	const install = " apt-get install -y curl"
	for flags, want := range map[string]Outcome{
		"--mount=type=cache,target=/var/cache/apt,sharing=locked":                                        NoEffect,
		"--mount=type=cache,target=/var/cache/apt --mount=type=cache,target=/var/lib/apt/lists,id=lists": NoEffect,
		"--mount=type=tmpfs,target=/tmp --mount=type=cache,target=/root/.cache/pip":                      NoEffect,
		"--mount=type=cache,target=/var/lib/dpkg":                                                        Apply,
		"--mount=type=tmpfs,target=/usr":                                                                 Apply,
		"--mount=type=tmpfs,target=/tmp/../usr":                                                          Apply,
		"--mount=type=tmpfs,target=tmp":                                                                  Apply,
		"--mount=type=bind,source=x,target=/tmp":                                                         Apply,
		"--mount=target=/tmp":                                                                            Apply,
		"--mount=type=cache,from=x,target=/tmp":                                                          Apply,
		"--mount=type=secret,id=x,target=/tmp":                                                           Apply,
		"--mount=type=ssh,target=/tmp":                                                                   Apply,
		"--mount=type=cache,target=/tmp --mount=type=tmpfs,target=/usr":                                  Apply,
		"--mount=type=cache,target=/tmp --network=none":                                                  Apply,
		"--mount=type=cache,target=${TARGETX}":                                                           Apply,
	} {
		if v := Check(onBase(t, "USER root", "RUN "+flags+install, reset), base, nil, ByPlan); v.Outcome != want {
			t.Errorf("%s: %s, want %s: %v", flags, v.Outcome, want, v.Reasons)
		}
	}
	if v := Check(onBase(t, "USER root", "RUN --mount=type=cache,target=/var/cache/apt apt-get install -y libgd3", reset), base, nil, ByEffect); v.Outcome != Apply {
		t.Errorf("an install of what is missing: %s", v.Outcome)
	}
}

// TestRuntimeEffects holds instructions on how containers run against the image's own configuration.
func TestRuntimeEffects(t *testing.T) {
	base := bases(t)["debian"]
	config := *base.Config
	config.ExposedPorts, config.Volumes, config.StopSignal, config.Author = []string{"53/udp", "80/tcp", "81/tcp"}, []string{"/data"}, "SIGQUIT", "Somebody"
	config.Healthcheck = `{"Test":["CMD-SHELL","curl localhost"],"Interval":5000000000,"Retries":3}`
	base.Config = &config
	for line, want := range map[string]string{
		"EXPOSE 80": "", "EXPOSE 53/UDP 80-81": "", "ARG p=80\nEXPOSE $p": "", "VOLUME /data": "", `VOLUME ["/data"]`: "", "STOPSIGNAL SIGQUIT": "", "MAINTAINER Somebody": "",
		"HEALTHCHECK --interval=5s --retries=3 CMD curl localhost": "",

		"EXPOSE 82":                      "does not expose 82/tcp",
		"EXPOSE 80/udp":                  "does not expose 80/udp",
		"EXPOSE 80 90-91":                "does not expose 90/tcp",
		"EXPOSE x":                       "not a port",
		"ARG TARGETX\nEXPOSE $TARGETX":   "the exposed ports are unknown",
		"VOLUME /data /other":            "has no volume /other",
		"STOPSIGNAL SIGTERM":             "stop signal is SIGQUIT",
		"STOPSIGNAL QUIT":                "stop signal is SIGQUIT",
		"MAINTAINER Another":             "author is Somebody",
		"HEALTHCHECK NONE":               "health check is",
		"HEALTHCHECK CMD curl localhost": "health check is",
		`HEALTHCHECK --interval=5s --retries=3 CMD ["curl", "localhost"]`:              "health check is",
		"HEALTHCHECK --interval=5s --retries=3 --start-interval=1s CMD curl localhost": "not understood",
		`ENTRYPOINT ["x"]`: "changes the image's configuration",
	} {
		v := Check(onBase(t, "USER root", line, reset), base, nil, ByPlan)
		if got := strings.Join(v.Reasons, "; "); want == "" && v.Outcome != NoEffect || !strings.Contains(got, want) || want != "" && v.Outcome != Apply {
			t.Errorf("%s: %s, %s; want %q", line, v.Outcome, got, want)
		}
		base := base
		base.Config = nil
		if v := Check(onBase(t, "USER root", line, reset), base, nil, ByPlan); v.Outcome == NoEffect {
			t.Errorf("%s: no effect on an image whose configuration is not known", line)
		}
	}
}

func TestReasonsOfEffects(t *testing.T) {
	bases := bases(t)
	for _, c := range []struct{ on, line, want string }{
		{"debian", "RUN apt-get install -y libgd3", "line 4: apt-get install: libgd3 is not installed"},
		{"debian", "RUN apt-get install -y curl=8", "line 4: apt-get install: the image has curl 7.88.1-10+deb12u15 (amd64), which is not curl=8"},
		{"debian", "RUN apt-get install -y libgd3 > /log 2>> /errors", "line 4: the redirection /log is not understood; the redirection /errors is not understood; apt-get install: libgd3 is not installed"},
		{"debian", "RUN apt-get --one --two=2 install -y curl", "line 4: apt-get: --one, --two=2 is not understood"},
		{"debian", "RUN rm -rf /etc/a /var/lib/apt/lists/* /etc/b", "line 4: rm: /etc/a is not a cache of a package manager; rm: /etc/b is not a cache of a package manager"},
		{"debian", "RUN make install", "line 4: make is not understood"},
		{"debian", "RUN apt-get upgrade", "line 4: apt-get upgrade is not understood"},
		{"debian", "RUN apt-get install --frob curl", "line 4: apt-get: --frob is not understood"},
		{"debian", "RUN cowsay --version", "line 4: cowsay is not understood"},
		{"debian", "RUN jq --version", "line 4: jq --version: the image has no cmd:jq"},
		{"debian", "RUN echo x > /etc/y", "line 4: the redirection /etc/y is not understood"},
		{"debian", "RUN apk update", "line 4: apk update: the image has no apk packages"},
		{"debian", "ENV LANG=de", "line 4: the image has LANG=C.UTF-8"},
		{"debian", "COPY x /", "line 4: puts files into the image"},
		{"debian", "USER 1001:${group_id}\nARG group_id\nUSER 1001:${group_id}", "line 6: ends as 1001:${group_id}, the image's own user is 1000"},
	} {
		lines := []string{"USER root", c.line}
		if !strings.Contains(c.line, "USER") {
			lines = append(lines, reset)
		}
		v := Check(onBase(t, lines...), bases[c.on], nil, ByPlan)
		if len(v.Reasons) == 0 || v.Reasons[len(v.Reasons)-1] != c.want {
			t.Errorf("%s: want %q, got %q", c.line, c.want, v.Reasons)
		}
	}
}

func TestUser(t *testing.T) {
	images := map[string]*Config{"named": {User: "cnb"}, "names": {User: "cnb:cnb"}, "numbers": {User: "1000:1001"}, "uid": {User: "1000"}, "root": {}, "unknown": nil}
	for _, c := range []struct {
		image, lines string
		effect       bool
	}{
		{"numbers", "USER root\nARG user_id\nUSER ${user_id}", true}, // the group is lost
		{"names", "USER root\nARG user_id\nUSER ${user_id}", true},
		{"names", "USER root\nARG user_id\nARG group_id\nUSER ${user_id}:${group_id}", false},
		{"numbers", "USER root\nARG user_id\nARG group_id\nUSER ${user_id}:${group_id}", false},
		{"uid", "USER root\nARG user_id=0\nUSER $user_id", false}, // the extender passes it
		{"numbers", "USER root\nUSER 1000:1001", false},
		{"numbers", "USER root\nARG user_id\nUSER ${user_id}:1001", false},
		{"numbers", "USER root\nARG user_id\nUSER ${user_id}:0", true},
		{"numbers", "USER root\nUSER 1000", true},
		{"numbers", "USER root\nARG group_id\nUSER ${group_id}", true},
		{"named", "USER root\nARG user_id\nUSER ${user_id}", false},
		{"named", "USER root\nUSER cnb", false},
		{"named", "USER root\nUSER 1000", true},
		{"uid", "USER root\nARG user_id\nARG group_id\nUSER ${user_id}:${group_id}", false},
		{"root", "USER root", true},
		{"root", "ARG user_id\nUSER ${user_id}", false},
		{"unknown", "USER root\nARG user_id\nUSER ${user_id}", false},
		{"unknown", "USER root\nUSER 1000", true},
	} {
		d := onBase(t, strings.Split(c.lines, "\n")...)
		if v := Check(d, Base{Config: images[c.image], Set: set(ubi...)}, nil, ByPlan); (v.Outcome != NoEffect) != c.effect {
			t.Errorf("%s: %q: %s %v", c.image, c.lines, v.Outcome, v.Reasons)
		}
	}
	overridden := parse(t, Run, "ARG base_image\nFROM ${base_image}\nUSER root\nARG user_id\nUSER ${user_id}", Arg{"user_id", "5"})
	if v := Check(overridden, bases(t)["debian"], nil, ByPlan); v.Outcome != Apply {
		t.Errorf("user_id from extend-config.toml: %s", v.Outcome)
	}
}

func TestBuildArgs(t *testing.T) {
	base := bases(t)["debian"]
	content := "ARG base_image\nARG tag=curl\nFROM ${base_image}\nUSER root\nARG tag\nARG pkg=libgd3\nRUN apt-get install -y $tag $pkg\n" + reset
	for _, c := range []struct {
		args []Arg
		want Outcome
	}{
		{nil, Apply},
		{[]Arg{{"pkg", "tree"}}, NoEffect},
		{[]Arg{{"pkg", "libgd3"}, {"pkg", "tree"}}, NoEffect},
		{[]Arg{{"pkg", "tree"}, {"tag", "libgd3"}}, Apply},
		{[]Arg{{"pkg", "tree;rm"}}, Apply},
	} {
		if v := Check(parse(t, Run, content, c.args...), base, nil, ByPlan); v.Outcome != c.want {
			t.Errorf("%v: %s %v", c.args, v.Outcome, v.Reasons)
		}
	}
	base.Config = nil // its environment may come before the build args
	if v := Check(parse(t, Run, content, Arg{"pkg", "tree"}), base, nil, ByPlan); v.Outcome != Apply {
		t.Errorf("without a config: %s", v.Outcome)
	}
}

func TestStrictRequiresPinnedInstalls(t *testing.T) {
	bases := bases(t)
	for _, c := range []struct {
		on, line string
		want     Outcome
	}{
		{"debian", "RUN apt-get install -y curl", Apply},
		{"debian", "RUN apt-get install -y curl=7.88.1-10+deb12u15", NoEffect},
		{"debian", "RUN apt-get install -y curl=7.88.1-10+deb12u15 tree", Apply},
		{"debian", "RUN apt-get install -y apt-transport-https", Apply},
		{"debian", "RUN dpkg -s curl || touch /etc/x", Apply}, // another version may have come meanwhile
		{"alpine", "RUN apk add 'zlib~1.2'", Apply},
		{"alpine", "RUN apk add zlib=1.2.8-r2", NoEffect},
		{"ubi", "RUN dnf install -y openssl-3.0.7", Apply},
		{"ubi", "RUN dnf install -y openssl-3.0.7-27.el9", NoEffect},
	} {
		if v := Check(onBase(t, "USER root", c.line, reset), bases[c.on], nil, Strict); v.Outcome != c.want {
			t.Errorf("%s: %s %v", c.line, v.Outcome, v.Reasons)
		}
	}
}

func TestInstructionsHaveLineAndText(t *testing.T) {
	d := onBase(t, "", "USER root", "RUN apt-get update && \\", "    apt-get install -y curl", "", reset)
	got := Check(d, bases(t)["debian"], nil, ByPlan).Instructions
	want := []Instruction{
		{Line: 4, Text: "USER root", Reason: "another USER follows"},
		{Line: 5, Text: "RUN apt-get update &&     apt-get install -y curl", Reason: "apt-get update: only package lists and caches; apt-get install: curl 7.88.1-10+deb12u15 is installed"},
		{Line: 8, Text: "ARG user_id", Reason: "declares a build arg"},
		{Line: 9, Text: "USER ${user_id}", Reason: "ends as the image's own user"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNestingIsLimited(t *testing.T) {
	base := bases(t)["debian"]
	for name, script := range map[string]string{
		"parentheses":   strings.Repeat("(", 30_000) + "rm /etc/x" + strings.Repeat(")", 30_000),
		"braces":        strings.Repeat("{ ", 10_000) + "rm /etc/x" + strings.Repeat("; }", 10_000),
		"and":           strings.Repeat("rm && \\\n", 5_000) + "rm /etc/x",
		"substitutions": strings.Repeat("$(", 30_000),
		"long":          strings.Repeat("true && \\\n", 10_000) + "true",
	} {
		if v := Check(onBase(t, "USER root", "RUN "+script, reset), base, nil, ByPlan); v.Outcome != Apply {
			t.Errorf("%s: %s", name, v.Outcome)
		}
	}
	if _, err := Parse("run.Dockerfile", make([]byte, maxDockerfile+1), Run); err == nil {
		t.Error("a Dockerfile that is too long was read")
	}
}

func TestReliancesOfInstalls(t *testing.T) {
	all := bases(t)
	for _, c := range []struct {
		on, line string
		want     []Reliance
	}{
		{"debian", "RUN apt-get install -y tree=2.1.0-1 apt-transport-https && curl --version", []Reliance{
			{Name: "tree", Constraint: "= 2.1.0-1", Rule: provides.Deb, Evidence: []string{"pkg:deb/debian/tree"}},
			{Name: "apt-transport-https", Evidence: []string{"pkg:deb/debian/apt"}},
			{Name: "cmd:curl", Evidence: []string{"file:/usr/bin/curl"}},
		}},
		{"alpine", "RUN apk add 'zlib~1.2' 'musl>=1.1' scanelf=1.1.6-r0", []Reliance{
			{Name: "zlib", Constraint: "1.2.*", Rule: provides.APK, Evidence: []string{"pkg:apk/alpine/zlib"}},
			{Name: "musl", Constraint: ">= 1.1", Rule: provides.APK, Evidence: []string{"pkg:apk/alpine/musl"}},
			{Name: "scanelf", Constraint: "= 1.1.6-r0", Rule: provides.APK, Evidence: []string{"pkg:apk/alpine/scanelf"}},
		}},
		{"ubi", "RUN dnf install -y openssl-3.0.7-27.el9 nodejs", []Reliance{
			{Name: "openssl", Constraint: "= 1:3.0.7-27.el9", Rule: provides.RPM, Evidence: []string{"pkg:rpm/redhat/openssl"}},
			{Name: "nodejs", Rule: provides.RPM, Evidence: []string{"pkg:rpm/redhat/nodejs"}},
		}},
	} {
		got := Judge(Case{Dockerfiles: []*Dockerfile{onBase(t, "USER root", c.line, reset)}, Run: all[c.on]}).Relies
		for i := range c.want {
			c.want[i].Image = Run
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.line, diff)
		}
		for _, r := range got { // what was proved holds of the image that proved it
			if answer := all[c.on].Set.Answer(r.Name, r.Constraint); !answer.Met {
				t.Errorf("%s %s: the image %s", r.Name, r.Constraint, answer.Reason)
			}
		}
	}
}

// A group of ten extensions on a real inventory of some 580 packages.
func BenchmarkJudge(b *testing.B) {
	base := bases(b)["debian"]
	content := []byte("ARG base_image\nFROM ${base_image}\nUSER root\nRUN apt-get update && apt-get install -y curl tree openssl git && rm -rf /var/lib/apt/lists/*\n" + reset)
	for b.Loop() {
		c := Case{Run: base}
		for range 10 {
			d, err := Parse("run.Dockerfile", content, Run)
			if err != nil {
				b.Fatal(err)
			}
			c.Dockerfiles = append(c.Dockerfiles, d)
		}
		if r := Judge(c); r.ExtendRun {
			b.Fatal(r.Verdicts[0].Reasons)
		}
	}
}

// TestInstructions reads instructions of several lines as they are written.
func TestInstructions(t *testing.T) {
	d, err := Parse("run.Dockerfile", []byte(`ARG base_image
FROM ${base_image}
# A comment.
USER root
RUN apt-get update && \
    # another
    apt-get install -y curl
RUN <<EOF
echo 1
EOF

USER ${user_id}`), Run)
	if err != nil {
		t.Fatal(err)
	}
	want := []Instruction{
		{Line: 4, Text: "USER root"},
		{Line: 5, Text: "RUN apt-get update && \\\n    # another\n    apt-get install -y curl"},
		{Line: 8, Text: "RUN <<EOF\necho 1\nEOF"},
		{Line: 12, Text: "USER ${user_id}"},
	}
	if diff := cmp.Diff(want, d.Instructions()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

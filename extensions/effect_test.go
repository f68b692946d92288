package extensions

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
)

const reset = "ARG user_id\nUSER ${user_id}"

// What follows USER root and is no effect.
var harmlessLines = []struct{ name, on, line, reason string }{
	{"install", "debian", "RUN apt-get install -y curl", "apt-get install: curl 7.88.1-10+deb12u15 is installed"},
	{"chain", "debian", "RUN apt-get update && apt-get install -y --no-install-recommends curl tree && rm -rf /var/lib/apt/lists/*",
		"apt-get update: only package lists and caches; apt-get install: curl 7.88.1-10+deb12u15, tree 2.1.0-1 are installed; rm: only package lists and caches"},
	{"continued lines", "debian", "RUN apt-get update \\\n    # now the package\n    && apt-get install -y \\\n    curl", ""},
	{"here-document", "debian", "RUN <<EOF\nset -e\napt-get update\napt-get install -y curl\nEOF", ""},
	{"exec form", "debian", `RUN ["apt-get", "install", "-y", "curl"]`, "apt-get install: curl 7.88.1-10+deb12u15 is installed"},
	{"path", "debian", "RUN /usr/bin/apt-get install -y curl", ""},
	{"apt", "debian", "RUN apt update -qq && apt install -qy curl && apt clean && apt-get autoclean", ""},
	{"frontend", "debian", "RUN DEBIAN_FRONTEND=noninteractive apt-get install -y curl", ""},
	{"export", "debian", "RUN export DEBIAN_FRONTEND=noninteractive; apt-get install -y curl", ""},
	{"options", "debian", "RUN set -eux; apt-get -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install -y -q=2 curl >/dev/null 2>&1", ""},
	{"pipefail", "alpine", "RUN set -euxo pipefail; apk add zlib", ""},
	{"conffiles", "debian", `RUN apt-get install -y -o Dpkg::Options::="--force-confold" curl`, ""},
	{"pin", "debian", "RUN apt-get install -y curl=7.88.1-10+deb12u15", ""},
	{"arch", "debian", "RUN apt-get install -y curl:amd64=7.88.1-10+deb12u15", ""},
	{"name ends in ++", "debian", "RUN apt-get install -y libstdc++6", ""},
	{"virtual package", "debian", "RUN apt-get install -y apt-transport-https", "apt-get install: apt 2.6.2 is installed"},
	{"build arg", "debian", "ARG PACKAGES='curl  tree'\nRUN apt-get install -y $PACKAGES", ""},
	{"quoted build arg", "debian", "ARG PACKAGE=curl\nRUN apt-get install -y \"${PACKAGE}\"", ""},
	{"build arg of a build arg", "debian", "ARG VERSION=7.88.1-10+deb12u15\nARG PACKAGE=curl=$VERSION\nRUN apt-get install -y $PACKAGE", ""},
	{"variable that the script sets, unused", "debian", "RUN export LANG=C && apt-get install -y curl", ""},
	{"group", "debian", "RUN { apt-get update; (apt-get install -y curl); }", ""},
	{"build id", "debian", "ARG build_id=0\nRUN echo ${build_id}", "echo changes nothing"},
	{"printf", "debian", `RUN printf '%s\n' "$ANYTHING" && : && true`, ""},
	{"version", "debian", "RUN curl --version", "curl --version only prints; /usr/bin/curl of curl 7.88.1-10+deb12u15 is there"},
	{"command -v", "debian", "RUN command -v curl", ""},
	{"clean-ups", "debian", "RUN apt-get clean && rm -r -f /var/lib/apt/lists /var/cache/apt/archives/*.deb", ""},
	{"env", "debian", "ENV LANG=C.UTF-8", "the image has it already"},
	{"env with itself", "debian", "ENV PATH=$PATH", "the image has it already"},
	{"old env", "debian", "ENV LANG C.UTF-8", "the image has it already"},
	{"label", "debian", `LABEL os="linux" io.buildpacks.rebasable=true`, "the image has it already; without new layers the image stays rebasable"},
	{"rebasable", "debian", "LABEL io.buildpacks.rebasable=true", "without new layers the image stays rebasable"},
	{"workdir", "debian", "WORKDIR /workspace/", "is the image's working directory already"},
	{"shell", "debian", `SHELL ["/bin/sh", "-c"]`, "is the image's shell already"},
	{"apk", "alpine", "RUN apk update && apk add --no-cache zlib", ""},
	{"apk short", "alpine", "RUN apk -U add -q zlib && rm -rf /var/cache/apk/*", ""},
	{"apk repository", "alpine", "RUN apk add --repository https://dl-cdn.alpinelinux.org/alpine/edge/testing zlib", ""},
	{"apk pin", "alpine", "RUN apk add zlib=1.2.8-r2", ""},
	{"apk fuzzy", "alpine", "RUN apk add 'zlib~1.2' 'zlib~1.2.8'", ""},
	{"apk ranges", "alpine", "RUN apk add 'zlib>1.2' 'zlib<2' 'zlib>=1.2.8-r2' 'zlib<=1.2.8-r2'", ""},
	{"apk library", "alpine", "RUN apk add so:libz.so.1 cmd:pkgconf", "apk add: zlib 1.2.8-r2, pkgconf 1.6.0-r0 are installed"},
	{"microdnf", "ubi", "RUN microdnf --setopt=install_weak_deps=0 --setopt=tsflags=nodocs install -y openssl which && microdnf clean all", ""},
	{"dnf", "ubi", "RUN dnf -y makecache && dnf install -y --nodocs --setopt install_weak_deps=False openssl tzdata", ""},
	{"nevra", "ubi", "RUN yum install -y openssl-3.0.7-27.el9 openssl-3.0.7-27.el9.x86_64 openssl-1:3.0.7-27.el9.x86_64 openssl.x86_64 openssl-3.0.7 tzdata.noarch", ""},
	{"rpm capability", "ubi", "RUN dnf install -y 'libssl.so.3()(64bit)' /usr/bin/openssl", ""},
	{"loop", "debian", "RUN for p in tree curl; do apt-get install -y $p; done", "apt-get install: tree 2.1.0-1 is installed; apt-get install: curl 7.88.1-10+deb12u15 is installed"},
	{"loop over folders", "debian", "RUN for d in /tmp /var/tmp; do rm -rf $d/*; done", "rm: only caches, logs and temporary files"},
	{"alternative", "debian", "RUN command -v curl >/dev/null || touch /x", "command -v curl only prints; /usr/bin/curl of curl 7.88.1-10+deb12u15 is there"},
	{"alternative that is missing nothing", "debian", "RUN curl --version || apt-get install -y curl", ""},
	{"which", "debian", "RUN which tree && tree --version", ""},
	{"which or", "debian", "RUN which tree >/dev/null 2>&1 || touch /x", ""},
	{"type", "debian", "RUN type curl && hash tree", ""},
	{"if", "debian", "RUN if ! command -v tree; then apt-get install -y libgd3; fi", ""},
	{"if else", "debian", "RUN if command -v cowsay; then apt-get install -y curl; else apt-get install -y tree; fi", ""},
	{"if package", "debian", "RUN if dpkg -s tree >/dev/null 2>&1; then true; else touch /x; fi", "dpkg -s tree only prints: tree 2.1.0-1 is installed; true changes nothing"},
	{"query", "debian", `RUN dpkg-query -W -f='${Version}\n' curl || touch /x`, ""},
	{"test", "debian", "RUN test -x /usr/bin/curl || touch /x", "test -x /usr/bin/curl changes nothing; /usr/bin/curl of curl 7.88.1-10+deb12u15 is there"},
	{"bracket", "debian", "RUN [ -f /usr/bin/tree ] && [ -d /etc ] && if [ ! -e /usr/bin/tree ]; then touch /x; fi", ""},
	{"strings", "debian", "RUN V=2; if [ \"$V\" = 1 ]; then touch /x; elif [ $V -gt 2 ]; then touch /y; fi", ""},
	{"assignment", "debian", "RUN PKGS='tree curl'; apt-get update; apt-get install -y $PKGS", ""},
	{"assignments", "debian", "RUN A=curl B=\"$A tree\"; export C=\"$B\"; X=1 apt-get install -y $C", ""},
	{"subshell", "debian", "RUN p=curl; (p=libgd3; echo $p); apt-get install -y $p", ""},
	{"network may fail", "debian", "RUN apt-get update || true; apt-get update || { echo no >&2; exit 1; }", ""},
	{"pipe", "debian", "RUN dpkg -l | grep curl | head -n 1; apt list --installed 2>/dev/null | wc -l", ""},
	{"bash", "debian", "SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\nRUN apt-get update && apt-get install -y tree", "only says how to read what follows"},
	{"readers", "debian", "RUN cat /etc/os-release /etc/passwd; ls -la /usr/bin /; id; uname -a; pwd; date -u +%F; head -n 1 /etc/group; stat /etc; grep -q x /etc/passwd || true; df -h; cd /tmp", ""},
	{"lists of packages", "debian", "RUN apt-cache policy curl && apt-cache show tree && apt-mark showmanual && dpkg --print-architecture && apt-get --version", ""},
	{"ldconfig", "debian", "RUN ldconfig && /sbin/ldconfig -p", ""},
	{"temporary files", "debian", "RUN rm -rf /tmp/* /var/tmp/* /var/log/apt/* /var/log/dpkg.log -- /var/log/bootstrap.log", ""},
	{"apt flags", "debian", "RUN apt-get -qqy -oAcquire::Retries=3 -o=Dpkg::Use-Pty=0 install -V --fix-missing --no-upgrade --allow-downgrades curl && apt-get clean all", ""},
	{"apt proxy", "debian", "RUN apt-get -o Acquire::http::No-Cache=true -o Acquire::Languages=none -o Acquire::ForceIPv4=true update", ""},
	{"apk query", "alpine", "RUN apk info -e zlib || apk add zlib; apk info -L zlib; apk --version; apk list --installed", ""},
	{"apk fuzzy, otherwise", "alpine", "RUN apk --no-interactive add --timeout 30 -q 'zlib~=1.2' 'zlib=~1.2.8'", ""},
	{"rpm query", "ubi", "RUN rpm -q openssl || dnf install -y openssl; rpm -qa --qf '%{NAME}\\n'; rpm -qi openssl", ""},
	{"dnf5", "ubi", "RUN dnf5 -y --disableplugin=subscription-manager install --exclude=x --setopt=*.skip_if_unavailable=true openssl && dnf5 clean packages metadata", ""},
	{"yum", "ubi", "RUN yum -y -d 1 --noplugins --nogpgcheck makecache fast && yum in -y --skip-broken openssl && yum clean all && rm -rf /var/cache/yum /var/log/yum.log", ""},
	{"dnf reads", "ubi", "RUN dnf repolist && dnf check-update || true; dnf list --installed openssl; dnf --version", ""},
	{"zypper flags", "ubi", "RUN zypper -nq --no-gpg-checks ref -f && zypper -n in -l --no-recommends openssl && zypper se openssl || true; zypper cc -a", ""},
	{"zypper", "ubi", "RUN zypper --non-interactive refresh && zypper -n install -y --no-recommends openssl && zypper clean --all", ""},
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

func TestReasonsOfEffects(t *testing.T) {
	bases := bases(t)
	for _, c := range []struct{ on, line, want string }{
		{"debian", "RUN apt-get install -y libgd3", "line 4: apt-get install: libgd3 is not installed"},
		{"debian", "RUN apt-get install -y curl=8", "line 4: apt-get install: the image has curl 7.88.1-10+deb12u15 (amd64), which is not curl=8"},
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

func TestStrictWantsPins(t *testing.T) {
	bases := bases(t)
	for _, c := range []struct {
		on, line string
		want     Outcome
	}{
		{"debian", "RUN apt-get install -y curl", Apply},
		{"debian", "RUN apt-get install -y curl=7.88.1-10+deb12u15", NoEffect},
		{"debian", "RUN apt-get install -y curl=7.88.1-10+deb12u15 tree", Apply},
		{"debian", "RUN apt-get install -y apt-transport-https", Apply},
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

func TestInstructionsTellLineAndText(t *testing.T) {
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

func TestNestingIsBounded(t *testing.T) {
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

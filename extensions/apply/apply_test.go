//go:build linux

package apply

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/extensions/apply/abi"
	"github.com/baseplan/baseplan/resolver"
)

const onBase = "ARG base_image\nFROM ${base_image}\n"

func dockerfile(t testing.TB, content string, args ...extensions.Arg) *extensions.Dockerfile {
	t.Helper()
	d, err := extensions.Parse("run.Dockerfile", []byte(content), extensions.Run, args...)
	check(t, err)
	d.Extension = resolver.Module{Kind: resolver.Extension, ID: "acme/ext"}
	return d
}

// A fixture applies Dockerfiles without RUN to a directory, which needs no root.
type fixture struct {
	Applier
	root   string
	config v1.Config
}

func newFixture(t testing.TB, base ...item) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{root: filepath.Join(dir, "root"), config: v1.Config{User: "1000:1000"}}
	f.Applier = Applier{Root: Root{Dir: f.root}, Image: "example/run", Digest: "sha256:base", App: filepath.Join(dir, "app"), Spool: filepath.Join(dir, "spool"), Cache: filepath.Join(dir, "cache"), BuildID: "id-of-build"}
	for _, d := range []string{f.root, f.App, f.Spool, f.Cache} {
		check(t, os.Mkdir(d, 0o755))
	}
	check(t, newTree(t, f.root).unpack(t.Context(), bytes.NewReader(archive(base...))))
	return f
}

func (f *fixture) file(t testing.TB, name, content string) {
	t.Helper()
	name = filepath.Join(f.App, name)
	check(t, os.MkdirAll(filepath.Dir(name), 0o755))
	check(t, os.WriteFile(name, []byte(content), 0o644))
	check(t, os.Chmod(name, 0o644))
}

// apply applies to a copy of the root, so that it can be done again.
func (f *fixture) apply(t testing.TB, dockerfiles ...*extensions.Dockerfile) (*Result, map[string]string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	check(t, os.CopyFS(dir, os.DirFS(f.root)))
	check(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Chtimes(name, abi.Epoch, abi.Epoch) // the copy may have been made in another second than the last one
	}))
	b, err := f.begin(f.config)
	check(t, err)
	b.tree = newTree(t, dir)
	r, err := b.apply(t.Context(), dockerfiles)
	if b.store != nil {
		b.store.prune()
	}
	return r, list(t, dir), err
}

func content(t testing.TB, l *Layer) []string {
	t.Helper()
	r, err := l.Uncompressed()
	check(t, err)
	defer r.Close()
	var names []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		check(t, err)
		names = append(names, h.Name)
	}
}

func TestConfiguration(t *testing.T) {
	f := newFixture(t)
	f.config.Env = []string{"PATH=/bin", "A=old"}
	f.config.Labels = map[string]string{"kept": "yes", rebasableLabel: "true"}
	r, _, err := f.apply(t, dockerfile(t, `ARG base_image
ARG early=from-the-top
FROM ${base_image}
ARG early
ARG late=default
ARG given=default
ARG user_id
ARG group_id
ARG build_id=0
ARG TARGETARCH
ENV A=new B="$early $late $given" C=${missing:-none} D=$user_id:$group_id E=$build_id
ENV late=env
LABEL one=$late "two words"='$late' io.buildpacks.rebasable=true
WORKDIR /a
WORKDIR b
SHELL ["/bin/bash", "-c"]
USER root
USER ${user_id}:${group_id}
`, extensions.Arg{Name: "given", Value: "passed"}))
	check(t, err)
	want := v1.Config{
		Env:        []string{"PATH=/bin", "A=new", "B=from-the-top default passed", "C=none", "D=1000:1000", "E=id-of-build", "late=env"},
		Labels:     map[string]string{"kept": "yes", "one": "env", "two words": "$late", rebasableLabel: "true"},
		WorkingDir: "/a/b", Shell: []string{"/bin/bash", "-c"}, User: "1000:1000",
	}
	if diff := cmp.Diff(want, r.Config); diff != "" {
		t.Error(diff)
	}
	if len(f.config.Env) != 2 || f.config.Labels[rebasableLabel] != "true" || f.config.Env[1] != "A=old" {
		t.Errorf("the input was changed: %+v", f.config)
	}
}

// TestRuntimeConfiguration sets how containers of the image run, as docker build does.
func TestRuntimeConfiguration(t *testing.T) {
	f := newFixture(t)
	f.config.ExposedPorts = map[string]struct{}{"22/tcp": {}}
	f.config.Healthcheck = &v1.HealthConfig{Test: []string{"CMD", "old"}, Retries: 9}
	r, _, err := f.apply(t, dockerfile(t, onBase+`ARG port=8080
ARG dir=/data
EXPOSE ${port} 53/UDP 90-92/tcp 127.0.0.1:80:81
VOLUME $dir /cache
VOLUME ["/with space"]
STOPSIGNAL SIG${sig:-QUIT}
HEALTHCHECK --interval=5s --timeout=1m --start-period=2s --retries=3 CMD curl -f http://localhost:$port
MAINTAINER Somebody <s@example.com>
`))
	check(t, err)
	want := v1.Config{
		User: "1000:1000", Labels: map[string]string{rebasableLabel: "false"}, StopSignal: "SIGQUIT",
		ExposedPorts: map[string]struct{}{"22/tcp": {}, "8080/tcp": {}, "53/udp": {}, "90/tcp": {}, "91/tcp": {}, "92/tcp": {}, "81/tcp": {}},
		Volumes:      map[string]struct{}{"/data": {}, "/cache": {}, "/with space": {}},
		Healthcheck:  &v1.HealthConfig{Test: []string{"CMD-SHELL", "curl -f http://localhost:$port"}, Interval: 5 * time.Second, Timeout: time.Minute, StartPeriod: 2 * time.Second, Retries: 3},
	}
	if diff := cmp.Diff(want, r.Config); diff != "" {
		t.Error(diff)
	}
	if r.Author != "Somebody <s@example.com>" {
		t.Errorf("author %q", r.Author)
	}
}

// TestCopyReplacesLinks copies files into directories that have a link of that name, and to links that are named.
func TestCopyReplacesLinks(t *testing.T) {
	f := newFixture(t, "kept/a", "kept/la -> a", "kept/up -> /kept/a", "opt/gone -> /nowhere", "todir -> kept", "tofile -> /kept/a")
	for _, name := range []string{"la", "up", "gone", "d/la"} {
		f.file(t, name, "new "+name)
	}
	for instruction, want := range map[string][]string{
		"COPY la /kept/":     {"kept/", "kept/la"},
		"COPY up /todir":     {"kept/", "kept/up"},
		"ADD up /kept":       {"kept/", "kept/up"},
		"COPY d /kept":       {"kept/", "kept/la"},
		"COPY gone /opt/":    {"opt/", "opt/gone"},
		"COPY la /tofile":    {"kept/", "kept/a"},
		"COPY la /opt/gone":  {"nowhere"},
		"ADD gone /opt/gone": {"nowhere"},
	} {
		f.Digest = ""
		r, _, err := f.apply(t, dockerfile(t, onBase+instruction+"\n"))
		check(t, err)
		if got := content(t, r.Layers[0]); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", instruction, got, want)
		}
	}
}

// Every Dockerfile has to say that the image stays rebasable.
func TestRebasable(t *testing.T) {
	yes, no, silent := dockerfile(t, onBase+"LABEL io.buildpacks.rebasable=true\n"), dockerfile(t, onBase+"LABEL io.buildpacks.rebasable=false\n"), dockerfile(t, onBase+"LABEL a=b\n")
	for _, c := range []struct {
		files []*extensions.Dockerfile
		want  string
	}{
		{[]*extensions.Dockerfile{yes}, "true"}, {[]*extensions.Dockerfile{yes, yes}, "true"}, {[]*extensions.Dockerfile{no}, "false"}, {[]*extensions.Dockerfile{silent}, "false"},
		{[]*extensions.Dockerfile{silent, yes}, "false"}, {[]*extensions.Dockerfile{yes, silent}, "false"}, {[]*extensions.Dockerfile{yes, no, yes}, "false"},
	} {
		r, _, err := newFixture(t).apply(t, c.files...)
		check(t, err)
		if got := r.Config.Labels[rebasableLabel]; got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// user_id and group_id are those of the image as the Dockerfile before left it.
func TestUserArgsFollowThePreviousDockerfile(t *testing.T) {
	f := newFixture(t, "etc/")
	check(t, os.WriteFile(filepath.Join(f.root, "etc/passwd"), []byte("root:x:0:0::/root:/bin/sh\nweb:x:33:44::/:/bin/sh\n"), 0o644))
	f.config.User = "web"
	show := "ARG user_id\nARG group_id\nARG base_image\nLABEL %s=$user_id:$group_id:$base_image\n"
	r, _, err := f.apply(t, dockerfile(t, onBase+fmt.Sprintf(show, "a")+"USER 7:8\n"), dockerfile(t, onBase+fmt.Sprintf(show, "b")))
	check(t, err)
	if got := r.Config.Labels["a"]; got != "33:44:example/run" {
		t.Errorf("first: %s", got)
	}
	if got := r.Config.Labels["b"]; !strings.HasPrefix(got, "7:8:sha256:") {
		t.Errorf("second: %s", got)
	}
}

func TestRootUser(t *testing.T) {
	for _, user := range []string{"root", "0", "0:5", "", "toor"} {
		f := newFixture(t, "etc/")
		check(t, os.WriteFile(filepath.Join(f.root, "etc/passwd"), []byte("root:x:0:0::/:\ntoor:x:0:0::/:\n"), 0o644))
		d := dockerfile(t, onBase+`USER "`+user+"\"\n")
		if _, _, err := f.apply(t, d); !errors.Is(err, ErrRootUser) || !strings.Contains(err.Error(), d.Path) {
			t.Errorf("user %q: got %v", user, err)
		}
		d.Image = extensions.Build
		if _, _, err := f.apply(t, d); err != nil {
			t.Errorf("user %q of the build image: %v", user, err)
		}
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for instruction, want := range map[string]string{
		`ENTRYPOINT ["x"]`:                      "ENTRYPOINT is not supported in an extension's Dockerfile",
		"CMD x":                                 "CMD is not supported",
		"EXPOSE $none/x":                        `unknown protocol "x"`,
		"EXPOSE 8x":                             `"8x" is not a port`,
		"EXPOSE 9-8":                            `"9-8" is not a port`,
		"EXPOSE 65536":                          "not a port",
		`VOLUME ["$none"]`:                      "VOLUME with an empty path",
		"HEALTHCHECK --start-interval=1s CMD x": "HEALTHCHECK --start-interval is not supported",
		"ONBUILD RUN x":                         "ONBUILD is not",
		"STOPSIGNAL x y":                        "", // the parser's own
		"STOPSIGNAL now!":                       "STOPSIGNAL now!: not a signal",
		"COPY a /a/":                            "writing /a/a: a file cannot replace an existing directory",
		"COPY d /a":                             "writing /a/file: a directory cannot replace",
		"COPY --from=other a b":                 "COPY --from is not supported",
		"COPY --parents a b":                    "--parents is not supported",
		"RUN --mount=type=secret,id=x true":     "a platform has no secrets for extensions",
		"RUN --mount=type=ssh true":             "a platform has no SSH agent",
		"RUN --mount=from=x,target=/y true":     "from=x is not supported",
		"RUN --mount=type=cache true":           "requires a target",
		"RUN --mount=type=tmpfs,target=/ true":  "requires a target other than /",
		"RUN --mount=source=no,target=/x true":  "no: no such file in the build context",
		"RUN --network=none true":               "RUN --network is not supported",
		"COPY none /x":                          "none: no such file in the build context",
		"COPY none* /x":                         "none*: no such file in the build context",
		"COPY a b /x":                           "", // the parser's own
		"COPY [ab] /x":                          "the destination must be a directory",
		"COPY ../../etc/passwd /x":              "no such file in the build context",
		"COPY escape /x":                        "no such file in the build context",
		"COPY --chown=nobody-here a /x":         "nobody-here",
		"COPY --chmod=99 a /x":                  "--chmod=99",
		"COPY https://example.com/a /x":         "use ADD",
		"ADD git@example.com:x/y.git /x":        "git repositories are not supported",
		"ADD https://example.com/y.git /":       "git repositories are not supported",
		"WORKDIR /a/file/below":                 "/a/file",
	} {
		f := newFixture(t, "a/file")
		f.file(t, "a", "a")
		f.file(t, "b", "b")
		f.file(t, "d/file/x", "x")
		check(t, os.Mkdir(filepath.Join(f.root, "a/a"), 0o755))
		check(t, os.Symlink("/etc/passwd", filepath.Join(f.App, "escape")))
		d, err := extensions.Parse("dir/run.Dockerfile", []byte(onBase+"\n# comment\n"+instruction+"\n"), extensions.Run)
		if err == nil {
			_, _, err = f.apply(t, d)
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "dir/run.Dockerfile") || !strings.Contains(err.Error(), "line 5") {
			t.Errorf("%s: got %v, want %q", instruction, err, want)
		}
		if e, ok := errors.AsType[*Error](err); ok && (e.Line != 5 || e.ExitCode != 0 || e.Instruction != instruction) {
			t.Errorf("%s: got %+v", instruction, e)
		}
	}
}

// What cannot be applied is found before anything is.
func TestAllDockerfilesAreReadBeforeAnyIsApplied(t *testing.T) {
	f := newFixture(t)
	f.file(t, "a", "a")
	_, got, err := f.apply(t, dockerfile(t, onBase+"COPY a /a\n"), dockerfile(t, onBase+"CMD x\n"))
	if err == nil || len(got) > 0 {
		t.Errorf("got %v, %v", err, got)
	}
}

func TestCopy(t *testing.T) {
	f := newFixture(t, "d/x", "link -> d")
	f.file(t, "a", "hello")
	f.file(t, "sub/b", "b")
	check(t, os.Symlink("a", filepath.Join(f.App, "l")))
	r, got, err := f.apply(t, dockerfile(t, onBase+`COPY a /d/
COPY sub /new/deep
COPY l /link/
COPY --chmod=751 sub /modes/
COPY --chmod=u=rwx,go= a /symbolic
ARG who=you
COPY <<EOF <<"RAW" /docs/
hello $who
EOF
$who
RAW
COPY --chmod=755 <<EOF /script
#!/bin/sh
EOF
`))
	check(t, err)
	owner := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	at := fmt.Sprint(abi.Epoch.Unix())
	want := map[string]string{
		"d": "40755 " + owner, "link": "120777 " + owner + " -> d",
		"d/a": "100644 " + owner + " " + at + " hello", "new": "40755 " + owner, "new/deep": "40755 " + owner, "new/deep/b": "100644 " + owner + " " + at + " b",
		"d/l": "100644 " + owner + " " + at + " hello", "modes": "40755 " + owner, "modes/b": "100751 " + owner + " " + at + " b",
		"symbolic": "100700 " + owner + " " + at + " hello", "docs": "40755 " + owner, "docs/EOF": "100644 " + owner + " " + at + " hello you\n",
		"docs/RAW": "100644 " + owner + " " + at + " $who\n", "script": "100755 " + owner + " " + at + " #!/bin/sh\n",
	}
	delete(got, "d/x") // was there before
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(r.Layers) != 7 || r.Executed != 7 {
		t.Errorf("%d layers, %d executed", len(r.Layers), r.Executed)
	}
	if diff := cmp.Diff([]string{"new/", "new/deep/", "new/deep/b"}, content(t, r.Layers[1])); diff != "" {
		t.Error(diff)
	}
	if got := r.Layers[1].CreatedBy(); got != "Layer: 'COPY sub /new/deep', Created by extension: acme/ext" {
		t.Error(got)
	}
	for _, l := range r.Layers {
		check(t, validate.Layer(l))
	}
}

// The same files give the same layer, whenever they were made.
func TestCopiesAreReproducible(t *testing.T) {
	var ids []v1.Hash
	for i := range 2 {
		f := newFixture(t, "etc/x", "old/")
		f.file(t, "a", "a")
		f.file(t, "sub/b", "b")
		at := time.Unix(int64(1e9+1e6*i), 0)
		for _, name := range []string{filepath.Join(f.App, "a"), filepath.Join(f.App, "sub"), filepath.Join(f.root, "etc"), filepath.Join(f.root, "old")} {
			check(t, os.Chtimes(name, at, at))
		}
		r, _, err := f.apply(t, dockerfile(t, onBase+"COPY a /etc/\nCOPY sub /old/sub/\nWORKDIR /old/w\n"))
		check(t, err)
		for _, l := range r.Layers {
			ids = append(ids, l.diffID)
		}
	}
	if len(ids) != 6 || !slices.Equal(ids[:3], ids[3:]) {
		t.Errorf("got %v", ids)
	}
}

func TestAdd(t *testing.T) {
	f := newFixture(t)
	plain := archive("in/x", "l -> in")
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	check(t, write(zw, string(plain)))
	check(t, zw.Close())
	f.file(t, "a.tar", string(plain))
	f.file(t, "named-oddly", zipped.String())
	f.file(t, "broken.tar.gz", "\x1f\x8bbroken")
	modified := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/dir/a.tar" {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", modified, bytes.NewReader(plain))
	}))
	defer server.Close()
	_, got, err := f.apply(t, dockerfile(t, onBase+`ADD a.tar /one
ADD named-oddly /two/
ADD --unpack=false a.tar /kept
ADD broken.tar.gz /broken
ADD `+server.URL+`/dir/a.tar?x=y /three/
ADD --checksum=sha256:`+digestOf(plain)+" "+server.URL+`/dir/a.tar /four
ADD --unpack=true `+server.URL+`/dir/a.tar /five
`))
	check(t, err)
	if os.Geteuid() == 0 {
		_, owned, err := f.apply(t, dockerfile(t, onBase+"ADD --chown=7:8 a.tar /mine/\n"))
		check(t, err)
		if owned["mine"] != "40755 7:8" || owned["mine/l"] != "120777 7:8 -> in" || !strings.HasPrefix(owned["mine/in/x"], "100644 7:8 ") {
			t.Errorf("got %v", owned)
		}
	}
	want := "broken five five/in five/in/x five/l four kept one one/in one/in/x one/l three three/a.tar two two/in two/in/x two/l"
	if diff := cmp.Diff(want, namesOf(got)); diff != "" {
		t.Error(diff)
	}
	if want := fmt.Sprintf("100600 %d:%d %d ", os.Getuid(), os.Getgid(), modified.Unix()); !strings.HasPrefix(got["three/a.tar"], want) {
		t.Errorf("got %.40s, want %s", got["three/a.tar"], want)
	}
	for instruction, want := range map[string]string{"ADD " + server.URL + "/none /x": "404", "ADD --checksum=sha256:" + strings.Repeat("0", 64) + " " + server.URL + "/dir/a.tar /x": "its digest is sha256:" + digestOf(plain)} {
		if _, _, err := f.apply(t, dockerfile(t, onBase+instruction+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", instruction, err)
		}
	}
}

func namesOf(tree map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(tree)), " ")
}

func TestContextFolders(t *testing.T) {
	f := newFixture(t)
	f.file(t, "a", "app")
	f.Generated = t.TempDir()
	check(t, os.MkdirAll(filepath.Join(f.Generated, "ext/context"), 0o755))
	check(t, os.WriteFile(filepath.Join(f.Generated, "ext/context/a"), []byte("extension"), 0o644))
	d := dockerfile(t, onBase+"COPY a /\n")
	d.Context = "ext/context"
	_, got, err := f.apply(t, d)
	check(t, err)
	if !strings.HasSuffix(got["a"], " extension") {
		t.Errorf("got %s", got["a"])
	}
}

func TestDockerignore(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"x.log", "keep.log", "d/y.log", "d/z", "out/a", "out/back", "secret"} {
		f.file(t, name, name)
	}
	f.file(t, ".dockerignore", "# comment\n**/*.log\n!keep.log\nout\n!out/back\nsecret\n.dockerignore\n")
	_, got, err := f.apply(t, dockerfile(t, onBase+"COPY . /all/\n"))
	check(t, err)
	if diff := cmp.Diff("all all/d all/d/z all/keep.log all/out all/out/back", namesOf(got)); diff != "" {
		t.Error(diff)
	}
	if _, _, err := f.apply(t, dockerfile(t, onBase+"COPY secret /\n")); err == nil {
		t.Error("a file that is left out was copied")
	}
}

// The build's id counts where a RUN refers to it, and other args always.
func TestBuildID(t *testing.T) {
	f := newFixture(t)
	keyed := func(text, buildID, run string) string {
		t.Helper()
		f.BuildID = buildID
		b, err := f.begin(f.config)
		check(t, err)
		s, err := newStage(b, dockerfile(t, onBase+text))
		check(t, err)
		check(t, s.apply(t.Context(), 0))
		_, keys := s.environment(run)
		return strings.Join(keys, " ")
	}
	for _, c := range []struct {
		text, run string
		same      bool
	}{
		{"ARG build_id=0\n", "/bin/sh -c apt-get update", true},
		{"ARG build_id=0\n", "/bin/sh -c echo ${build_id}", false},
		{"ARG build_id=0\n", "/bin/sh -c echo $build_id", false},
		{"ARG build_id=0\nARG own=$build_id\n", "/bin/sh -c true", false},
		{"ARG build_id=0\nENV own=$build_id\n", "/bin/sh -c true", false},
		{"", "/bin/sh -c echo $build_id", true},
	} {
		if same := keyed(c.text, "id-1", c.run) == keyed(c.text, "id-2", c.run); same != c.same {
			t.Errorf("%q, %q: the same key: %v", c.text, c.run, same)
		}
	}
	if keyed("ARG x=1\n", "id", "true") == keyed("ARG x=2\n", "id", "true") {
		t.Error("the value of an arg makes no difference")
	}
}

func TestEnvironmentOfCommands(t *testing.T) {
	env := []string{
		"PATH=/bin", "HTTP_PROXY=http://proxy", "no_proxy=x", "LANG=C", "JAVA_HOME=/j", "MONKEY=1", "PASSAGE=1", "HOSTNAME=h",
		"CNB_REGISTRY_AUTH=x", "CNB_USER_ID=1", "NPM_TOKEN=x", "DB_PASSWORD=x", "AWS_ACCESS_KEY_ID=x", "aws_session_token=x", "MY_API_KEY=x", "DOCKER_CONFIG=/x", "GOOGLE_APPLICATION_CREDENTIALS=/x",
		"SSH_AUTH_SOCK=/x", "GITHUB_TOKEN=x", "CI_JOB_TOKEN=x", "KUBECONFIG=/x", "client_SECRET=x", "HOME=/root", "USER=root", "PWD=/x", "malformed",
	}
	want := []string{"PATH=/bin", "HTTP_PROXY=http://proxy", "no_proxy=x", "LANG=C", "JAVA_HOME=/j", "MONKEY=1", "PASSAGE=1", "HOSTNAME=h"}
	if diff := cmp.Diff(want, Inherited(env)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"HTTP_PROXY=http://proxy", "no_proxy=x"}, proxies(env)); diff != "" {
		t.Error(diff)
	}
}

func TestCommands(t *testing.T) {
	for _, c := range []struct{ run, want, script string }{
		{"RUN echo $x 'a  b'", "/bin/sh|-c|echo $x 'a  b'", ""},
		{`RUN ["a", "$b", "c d"]`, "a|$b|c d", ""},
		{"SHELL [\"/bin/bash\", \"-eu\"]\nRUN x", "/bin/bash|-eu|x", ""},
		{"RUN <<EOF\necho 1\necho 2\nEOF", "/bin/sh|-c|echo 1\necho 2\n", ""},
		{"RUN <<-EOF\n\techo 1\nEOF", "/bin/sh|-c|echo 1\n", ""},
		{"RUN <<EOF\n#!/usr/bin/env python\nprint(1)\nEOF", "/dev/pipes/EOF", "#!/usr/bin/env python\nprint(1)\n"},
		{"RUN cat <<A >/x && cat <<B\n1\nA\n2\nB", "/bin/sh|-c|cat <<A >/x && cat <<B\n1\nA\n2\nB", ""},
	} {
		b, err := newFixture(t).begin(v1.Config{})
		check(t, err)
		s, err := newStage(b, dockerfile(t, onBase+c.run+"\n"))
		check(t, err)
		last := len(s.commands) - 1
		for _, cmd := range s.commands[:last] {
			check(t, s.dispatch(t.Context(), cmd))
		}
		argv, script, err := s.command(s.commands[last].(*instructions.RunCommand))
		check(t, err)
		if got := strings.Join(argv, "|"); got != c.want && !strings.HasPrefix(c.run, "RUN <<EOF\n#!") || script.Data != c.script {
			t.Errorf("%s: got %q, script %q", c.run, got, script.Data)
		}
	}
}

// Without root everything that needs none works.
func TestNotPermitted(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("this process is root, which may")
	}
	f := newFixture(t)
	f.file(t, "a", "a")
	for _, dir := range []string{"/", filepath.Join(t.TempDir(), "isolated")} {
		f.Root.Dir = dir
		if _, err := f.Apply(t.Context(), []*extensions.Dockerfile{dockerfile(t, onBase+"COPY a /a\n")}, f.config); !errors.Is(err, ErrNotPermitted) {
			t.Errorf("%s: got %v", dir, err)
		}
	}
	if _, err := f.Apply(t.Context(), []*extensions.Dockerfile{dockerfile(t, onBase+"LABEL a=b\n")}, f.config); err != nil {
		t.Error(err)
	}
}

func TestInvalidApplierIsRejected(t *testing.T) {
	d := dockerfile(t, onBase)
	for want, a := range map[string]*Applier{"no root": {Spool: "/x"}, "no spool directory": {Root: Root{Dir: "/x"}}} {
		if _, err := a.Apply(t.Context(), []*extensions.Dockerfile{d}, v1.Config{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	other := dockerfile(t, "FROM other\n")
	if _, _, err := newFixture(t).apply(t, d, other); err == nil || !strings.Contains(err.Error(), "FROM other") {
		t.Errorf("got %v", err)
	}
	if _, _, err := newFixture(t).apply(t, other, d); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := newFixture(t)
	if _, err := f.Apply(ctx, []*extensions.Dockerfile{dockerfile(t, onBase+"LABEL a=b\n")}, f.config); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

package platform_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	_ "github.com/baseplan/baseplan/testdata/seed"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// environment looks variables up in a map.
type environment map[string]string

func (e environment) get(key string) string { return e[key] }

func parsed(t *testing.T, p platform.Phase, minor uint, e environment, args ...string) platform.Inputs {
	t.Helper()
	in, err := platform.Parse(p, api.Version{Minor: minor}, args, e.get)
	if err != nil {
		t.Fatalf("%s at 0.%d with %q and %v: %v", p, minor, args, e, err)
	}
	return in
}

// TestArgumentsOfKnownPlatformsAreAccepted: what platforms pass is accepted in each version in which they pass it (docs/compatibility.md, "Platforms").
func TestArgumentsOfKnownPlatformsAreAccepted(t *testing.T) {
	user := environment{"CNB_USER_ID": "1000", "CNB_GROUP_ID": "1000"}
	layout := environment{"CNB_USE_LAYOUT": "true", "CNB_LAYOUT_DIR": "/layout-repo", "CNB_EXPERIMENTAL_MODE": "warn", "CNB_USER_ID": "1000", "CNB_GROUP_ID": "1000"}
	for _, tt := range []struct {
		name     string
		phase    platform.Phase
		from, to uint
		env      environment
		args     string
	}{
		{"analyzer", platform.Analyze, 12, 15, user, "-cache-image r.example/cache -insecure-registry r.example -log-level debug -daemon -run /layers/run.toml -run-image r.example/run -tag r.example/app:1 -tag r.example/app:2 -previous-image r.example/app:0 -launch-cache /launch-cache -skip-layers r.example/app"},
		{"analyzer with stack.toml", platform.Analyze, 9, 11, user, "-daemon -stack /layers/stack.toml -run-image r.example/run -launch-cache /launch-cache -skip-layers app"},
		{"analyzer without launch cache", platform.Analyze, 7, 8, user, "-daemon -stack /layers/stack.toml -run-image r.example/run -skip-layers app"},
		{"analyzer of a published image", platform.Analyze, 12, 15, environment{"CNB_REGISTRY_AUTH": `{"r.example":"Basic eA=="}`}, "-run /layers/run.toml -run-image r.example/run -uid 1000 -gid 1000 r.example/app"},
		{"analyzer with an image id", platform.Analyze, 7, 15, user, "-daemon -previous-image sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 app"},
		{"analyzer with a layout", platform.Analyze, 12, 15, layout, "-run /layers/run.toml -run-image r.example/run app"},
		{"detector", platform.Detect, 7, 15, nil, "-app /workspace -log-level debug"},
		{"restorer", platform.Restore, 12, 15, user, "-skip-layers -cache-dir /cache -build-image r.example/build -daemon -log-level info"},
		{"restorer before targets", platform.Restore, 7, 11, user, "-cache-image r.example/cache -cache-dir /cache -insecure-registry r.example -uid 1 -gid 2"},
		{"restorer with a layout", platform.Restore, 12, 15, layout, "-cache-dir /cache"},
		{"builder", platform.Build, 7, 15, nil, "-app /workspace -log-level debug"},
		{"extender of the build image", platform.Extend, 10, 15, user, "-app /workspace"},
		{"extender of the run image", platform.Extend, 12, 15, nil, "-app /workspace -kind run -log-level debug"},
		{"exporter", platform.Export, 12, 15, environment{"CNB_USER_ID": "1", "CNB_GROUP_ID": "1", "SOURCE_DATE_EPOCH": "1700000000"}, "-daemon -launch-cache /launch-cache -app /workspace -cache-dir /cache -run /layers/run.toml -process-type web -cache-image r.example/cache app app:2 other"},
		{"exporter with stack.toml", platform.Export, 7, 11, user, "-daemon -launch-cache /launch-cache -app /workspace -cache-dir /cache -stack /layers/stack.toml app"},
		{"exporter with a layout", platform.Export, 12, 15, layout, "-app /workspace -run /layers/run.toml app"},
		{"creator", platform.Create, 7, 15, nil, "-daemon -launch-cache /launch-cache -app /workspace -cache-dir /cache -run-image r.example/run -tag app:2 -skip-restore -uid 1 -gid 1 -previous-image app:0 -process-type web -cache-image r.example/cache -insecure-registry r.example -log-level debug app"},
		{"creator with a layout", platform.Create, 7, 15, layout, "-run-image r.example/run app"},
		{"creator, Piper", platform.Create, 12, 12, nil, "-no-color -buildpacks /b -order /o -platform /p -skip-restore -run-image r.example/run -process-type web -tag r.example/app:2 r.example/app"},
		{"creator with empty parameters of a pipeline", platform.Create, 7, 15, nil, "-cache-image= -previous-image= -run-image= -process-type= -log-level= -skip-restore=false app"},
		{"exporter to a daemon, names of several registries", platform.Export, 7, 15, user, "-daemon r.example/app s.example/app"},
		{"exporter to a layout, names of several registries", platform.Export, 12, 15, layout, "r.example/app s.example/app"},
		{"rebaser", platform.Rebase, 7, 15, user, "-daemon -report /tmp/report.toml -run-image r.example/run -log-level debug app app:2"},
		{"rebaser, deprecated flag", platform.Rebase, 7, 15, nil, "-image r.example/run r.example/app"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for minor := tt.from; minor <= tt.to; minor++ {
				e := environment{"CNB_EXEC_ENV": "production"}
				for k, v := range tt.env {
					e[k] = v
				}
				parsed(t, tt.phase, minor, e, strings.Fields(tt.args)...)
			}
		})
	}
}

func TestParseInputs(t *testing.T) {
	e := environment{"CNB_USER_ID": "7", "CNB_GROUP_ID": "8", "CNB_LAYERS_DIR": "/l", "CNB_INSECURE_REGISTRIES": "a.example, b.example:5000,", "SOURCE_DATE_EPOCH": "86400"}
	in := parsed(t, platform.Create, 15, e, "-tag", "r.example/app:2", "-skip-restore", "-report", "/report.toml", "r.example/app")
	epoch := time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	want := platform.Inputs{
		Images: []reference.Reference{reference.Parse("r.example/app"), reference.Parse("r.example/app:2")}, UID: 7, GID: 8, Insecure: []string{"a.example", "b.example:5000"}, Epoch: &epoch, SkipRestore: true,
		App: "/workspace", Layers: "/l", Platform: "/platform", BuildConfig: "/cnb/build-config", Buildpacks: "/cnb/buildpacks", Extensions: "/cnb/extensions",
		Generated: "/l/generated", Analyzed: "/l/analyzed.toml", Group: "/l/group.toml", Plan: "/l/plan.toml", System: "/cnb/system.toml", Run: "/cnb/run.toml",
		ProjectMetadata: "/l/project-metadata.toml", Report: "/report.toml", Extended: "/l/extended", KanikoDir: "/kaniko", KanikoCacheTTL: 14 * 24 * time.Hour, ExtendDisk: 20 << 30,
		Launcher: "/cnb/lifecycle/launcher", LauncherSBOM: "/cnb/lifecycle", ExecEnv: "production", LogLevel: "info", Settings: "/cnb/baseplan.toml",
	}
	unexported := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".setBy" }, cmp.Ignore())
	if diff := cmp.Diff(want, in, unexported); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/l/order.toml", "/cnb/order.toml"}, in.Orders()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	in = parsed(t, platform.Detect, 15, environment{"CNB_ORDER_PATH": "/o.toml"})
	if diff := cmp.Diff([]string{"/o.toml"}, in.Orders()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSetBy(t *testing.T) {
	e := environment{"CNB_RUN_IMAGE": "r.example/env"}
	for _, tt := range []struct {
		args, image, given string
		env                environment
	}{
		{args: "app", env: nil},
		{args: "app", env: e, image: "r.example/env", given: "CNB_RUN_IMAGE"},
		{args: "-run-image r.example/flag app", env: e, image: "r.example/flag", given: "-run-image"},
		{args: "-image r.example/flag app", env: e, image: "r.example/flag", given: "-image"},
		{args: "-image r.example/one -run-image r.example/two app", image: "r.example/two", given: "-run-image"},
	} {
		in := parsed(t, platform.Rebase, 15, tt.env, strings.Fields(tt.args)...)
		if in.RunImage.String() != tt.image || in.SetBy("CNB_RUN_IMAGE") != tt.given {
			t.Errorf("%s with %v: %q given by %q, want %q by %q", tt.args, tt.env, in.RunImage, in.SetBy("CNB_RUN_IMAGE"), tt.image, tt.given)
		}
	}
}

// TestMalformedInputs: an error has code 3, and names the flag or variable, its value and what it may be.
// TestPathsAreCleaned: Tekton's Tasks, among others, join a workspace and a folder in it that may be "." or empty.
func TestPathsAreCleaned(t *testing.T) {
	args := []string{"-app=/workspace/source/.", "-layers=/layers//", "image"}
	in, err := platform.Parse(platform.Export, api.Version{Minor: 12}, args, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if in.App != "/workspace/source" || in.Layers != "/layers" || in.Group != "/layers/group.toml" {
		t.Errorf("-app is %q, -layers %q, -group %q", in.App, in.Layers, in.Group)
	}
}

func TestMalformedInputs(t *testing.T) {
	const digest = "r.example/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	for _, tt := range []struct {
		phase platform.Phase
		minor uint
		env   environment
		args  string
		want  string // all of these, parted by "|"
	}{
		{platform.Analyze, 15, nil, "-bogus app", "-bogus"},
		{platform.Analyze, 15, nil, "-uid one -gid 1 app", `-uid|"one"|must be a numeric user or group ID`},
		{platform.Analyze, 15, nil, "-uid -1 -gid 1 app", `-uid|"-1"`},
		{platform.Analyze, 15, environment{"CNB_USER_ID": "one"}, "app", `CNB_USER_ID="one"|must be a numeric user or group ID`},
		{platform.Analyze, 15, environment{"CNB_GROUP_ID": "99999999999"}, "app", `CNB_GROUP_ID="99999999999"`},
		{platform.Analyze, 15, environment{"CNB_USER_ID": "1"}, "app", "CNB_USER_ID requires a group as well: -gid (CNB_GROUP_ID)"},
		{platform.Restore, 15, nil, "-gid 1", "-gid requires a user as well: -uid (CNB_USER_ID)"},
		{platform.Analyze, 15, environment{"CNB_USE_DAEMON": "maybe"}, "app", `CNB_USE_DAEMON="maybe"|must be true or false`},
		{platform.Analyze, 15, nil, "-daemon=maybe app", `"maybe"|-daemon|must be true or false`},
		{platform.Detect, 15, nil, "-log-level loud", `"loud"|-log-level|debug, info, warn, error`},
		{platform.Detect, 15, environment{"CNB_LOG_LEVEL": "loud"}, "", `CNB_LOG_LEVEL="loud"|debug, info, warn, error`},
		{platform.Detect, 12, environment{"CNB_EXPERIMENTAL_MODE": "yes"}, "", `CNB_EXPERIMENTAL_MODE="yes"|warn, silent, error`},
		{platform.Extend, 15, nil, "-kind both", `"both"|-kind|build, run`},
		{platform.Extend, 15, environment{"CNB_EXTEND_KIND": "both"}, "", `CNB_EXTEND_KIND="both"|build, run`},
		{platform.Extend, 15, environment{"CNB_KANIKO_CACHE_TTL": "2 weeks"}, "", `CNB_KANIKO_CACHE_TTL="2 weeks"|336h`},
		{platform.Extend, 15, nil, "-kaniko-cache-ttl -1h", `"-1h"|-kaniko-cache-ttl|336h`},
		{platform.Export, 15, environment{"SOURCE_DATE_EPOCH": "yesterday"}, "app", `SOURCE_DATE_EPOCH="yesterday"|seconds since 1970`},
		{platform.Detect, 15, environment{"CNB_EXEC_ENV": "a/b"}, "", `CNB_EXEC_ENV="a/b"`},

		{platform.Restore, 11, nil, "-daemon", "flag daemon|not in Platform API 0.11|0.12 and later"},
		{platform.Restore, 11, nil, "-daemon -layers /l", "flag daemon|not in Platform API 0.11"},
		{platform.Analyze, 12, nil, "-stack /s app", "-stack|not in Platform API 0.12|before 0.12"},
		{platform.Rebase, 10, nil, "-previous-image app app", "-previous-image|0.11 and later"},
		{platform.Detect, 15, nil, "-run-image app", "-run-image"},

		{platform.Analyze, 15, nil, "", "no image given"},
		{platform.Export, 15, nil, "-app /a", "no image given"},
		{platform.Analyze, 15, nil, "app other", `too many arguments|["app" "other"]|-tag`},
		{platform.Create, 15, nil, "app -tag app:2", `too many arguments|"-tag"|before it`},
		{platform.Detect, 15, nil, "app", `unexpected arguments|["app"]`},
		{platform.Extend, 15, nil, "-kind run extra", `unexpected arguments|["extra"]`},
		{platform.Analyze, 15, nil, "App", `"App"|an image reference`},
		{platform.Create, 15, nil, "-tag r.example/A app", `"r.example/A"|an image reference`},
		{platform.Analyze, 15, nil, "-run-image Run app", `"Run"|-run-image|an image reference`},
		{platform.Analyze, 15, environment{"CNB_PREVIOUS_IMAGE": "Old"}, "app", `CNB_PREVIOUS_IMAGE="Old"|an image reference`},
		{platform.Restore, 15, environment{"CNB_CACHE_IMAGE": "r.example/C"}, "", `CNB_CACHE_IMAGE="r.example/C"|an image reference`},
		{platform.Restore, 15, nil, "-build-image r.example/B", `"r.example/B"|-build-image`},
		{platform.Export, 15, nil, digest, "has a digest|written by tag"},
		{platform.Rebase, 15, nil, "r.example/app " + digest, "has a digest|written by tag"},
		{platform.Export, 15, nil, "r.example/app s.example/app", `one registry|"s.example/app"|r.example`},
		{platform.Create, 15, nil, "-tag s.example/app r.example/app", `one registry|"s.example/app"|r.example`},
		{platform.Analyze, 15, nil, "-daemon -layout -layout-dir /l app", "-layout and -daemon are mutually exclusive"},
		{platform.Analyze, 15, environment{"CNB_USE_LAYOUT": "true"}, "app", "CNB_USE_LAYOUT requires -layout-dir (CNB_LAYOUT_DIR)"},
		{platform.Create, 15, environment{"CNB_USE_DAEMON": "1", "CNB_LAYOUT_DIR": "/l"}, "-layout app", "-layout and CNB_USE_DAEMON are mutually exclusive"},

		{platform.Analyze, 15, environment{"CNB_RUN_SBOM": "yes"}, "app", `CNB_RUN_SBOM="yes"|auto, generate, attached, off`},
		{platform.Analyze, 15, nil, "-run-sbom-policy yes app", `"yes"|-run-sbom-policy|auto, generate, attached, off`},
		{platform.Detect, 15, environment{"CNB_RUN_IMAGE_PROOF": "none"}, "", `CNB_RUN_IMAGE_PROOF="none"|plan, installs, effect, strict`},
		{platform.Create, 15, environment{"CNB_RUN_IMAGE_SELECTION": "on"}, "app", `CNB_RUN_IMAGE_SELECTION="on"|off, auto`},
		{platform.Create, 15, environment{"CNB_EXTEND_IN_CREATOR": "always"}, "app", `CNB_EXTEND_IN_CREATOR="always"|auto, never`},
		{platform.Rebase, 15, environment{"CNB_REBASE_CHECK": "on"}, "app", `CNB_REBASE_CHECK="on"|fail, warn, off`},
	} {
		_, err := platform.Parse(tt.phase, api.Version{Minor: tt.minor}, strings.Fields(tt.args), tt.env.get)
		if fail.CodeOf(err) != fail.InvalidArgs {
			t.Errorf("%s at 0.%d with %q and %v: %v, want code 3", tt.phase, tt.minor, tt.args, tt.env, err)
			continue
		}
		for part := range strings.SplitSeq(tt.want, "|") {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s at 0.%d with %q and %v: %q, want %q in it", tt.phase, tt.minor, tt.args, tt.env, err, part)
			}
		}
	}
}

// TestUnusedInputsAreNotChecked: what a phase has no use for, or what something else outdoes, is not looked at.
func TestUnusedInputsAreNotChecked(t *testing.T) {
	in := parsed(t, platform.Analyze, 15, environment{"CNB_USER_ID": "malformed", "CNB_GROUP_ID": "2"}, "-uid", "1", "app")
	if in.UID != 1 {
		t.Errorf("user %d, want the flag's", in.UID)
	}
	in = parsed(t, platform.Detect, 15, environment{"CNB_USER_ID": "malformed", "CNB_USE_DAEMON": "malformed"})
	if in.UID != -1 || in.Daemon {
		t.Errorf("the detector has user %d, daemon %t", in.UID, in.Daemon)
	}
	in = parsed(t, platform.Analyze, 11, environment{"CNB_USE_LAYOUT": "malformed", "CNB_RUN_PATH": "/r.toml"}, "app")
	if in.Layout || in.Run != "" || in.Stack != "/cnb/stack.toml" {
		t.Errorf("layout %t, run %q, stack %q at 0.11", in.Layout, in.Run, in.Stack)
	}
	if in = parsed(t, platform.Analyze, 15, nil, "-version"); !in.Version {
		t.Error("-version is not taken")
	}
	in = parsed(t, platform.Create, 15, environment{"CNB_LOG_LEVEL": "DEBUG"}, "app")
	if in.LogLevel != "debug" {
		t.Errorf("log level %q, want it in small letters", in.LogLevel)
	}
}

// TestEmptyFlags count as not given, whatever their kind: the variable or the default holds.
func TestEmptyFlags(t *testing.T) {
	for _, name := range platform.PhaseNames() {
		phase, _ := platform.PhaseOf(name)
		for _, v := range api.Platform.Supported {
			var args []string
			for _, r := range platform.InputRows(phase) {
				if r.Flag != "" && r.Flag != "version" {
					args = append(args, "-"+r.Flag+"=")
				}
			}
			if phase&(platform.Analyze|platform.Export|platform.Create|platform.Rebase) != 0 {
				args = append(args, "app")
			}
			got, err := platform.Parse(phase, v, args, environment{"CNB_LOG_LEVEL": "debug"}.get)
			if err != nil {
				t.Errorf("%s at %s: %v", name, v, err)
				continue
			}
			want, err := platform.Parse(phase, v, args[len(args)-min(1, len(args)):], environment{"CNB_LOG_LEVEL": "debug"}.get)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(platform.Inputs{})); diff != "" {
				t.Errorf("%s at %s: -none +empty:\n%s", name, v, diff)
			}
		}
	}
	in := parsed(t, platform.Create, 15, environment{"CNB_LAYERS_DIR": "/l", "CNB_USE_DAEMON": "true", "CNB_USER_ID": "1", "CNB_GROUP_ID": "2"}, "-layers=", "-daemon=", "-uid", "", "app")
	if in.Layers != "/l" || !in.Daemon || in.UID != 1 || in.SetBy("CNB_LAYERS_DIR") != "CNB_LAYERS_DIR" {
		t.Errorf("layers %s by %s, daemon %t, user %d", in.Layers, in.SetBy("CNB_LAYERS_DIR"), in.Daemon, in.UID)
	}
	if in = parsed(t, platform.Create, 15, nil, "-layers=", "app"); in.Layers != "/layers" || in.SetBy("CNB_LAYERS_DIR") != "" {
		t.Errorf("layers %s by %q, want the default", in.Layers, in.SetBy("CNB_LAYERS_DIR"))
	}
}

// TestEarlyFlags are of a later version, and mean the same before.
func TestEarlyFlags(t *testing.T) {
	for _, tt := range []struct {
		phase platform.Phase
		minor uint
		arg   string
		check func(platform.Inputs) bool
	}{
		{platform.Export, 7, "-parallel", func(in platform.Inputs) bool { return in.Parallel }},
		{platform.Export, 12, "-parallel=true", func(in platform.Inputs) bool { return in.Parallel }},
		{platform.Export, 8, "-launcher-sbom=/s", func(in platform.Inputs) bool { return in.LauncherSBOM == "/s" }},
		{platform.Analyze, 8, "-launch-cache=/c", func(in platform.Inputs) bool { return in.LaunchCache == "/c" }},
		{platform.Rebase, 9, "-force", func(in platform.Inputs) bool { return in.Force }},
		{platform.Build, 9, "-build-config=/b", func(in platform.Inputs) bool { return in.BuildConfig == "/b" }},
	} {
		args := []string{tt.arg}
		if tt.phase != platform.Build {
			args = append(args, "app")
		}
		in := parsed(t, tt.phase, tt.minor, nil, args...)
		flag, _, _ := strings.Cut(tt.arg, "=")
		if !tt.check(in) || len(in.EarlyFlags) != 1 || !strings.HasPrefix(in.EarlyFlags[0], flag+" is in Platform API ") || !strings.HasSuffix(in.EarlyFlags[0], fmt.Sprintf("; accepting it for 0.%d as well", tt.minor)) {
			t.Errorf("%s %s at 0.%d: %q", tt.phase, tt.arg, tt.minor, in.EarlyFlags)
		}
		if in = parsed(t, tt.phase, 15, nil, args...); !tt.check(in) || in.EarlyFlags != nil {
			t.Errorf("%s %s at 0.15: %q", tt.phase, tt.arg, in.EarlyFlags)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, name := range platform.PhaseNames() {
		phase, ok := platform.PhaseOf(name)
		if !ok || phase.String() != name {
			t.Fatalf("%s is %s, %t", name, phase, ok)
		}
		for _, help := range []string{"-h", "-help", "--help"} {
			e := environment{"CNB_LOG_LEVEL": "malformed"}
			if _, err := platform.Parse(phase, api.Version{Minor: 15}, []string{help}, e.get); !errors.Is(err, platform.ErrHelp) || fail.CodeOf(err) == fail.InvalidArgs {
				t.Errorf("%s %s: %v, code %d", name, help, err, fail.CodeOf(err))
			}
		}
		for _, v := range api.Platform.Supported {
			var usage strings.Builder
			platform.Usage(phase, v, &usage)
			for _, r := range platform.InputRows(phase) {
				there := v.Minor >= r.From && (r.Until == 0 || v.Minor < r.Until)
				if mentioned := strings.Contains(usage.String(), "\n        "+r.Help); there && !mentioned {
					t.Errorf("usage of %s at %s does not mention -%s %s", name, v, r.Flag, r.Env)
				}
				if r.Flag != "" && !there && strings.Contains(usage.String(), "  -"+r.Flag+",") {
					t.Errorf("usage of %s at %s mentions -%s", name, v, r.Flag)
				}
			}
		}
	}
	if _, ok := platform.PhaseOf("launcher"); ok {
		t.Error("the launcher has no flags")
	}
}

func TestLocate(t *testing.T) {
	for _, tt := range []struct {
		name      string
		in        platform.Inputs
		ref, want string
	}{
		{"registry", platform.Inputs{}, "r.example/app", "r.example/app"},
		{"daemon", platform.Inputs{Daemon: true}, "app:1", "docker://app:1"},
		{"layout", platform.Inputs{Layout: true, LayoutDir: "/d"}, "app", "oci:/d/index.docker.io/library/app/latest"},
		{"layout, digest", platform.Inputs{Layout: true, LayoutDir: "/d"}, "r.example:5000/a/b@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
			"oci:/d/r.example:5000/a/b/sha256/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
		{"layout, a path already", platform.Inputs{Layout: true, LayoutDir: "/d"}, "/d/app", "oci:/d/app"},
		{"layout, spelled already", platform.Inputs{Layout: true, LayoutDir: "/d"}, "oci:/e", "oci:/e"},
		{"layout, up and away", platform.Inputs{Layout: true, LayoutDir: "/d"}, "../../x", "../../x"},
		{"none", platform.Inputs{Daemon: true}, "", ""},
	} {
		if got := tt.in.Locate(reference.Parse(tt.ref)).String(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(uint8(0), uint(15), "-daemon\n-tag\napp:2\napp", "CNB_USER_ID=1\nCNB_GROUP_ID=1")
	f.Add(uint8(3), uint(12), "-kind=run", "CNB_KANIKO_CACHE_TTL=1h")
	f.Add(uint8(5), uint(15), "-layout\n../../app\napp", "CNB_LAYOUT_DIR=/d\nSOURCE_DATE_EPOCH=-1")
	f.Add(uint8(6), uint(7), "--run-image\n\n-uid\n0x1\n--\n-h", "CNB_INSECURE_REGISTRIES=,,a")
	f.Fuzz(func(t *testing.T, phase uint8, minor uint, args, env string) {
		names := platform.PhaseNames()
		p, _ := platform.PhaseOf(names[int(phase)%len(names)])
		v := api.Platform.Supported[minor%uint(len(api.Platform.Supported))]
		e := environment{}
		for line := range strings.Lines(env) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			e[key] = value
		}
		in, err := platform.Parse(p, v, strings.Split(args, "\n"), e.get)
		if errors.Is(err, platform.ErrHelp) {
			return
		}
		if err != nil {
			if fail.CodeOf(err) != fail.InvalidArgs {
				t.Fatalf("code %d: %v", fail.CodeOf(err), err)
			}
			return
		}
		if in.Layout && in.Daemon || in.Layout && in.LayoutDir == "" {
			t.Errorf("layout %t in %q, daemon %t", in.Layout, in.LayoutDir, in.Daemon)
		}
		for _, image := range append(in.Images, in.RunImage, in.PreviousImage) {
			ref := (&platform.Inputs{Layout: true, LayoutDir: "/d"}).Locate(image)
			if image.IsZero() || ref.Err() != nil || filepath.IsAbs(image.String()) || ref == image {
				continue // a path of the platform's, or nothing that can be opened
			}
			below, err := filepath.Rel("/d", ref.Path)
			if err != nil || !filepath.IsLocal(below) {
				t.Errorf("the layout of %q is outside: %s, %v", image, below, err)
			}
		}
	})
}

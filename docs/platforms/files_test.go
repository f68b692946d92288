// Package platforms_test holds the files of this folder to what they promise: that the phases take
// the arguments that they are given, and that the files agree with one another. What they
// contain is run by the tests with the build tag e2e; internal/tekton has the Tasks checked by
// Tekton's own types.
package platforms_test

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// decode reads a YAML file. Keys that a platform has and the tests do not ask for are passed over.
func decode(t *testing.T, name string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// A task is a Tekton Task.
type task struct {
	Spec struct {
		Params []struct {
			Name    string
			Default *string
		}
		Workspaces   []mount
		Results      []struct{ Name string }
		StepTemplate step `yaml:"stepTemplate"`
		Steps        []step
		Volumes      []struct{ Name string }
	}
}

type step struct {
	Name, Image, Script string
	WorkingDir          string `yaml:"workingDir"`
	Command, Args       []string
	Env                 []struct{ Name, Value string }
	SecurityContext     struct {
		RunAsUser  *int `yaml:"runAsUser"`
		RunAsGroup *int `yaml:"runAsGroup"`
	} `yaml:"securityContext"`
	VolumeMounts []mount `yaml:"volumeMounts"`
}

type mount struct {
	Name      string
	MountPath string `yaml:"mountPath"`
}

var reference = regexp.MustCompile(`\$\(([a-zA-Z0-9_.-]+)\)`)

// replaced puts values in the place of references, as Tekton does. A reference without a value stays.
func replaced(text string, values map[string]string) string {
	return reference.ReplaceAllStringFunc(text, func(r string) string {
		if v, ok := values[r[2:len(r)-1]]; ok {
			return v
		}
		return r
	})
}

func allReplaced(list []string, values map[string]string) []string {
	var all []string
	for _, text := range list {
		all = append(all, replaced(text, values))
	}
	return all
}

// TestTektonArguments has every phase that a step calls parse what it is given.
func TestTektonArguments(t *testing.T) {
	values := map[string]string{
		"params.APP_IMAGE": "registry.example/app", "params.RUN_IMAGE": "registry.example/run", "params.CACHE_IMAGE": "",
		"params.SOURCE_SUBPATH": ".", "params.PROCESS_TYPE": "", "params.RUN_SBOM": "attached",
		"workspaces.source.path": "/workspace/source", "workspaces.cache.path": "/cache", "workspaces.dockerconfig.path": "",
	}
	for name, phases := range map[string][]string{"creator": {"creator"}, "phases": {"analyzer", "detector", "extender", "exporter"}} {
		var of task
		decode(t, "tekton/"+name+".yaml", &of)
		var called []string
		for _, s := range of.Spec.Steps {
			if len(s.Command) == 0 {
				continue
			}
			phase := filepath.Base(s.Command[0])
			called = append(called, phase)
			env := map[string]string{}
			for _, e := range slices.Concat(of.Spec.StepTemplate.Env, s.Env) {
				env[e.Name] = replaced(e.Value, values)
			}
			in := parsed(t, phase, env["CNB_PLATFORM_API"], allReplaced(s.Args, values), env)
			if in.RunSBOM != "attached" {
				t.Errorf("%s: %s has the policy %q, not the Task's parameter", name, phase, in.RunSBOM)
			}
		}
		if !slices.Equal(called, phases) {
			t.Errorf("%s calls %q, want %q", name, called, phases)
		}
	}
}

func parsed(t *testing.T, phase, version string, args []string, env map[string]string) platform.Inputs {
	t.Helper()
	of, known := platform.PhaseOf(phase)
	if !known {
		t.Fatalf("unknown phase %s", phase)
	}
	v, err := api.Parse(version)
	if err != nil {
		t.Fatal(err)
	}
	in, err := platform.Parse(of, v, args, func(name string) string { return env[name] })
	if err != nil {
		t.Errorf("%s %q: %v", phase, args, err)
	}
	return in
}

// TestVariables finds every variable of the lifecycle that the files name among its inputs.
func TestVariables(t *testing.T) {
	known := []string{"CNB_PLATFORM_API", "CNB_BUILD_PLAN_PATH", "CNB_LAYERS_DIR", "CNB_OUTPUT_DIR"} // the last three are buildpacks'
	for _, name := range platform.PhaseNames() {
		phase, _ := platform.PhaseOf(name)
		for _, row := range platform.InputRows(phase) {
			known = append(known, row.Env)
		}
	}
	found := 0
	for name, text := range files(t) {
		for _, v := range regexp.MustCompile(`\bCNB_[A-Z_]+`).FindAllString(text, -1) {
			if found++; !slices.Contains(known, v) {
				t.Errorf("%s: no phase knows %s", name, v)
			}
		}
	}
	if found == 0 {
		t.Error("no variables were found: the test looks in the wrong place")
	}
}

// files are all that is not Go, by path.
func files(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, ".go") || strings.HasPrefix(path, "internal") {
			return err
		}
		all[path] = read(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestREADMENamesEveryFile(t *testing.T) {
	page := read(t, "README.md")
	for _, name := range slices.Sorted(maps.Keys(files(t))) {
		if name == "README.md" || strings.HasPrefix(name, "builder/") && strings.Count(name, "/") > 1 {
			continue // the parts of the sample buildpack and extension
		}
		if !strings.Contains(page, "]("+name+")") {
			t.Errorf("README.md has no link to %s", name)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)[)#]`).FindAllStringSubmatch(page, -1) {
		if strings.Contains(link[1], "://") {
			continue
		}
		if _, err := os.Stat(link[1]); err != nil {
			t.Errorf("README.md: %v", err)
		}
	}
}

// TestShell has a shell read every script.
func TestShell(t *testing.T) {
	scripts := map[string]string{"jenkins/image.sh": read(t, "jenkins/image.sh")}
	for _, name := range []string{"tekton/creator.yaml", "tekton/phases.yaml"} {
		var of task
		decode(t, name, &of)
		for _, s := range of.Spec.Steps {
			scripts[name+" "+s.Name] = s.Script
		}
	}
	scripts["gitlab"] = strings.Join(gitlab(t, nil).Script, "\n")
	for _, s := range workflow(t).Jobs["publish"].Steps {
		scripts["github "+s.Name] = s.Run
	}
	for name, script := range scripts {
		cmd := exec.CommandContext(t.Context(), "sh", "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// A builder is builder.toml of pack, as far as it is used here.
type builder struct {
	Description string `toml:"description"`
	Lifecycle   struct {
		URI string `toml:"uri"`
	} `toml:"lifecycle"`
	Build struct {
		Image string `toml:"image"`
	} `toml:"build"`
	Run struct {
		Images []struct {
			Image string `toml:"image"`
		} `toml:"images"`
	} `toml:"run"`
	Buildpacks []located `toml:"buildpacks"`
	Extensions []located `toml:"extensions"`
	Order      []group   `toml:"order"`
	OrderExt   []group   `toml:"order-extensions"`
}

type located struct {
	URI string `toml:"uri"`
}

type group struct {
	Group []element `toml:"group"`
}

type element struct {
	ID      string `toml:"id"`
	Version string `toml:"version"`
}

func packBuilder(t *testing.T) builder {
	t.Helper()
	var b builder
	m, err := toml.Decode(read(t, "builder/builder.toml"), &b)
	if err != nil {
		t.Fatal(err)
	}
	if unknown := m.Undecoded(); len(unknown) > 0 {
		t.Errorf("builder.toml has %v, which the test does not use", unknown)
	}
	return b
}

// described is what buildpack.toml or extension.toml says of a module.
func described(t *testing.T, dir string) element {
	t.Helper()
	var d struct {
		Buildpack element `toml:"buildpack"`
		Extension element `toml:"extension"`
	}
	for _, name := range []string{"buildpack.toml", "extension.toml"} {
		if _, err := toml.DecodeFile(filepath.Join(dir, name), &d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if d.Extension.ID != "" {
		return d.Extension
	}
	return d.Buildpack
}

func TestBuilder(t *testing.T) {
	b := packBuilder(t)
	has := func(from []located) (all []element) {
		for _, l := range from {
			all = append(all, described(t, "builder/"+l.URI))
		}
		return all
	}
	if diff := cmp.Diff(b.Order[0].Group, has(b.Buildpacks)); diff != "" {
		t.Errorf("the order has other buildpacks than the builder (-order +builder):\n%s", diff)
	}
	if diff := cmp.Diff(b.OrderExt[0].Group, has(b.Extensions)); diff != "" {
		t.Errorf("the order has other extensions than the builder (-order +builder):\n%s", diff)
	}
	const released = "https://github.com/baseplan/baseplan/releases/download/v1.0.0/lifecycle-1.0.0-linux-amd64.tgz"
	if b.Lifecycle.URI != released {
		t.Errorf("the lifecycle is from %s, releases are at %s", b.Lifecycle.URI, released)
	}
	if _, err := platform.DecodeSettings([]byte(read(t, "builder/baseplan.toml")), "baseplan.toml"); err != nil {
		t.Error(err)
	}
}

// boot are the settings that both build files of Spring Boot have.
type boot struct {
	Name         string `xml:"name"`
	Builder      string `xml:"builder"`
	RunImage     string `xml:"runImage"`
	TrustBuilder string `xml:"trustBuilder"`
	PullPolicy   string `xml:"pullPolicy"`
}

func maven(t *testing.T) boot {
	t.Helper()
	var b boot
	for d := xml.NewDecoder(strings.NewReader(read(t, "spring-boot/pom.xml"))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "image" {
			if err := d.DecodeElement(&b, &start); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSpringBootSettings(t *testing.T) {
	text := read(t, "spring-boot/build.gradle")
	set := func(name string) string {
		m := regexp.MustCompile(`(?m)^ +` + name + ` = "?([^"\n]+)"?$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("build.gradle sets no %s", name)
		}
		return m[1]
	}
	gradle := boot{set("imageName"), set("builder"), set("runImage"), set("trustBuilder"), set("pullPolicy")}
	if diff := cmp.Diff(maven(t), gradle); diff != "" {
		t.Errorf("Maven and Gradle differ (-maven +gradle):\n%s", diff)
	}
	if gradle.TrustBuilder != "true" {
		t.Error("only a trusted builder's creator is called")
	}
}

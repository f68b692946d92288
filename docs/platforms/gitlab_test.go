package platforms_test

import (
	"errors"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const component = "gitlab/templates/build-image/template.yml"

// A job is that of GitLab.
type job struct {
	Stage string
	Image struct {
		Name       string
		Entrypoint []string
	}
	Variables   map[string]string
	Script      []string
	AfterScript []string `yaml:"after_script"`
	Artifacts   struct{ Paths []string }
}

// A declared input of a component. Without a default, it is required.
type declared struct {
	Description string
	Default     *string
	Options     []string
}

// gitlab is the job of the component with inputs, as GitLab makes it.
func gitlab(t *testing.T, inputs map[string]string) job {
	t.Helper()
	text := read(t, component)
	var header struct {
		Spec struct{ Inputs map[string]declared }
	}
	d := yaml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&header); err != nil {
		t.Fatal(err)
	}
	for name := range inputs {
		if _, ok := header.Spec.Inputs[name]; !ok {
			t.Errorf("the component has no input %s", name)
		}
	}
	_, text, _ = strings.Cut(text, "\n---\n")
	used := map[string]bool{}
	text = regexp.MustCompile(`\$\[\[ inputs\.([a-z-]+) \]\]`).ReplaceAllStringFunc(text, func(r string) string {
		name := strings.TrimSuffix(strings.TrimPrefix(r, "$[[ inputs."), " ]]")
		used[name] = true
		of, ok := header.Spec.Inputs[name]
		value, given := inputs[name]
		switch {
		case !ok || !given && of.Default == nil:
			t.Errorf("the input %s has no value", name)
		case !given:
			value = *of.Default
		}
		if len(of.Options) > 0 && !slices.Contains(of.Options, value) {
			t.Errorf("the input %s is %q, of %q", name, value, of.Options)
		}
		return value
	})
	for name, of := range header.Spec.Inputs {
		if !used[name] || of.Description == "" {
			t.Errorf("the input %s is not used, or not described", name)
		}
	}
	if i := strings.Index(text, "$[["); i >= 0 {
		t.Errorf("GitLab knows no %q", text[i:i+20])
	}
	var jobs map[string]job
	d = yaml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&jobs); err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		t.Errorf("the component has a third document: %v", err)
	}
	name := "build-image"
	if given := inputs["job-name"]; given != "" {
		name = given
	}
	if _, ok := jobs[name]; !ok || len(jobs) != 1 {
		t.Errorf("the component has the jobs %v, want %s", jobs, name)
	}
	return jobs[name]
}

// TestGitLabComponent has the creator parse what the job calls it with, for the defaults and other inputs.
func TestGitLabComponent(t *testing.T) {
	for _, inputs := range []map[string]string{nil, {
		"job-name": "image of the app", "stage": "package", "builder": "registry.example/mine", "image": "registry.example/app", "cache-image": "registry.example/kept",
		"run-image": "registry.example/run:bookworm", "run-sbom": "attached", "extend": "never",
	}} {
		j := gitlab(t, inputs)
		i := slices.IndexFunc(j.Script, func(line string) bool { return strings.HasPrefix(line, "/cnb/lifecycle/creator ") })
		if i < 0 {
			t.Fatal("the job does not call the creator")
		}
		values := map[string]string{"CI_COMMIT_REF_SLUG": "main", "CI_COMMIT_SHA": "0123abc", "CI_REGISTRY_IMAGE": "registry.example/acme/app"}
		for name, value := range j.Variables {
			values[name] = os.Expand(value, func(v string) string { return values[v] })
		}
		var args []string
		for _, word := range strings.Fields(j.Script[i])[1:] {
			args = append(args, os.Expand(strings.Trim(word, `"`), func(v string) string { return values[v] }))
		}
		in := parsed(t, "creator", values["CNB_PLATFORM_API"], args, values)
		want := map[string]string{
			"builder": "registry.example/builder:bookworm", "stage": "build", "image": "registry.example/acme/app", "cache-image": "registry.example/acme/app/cache",
			"run-image": "", "run-sbom": "auto", "extend": "sandbox",
		}
		maps.Copy(want, inputs)
		delete(want, "job-name")
		got := map[string]string{
			"builder": j.Image.Name, "stage": j.Stage, "image": strings.TrimSuffix(in.Images[0].String(), ":0123abc"), "cache-image": in.CacheImage.String(),
			"run-image": in.RunImage.String(), "run-sbom": string(in.RunSBOM), "extend": in.ExtendInCreate,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-inputs +job:\n%s", diff)
		}
	}
}

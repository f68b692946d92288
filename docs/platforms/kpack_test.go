package platforms_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A cluster is what kpack makes a builder of.
type cluster struct {
	lifecycle string // image
	build     string // image
	sources   []string
	builder   builder
}

// kpack reads the resources and follows their references.
func kpack(t *testing.T) cluster {
	t.Helper()
	type named struct{ Kind, Name string }
	type imaged struct{ Image string }
	type resource struct {
		Kind     string
		Metadata struct{ Name string }
		Spec     struct {
			Image                   string
			Sources                 []imaged
			BuildImage              imaged `yaml:"buildImage"`
			RunImage                imaged `yaml:"runImage"`
			Lifecycle, Stack, Store named
			Order                   []group
		}
	}
	all := map[named]resource{}
	for d := yaml.NewDecoder(strings.NewReader(read(t, "kpack/cluster.yaml"))); ; {
		var r resource
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[named{r.Kind, r.Metadata.Name}] = r
	}
	get := func(n named) resource {
		r, ok := all[n]
		if !ok {
			t.Fatalf("cluster.yaml has no %v", n)
		}
		return r
	}
	of := get(named{"ClusterBuilder", "bookworm"}).Spec
	stack := get(of.Stack).Spec
	c := cluster{lifecycle: get(of.Lifecycle).Spec.Image, build: stack.BuildImage.Image}
	for _, s := range get(of.Store).Spec.Sources {
		c.sources = append(c.sources, s.Image)
	}
	c.builder.Order = of.Order
	c.builder.Run.Images = append(c.builder.Run.Images, struct {
		Image string `toml:"image"`
	}{stack.RunImage.Image})
	c.builder.Lifecycle.URI, c.builder.Buildpacks = packBuilder(t).Lifecycle.URI, packBuilder(t).Buildpacks
	return c
}

// TestKpackResources holds the resources to the sample's buildpack and the files beside them.
func TestKpackResources(t *testing.T) {
	c := kpack(t)
	if diff := cmp.Diff([]group{{Group: []element{described(t, "builder/buildpacks/app")}}}, c.builder.Order); diff != "" {
		t.Errorf("the order is not that of the sample (-sample +order):\n%s", diff)
	}
	if want := []string{"registry.example/buildpacks/app"}; !slices.Equal(c.sources, want) {
		t.Errorf("the store has %q, want %q", c.sources, want)
	}
	if !strings.Contains(read(t, "kpack/build.Dockerfile"), "--tag "+c.build+" ") {
		t.Errorf("build.Dockerfile does not say how to make %s", c.build)
	}
	settings, err := platform.DecodeSettings([]byte(read(t, "kpack/baseplan.toml")), "baseplan.toml")
	if err != nil || settings.Policy.RunSBOM != platform.Generate {
		t.Errorf("the policy is %+v, %v, want generate: no phase after the analyzer could help the detector", settings, err)
	}
}

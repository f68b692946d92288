package platform_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

func TestMetadataPerVersion(t *testing.T) {
	m := &platform.BuildMetadata{
		DefaultProcess: "web",
		Buildpacks:     []platform.Module{{ID: "acme/app", Version: "1", API: "0.12"}},
		Processes:      []launch.Process{{Type: "web", Command: launch.Command{"ruby", "-w"}, Args: []string{"app.rb"}, Direct: true, BuildpackID: "acme/app"}},
		Slices:         []platform.Slice{{Paths: []string{"static/*"}}},
	}
	for _, test := range []struct {
		api  api.Version
		want string
	}{
		{api.Version{Minor: 10}, `buildpack-default-process-type = "web"

[[buildpacks]]
id = "acme/app"
version = "1"
api = "0.12"

[[processes]]
type = "web"
command = ["ruby", "-w"]
args = ["app.rb"]
direct = true
buildpack-id = "acme/app"

[[slices]]
paths = ["static/*"]
`},
		{api.Version{Minor: 9}, `buildpack-default-process-type = "web"

[[buildpacks]]
id = "acme/app"
version = "1"
api = "0.12"

[[processes]]
type = "web"
command = "ruby"
args = ["-w", "app.rb"]
direct = true
buildpack-id = "acme/app"

[[slices]]
paths = ["static/*"]
`},
	} {
		data, err := m.Encode(test.api)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, string(data)); diff != "" {
			t.Errorf("Platform API %s: %s", test.api, diff)
		}
		back, err := platform.DecodeBuildMetadata(data, "metadata.toml")
		if err != nil {
			t.Fatal(err)
		}
		want := *m
		if !api.CommandList.In(test.api) {
			want.Processes = []launch.Process{m.Processes[0].SingleCommand()}
		}
		if diff := cmp.Diff(&want, back); diff != "" {
			t.Errorf("Platform API %s, read again: %s", test.api, diff)
		}
	}
}

// Before Platform API 0.10 what follows the program are arguments: an empty list if nothing does.
func TestSingleCommandHasArgs(t *testing.T) {
	m := platform.BuildMetadata{Processes: []launch.Process{{Type: "web", Command: launch.Command{"run"}}}}
	for version, want := range map[uint]bool{9: true, 10: false} {
		data, err := m.Encode(api.Version{Minor: version})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(data), "args = []\n"); got != want {
			t.Errorf("0.%d: args = [] is written: %t, want %t\n%s", version, got, want, data)
		}
	}
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// TestEveryVersion runs the same scenario at every version of the Platform API with every
// version of the Buildpack API. What differs is written in the script, by conditions.
func TestEveryVersion(t *testing.T) {
	registry := lifecycletest.Registry()
	t.Cleanup(registry.Close)
	registry.Push("run:curl", withUser(t, lifecycletest.Debian("curl")))
	for _, platform := range api.Platform.Supported {
		for _, buildpack := range api.Buildpack.Supported {
			t.Run(fmt.Sprintf("platform %s, buildpack %s", platform, buildpack), func(t *testing.T) {
				testscript.Run(t, testscript.Params{
					Dir: "testdata/versions", RequireExplicitExec: true, Cmds: commands(),
					Condition: func(name string) (bool, error) {
						if name == "target-variables" { // whatever the Platform API is
							return api.Targets.In(buildpack), nil
						}
						feature, known := map[string]api.Feature{"commands": api.CommandList, "targets": api.TargetData}[name]
						if !known {
							return false, fmt.Errorf("%s is no condition", name)
						}
						return feature.In(platform), nil
					},
					Setup: func(env *testscript.Env) error {
						env.Setenv("REGISTRY", registry.Name)
						env.Setenv("TEST", strings.ToLower(strings.ReplaceAll(fmt.Sprintf("p%s-b%s", platform, buildpack), ".", "-")))
						if err := ofVersion(env.WorkDir, buildpack); err != nil {
							return err
						}
						if err := os.WriteFile(filepath.Join(env.WorkDir, "stack.toml"), fmt.Appendf(nil, "[run-image]\nimage = %q\n", registry.Name+"/run:curl"), 0o644); err != nil {
							return err
						}
						err := setup(env.WorkDir, env)
						env.Setenv("CNB_PLATFORM_API", platform.String())
						return err
					},
				})
			})
		}
	}
}

// ofVersion makes the buildpack one of a version of its API: before 0.9 a command is a string.
func ofVersion(work string, v api.Version) error {
	command := `["sh", "file"]`
	if !api.DefaultArgs.In(v) {
		command = `"sh file"`
	}
	for name, change := range map[string][2]string{"buildpack.toml": {"@API@", v.String()}, "bin/build": {"@COMMAND@", command}} {
		path := filepath.Join(work, "buildpacks/acme_app/1.0.0", name)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), change[0], change[1])), 0o644); err != nil {
			return err
		}
	}
	return nil
}

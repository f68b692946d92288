// Command app is a buildpack that builds the app with what the buildpacks before it brought, and requires the tools
// that the app's file requires lists: NAME build, or NAME launch.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/paketo-buildpacks/packit/v2"
)

func main() { packit.Run(detect, build) }

func detect(c packit.DetectContext) (packit.DetectResult, error) {
	plan := packit.BuildPlan{Requires: []packit.BuildPlanRequirement{{Name: "interpreter", Metadata: map[string]any{"build": true, "launch": true}}}}
	needs, err := required(c.WorkingDir)
	for _, need := range needs {
		plan.Requires = append(plan.Requires, packit.BuildPlanRequirement{Name: need[0], Metadata: map[string]any{need[1]: true}})
	}
	return packit.DetectResult{Plan: plan}, err
}

func required(app string) ([][]string, error) {
	text, err := os.ReadFile(filepath.Join(app, "requires"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all [][]string
	for line := range strings.Lines(string(text)) {
		all = append(all, strings.Fields(line))
	}
	return all, err
}

func build(c packit.BuildContext) (packit.BuildResult, error) {
	for _, command := range [][]string{{"tool"}, {"verify", "site.pem"}} {
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if err != nil {
			return packit.BuildResult{}, fmt.Errorf("%q: %w\n%s", command, err, out)
		}
		fmt.Printf("build: %s: %s", command[0], out)
	}
	needs, err := required(c.WorkingDir)
	for _, need := range needs {
		if _, missing := exec.LookPath(need[0]); need[1] == "build" {
			err = errors.Join(err, missing)
		}
	}
	wheels := filepath.Join(filepath.Dir(c.Layers.Path), "compat_interpreter", "wheels")
	if _, gone := os.Stat(wheels); gone != nil {
		err = errors.Join(err, gone)
	}
	return packit.BuildResult{Launch: packit.LaunchMetadata{DirectProcesses: []packit.DirectProcess{{
		Type: "tool", Command: []string{"tool"}, WorkingDirectory: c.WorkingDir,
	}}}}, err
}

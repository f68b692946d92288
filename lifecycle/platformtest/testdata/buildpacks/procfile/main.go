// Command procfile is a buildpack that makes a process type of each line of a Procfile. They are shell scripts.
package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb"
)

type buildpack struct{}

func main() { libcnb.Main(buildpack{}, buildpack{}) }

func (buildpack) Detect(c libcnb.DetectContext) (libcnb.DetectResult, error) {
	_, err := os.Stat(filepath.Join(c.Application.Path, "Procfile"))
	if errors.Is(err, fs.ErrNotExist) {
		return libcnb.DetectResult{}, nil
	}
	return libcnb.DetectResult{Pass: err == nil, Plans: []libcnb.BuildPlan{{
		Provides: []libcnb.BuildPlanProvide{{Name: "procfile"}}, Requires: []libcnb.BuildPlanRequire{{Name: "procfile"}},
	}}}, err
}

func (buildpack) Build(c libcnb.BuildContext) (libcnb.BuildResult, error) {
	result := libcnb.NewBuildResult()
	text, err := os.ReadFile(filepath.Join(c.Application.Path, "Procfile"))
	if err != nil {
		return result, err
	}
	for line := range strings.Lines(string(text)) {
		name, command, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok {
			result.Processes = append(result.Processes, libcnb.Process{Type: name, Command: strings.TrimSpace(command), Default: name == "web"})
		}
	}
	return result, nil
}

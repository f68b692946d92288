// Command environment-variables is a buildpack that turns the platform's variables BPE_NAME, BPE_APPEND_NAME,
// BPE_PREPEND_NAME, BPE_DEFAULT_NAME and BPE_DELIM_NAME into the app's environment.
package main

import (
	"strings"

	"github.com/buildpacks/libcnb"
)

type buildpack struct{}

func main() { libcnb.Main(buildpack{}, buildpack{}) }

func (buildpack) Detect(libcnb.DetectContext) (libcnb.DetectResult, error) {
	return libcnb.DetectResult{Pass: true}, nil
}

func (buildpack) Build(c libcnb.BuildContext) (libcnb.BuildResult, error) {
	result := libcnb.NewBuildResult()
	result.Layers = append(result.Layers, variables(c.Platform.Environment))
	return result, nil
}

type variables map[string]string

func (variables) Name() string { return "environment-variables" }

func (v variables) Contribute(l libcnb.Layer) (libcnb.Layer, error) {
	l.Launch = true
	for key, value := range v {
		name, ok := strings.CutPrefix(key, "BPE_")
		if !ok {
			continue
		}
		kind, rest, _ := strings.Cut(name, "_")
		switch kind {
		case "APPEND":
			l.LaunchEnvironment.Append(rest, v["BPE_DELIM_"+rest], value)
		case "PREPEND":
			l.LaunchEnvironment.Prepend(rest, v["BPE_DELIM_"+rest], value)
		case "DEFAULT":
			l.LaunchEnvironment.Default(rest, value)
		case "DELIM":
		default:
			l.LaunchEnvironment.Override(name, value)
		}
	}
	return l, nil
}

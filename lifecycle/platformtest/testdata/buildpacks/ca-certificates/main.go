// Command ca-certificates is a buildpack that trusts the certificates of bindings of the type ca-certificates: those of
// the build for the buildpacks behind it, and those that the container is started with for the app. One program is
// bin/build, bin/detect and the exec.d executable of a layer.
package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/buildpacks/libcnb"
)

const (
	name   = "ca-certificates"
	helper = "1-ca-certificates-helper"
	system = "/etc/ssl/certs"
)

type buildpack struct{}

func main() {
	if filepath.Base(os.Args[0]) == helper {
		libcnb.RunExecD(map[string]libcnb.ExecD{helper: atLaunch{}})
		return
	}
	libcnb.Main(buildpack{}, buildpack{})
}

func (buildpack) Detect(c libcnb.DetectContext) (libcnb.DetectResult, error) {
	provides := []libcnb.BuildPlanProvide{{Name: name}, {Name: name + "-helper"}}
	requires := []libcnb.BuildPlanRequire{{Name: name + "-helper"}}
	var plans []libcnb.BuildPlan
	if paths := folders(c.Platform.Bindings); len(paths) > 0 {
		bound := append(requires, libcnb.BuildPlanRequire{Name: name, Metadata: map[string]any{"paths": paths}})
		plans = append(plans, libcnb.BuildPlan{Provides: provides, Requires: bound})
	}
	return libcnb.DetectResult{Pass: true, Plans: append(plans, libcnb.BuildPlan{Provides: provides[1:], Requires: requires})}, nil
}

func folders(all libcnb.Bindings) []string {
	var paths []string
	for _, b := range all {
		if strings.EqualFold(b.Type, name) {
			paths = append(paths, b.Path)
		}
	}
	return paths
}

func (buildpack) Build(c libcnb.BuildContext) (libcnb.BuildResult, error) {
	result := libcnb.NewBuildResult()
	for _, e := range c.Plan.Entries {
		switch e.Name {
		case name:
			result.Layers = append(result.Layers, atBuild{e.Metadata["paths"].([]any)})
		case name + "-helper":
			result.Layers = append(result.Layers, helperLayer{filepath.Join(c.Buildpack.Path, "bin", "main")})
		}
	}
	return result, nil
}

type atBuild struct{ paths []any }

func (atBuild) Name() string { return name }

func (b atBuild) Contribute(l libcnb.Layer) (libcnb.Layer, error) {
	l.Build = true
	for _, p := range b.paths {
		l.BuildEnvironment.Append("SSL_CERT_DIR", ":", p)
	}
	l.BuildEnvironment.Default("SSL_CERT_DIR", system)
	return l, nil
}

type helperLayer struct{ program string }

func (helperLayer) Name() string { return "helper" }

func (h helperLayer) Contribute(l libcnb.Layer) (libcnb.Layer, error) {
	l.Launch = true
	in, err := os.Open(h.program)
	if err != nil {
		return l, err
	}
	defer in.Close()
	if err := os.MkdirAll(l.Exec.Path, 0o755); err != nil {
		return l, err
	}
	out, err := os.OpenFile(l.Exec.FilePath(helper), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return l, err
	}
	_, err = io.Copy(out, in)
	return l, errors.Join(err, out.Close())
}

type atLaunch struct{}

func (atLaunch) Execute() (map[string]string, error) {
	bindings, err := libcnb.NewBindingsForLaunch()
	if err != nil {
		return nil, err
	}
	paths := folders(bindings)
	if len(paths) == 0 {
		return nil, nil
	}
	return map[string]string{"SSL_CERT_DIR": strings.Join(append([]string{system}, paths...), ":")}, nil
}

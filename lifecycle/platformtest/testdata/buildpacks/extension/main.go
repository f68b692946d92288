// Command extension is an extension that installs a tool into the build image and the run image, with Dockerfiles as
// those of the UBI family are: the base image and a build ID as arguments, root for a while.
package main

import (
	"errors"
	"strings"

	"github.com/paketo-buildpacks/packit/v2"
)

const dockerfile = `ARG base_image
FROM ${base_image}

USER root

ARG build_id=0
RUN echo ${build_id}

RUN apt-get update && apt-get install -y --no-install-recommends tree && rm -rf /var/lib/apt/lists/*

RUN echo uid:gid "1000:1000"
USER 1000:1000
`

func main() { packit.RunExtension(detect, generate) }

func detect(packit.DetectContext) (packit.DetectResult, error) {
	return packit.DetectResult{Plan: packit.BuildPlan{Provides: []packit.BuildPlanProvision{{Name: "tree"}}}}, nil
}

func generate(c packit.GenerateContext) (packit.GenerateResult, error) {
	if c.Info.ID != "compat/tree" || c.CNBPath == "" || c.Platform.Path == "" || len(c.Plan.Entries) != 1 {
		return packit.GenerateResult{}, errors.New("the environment does not say what is generated, or where")
	}
	return packit.GenerateResult{BuildDockerfile: strings.NewReader(dockerfile), RunDockerfile: strings.NewReader(dockerfile)}, nil
}

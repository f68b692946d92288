// Command extension is an extension that installs a tool into the build image and the run image, with Dockerfiles as
// those of the UBI family are: the base image and a build ID as arguments, root for a while.
package main

import (
	"fmt"
	"os"
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

// generate makes a Dockerfile for each image that has to have the tool. As in the UBI family, the run image may be
// replaced by one that the user names.
func generate(c packit.GenerateContext) (packit.GenerateResult, error) {
	var result packit.GenerateResult
	if c.Info.ID != "compat/tree" || c.CNBPath == "" || c.Platform.Path == "" || len(c.Plan.Entries) == 0 {
		return result, fmt.Errorf("extension %q in %q with platform %q is given the plan %v", c.Info.ID, c.CNBPath, c.Platform.Path, c.Plan.Entries)
	}
	for _, entry := range c.Plan.Entries {
		if entry.Name != "tree" {
			return result, fmt.Errorf("the plan has %q", entry.Name)
		}
		if entry.Metadata["build"] == true {
			result.BuildDockerfile = strings.NewReader(dockerfile)
		}
		if entry.Metadata["launch"] == true {
			result.RunDockerfile = strings.NewReader(dockerfile)
			if image := os.Getenv("BP_TREE_RUN_IMAGE"); image != "" {
				result.RunDockerfile = strings.NewReader("FROM " + image + "\n")
			}
		}
	}
	return result, nil
}

// Command image-labels is a buildpack that labels the image with BP_OCI_TITLE and with what BP_IMAGE_LABELS lists.
package main

import (
	"strings"

	"github.com/buildpacks/libcnb"
)

type buildpack struct{}

func main() { libcnb.Main(buildpack{}, buildpack{}) }

func (buildpack) Detect(c libcnb.DetectContext) (libcnb.DetectResult, error) {
	return libcnb.DetectResult{Pass: c.Platform.Environment["BP_OCI_TITLE"]+c.Platform.Environment["BP_IMAGE_LABELS"] != ""}, nil
}

func (buildpack) Build(c libcnb.BuildContext) (libcnb.BuildResult, error) {
	result := libcnb.NewBuildResult()
	if title := c.Platform.Environment["BP_OCI_TITLE"]; title != "" {
		result.Labels = append(result.Labels, libcnb.Label{Key: "org.opencontainers.image.title", Value: title})
	}
	for _, pair := range strings.Fields(c.Platform.Environment["BP_IMAGE_LABELS"]) {
		key, value, _ := strings.Cut(pair, "=")
		result.Labels = append(result.Labels, libcnb.Label{Key: key, Value: value})
	}
	return result, nil
}

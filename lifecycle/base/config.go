package base

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/image"
)

// configOf returns the parts of an image's configuration that verdicts depend on.
func configOf(img *image.Image) *extensions.Config {
	c := img.Config.Config
	out := &extensions.Config{
		User: c.User, WorkingDir: c.WorkingDir, Env: c.Env, Labels: c.Labels, Shell: c.Shell, StopSignal: c.StopSignal, Author: img.Config.Author, Created: img.Config.Created.UTC(),
		ExposedPorts: slices.Sorted(maps.Keys(c.ExposedPorts)), Volumes: slices.Sorted(maps.Keys(c.Volumes)),
	}
	if c.Healthcheck != nil {
		if check, err := json.Marshal(c.Healthcheck); err == nil {
			out.Healthcheck = string(check)
		}
	}
	return out
}

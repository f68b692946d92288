package base

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/sbom/attach"
)

// configOf returns what run-image.toml records of an image's configuration.
func configOf(img *image.Image) *attach.Config {
	c := img.Config.Config
	out := &attach.Config{
		User: c.User, WorkingDir: c.WorkingDir, Env: c.Env, Labels: c.Labels, Shell: c.Shell, StopSignal: c.StopSignal, Author: img.Config.Author,
		ExposedPorts: slices.Sorted(maps.Keys(c.ExposedPorts)), Volumes: slices.Sorted(maps.Keys(c.Volumes)),
	}
	if c.Healthcheck != nil {
		if check, err := json.Marshal(c.Healthcheck); err == nil {
			out.Healthcheck = string(check)
		}
	}
	if created := img.Config.Created.UTC(); !created.IsZero() {
		out.Created = &created
	}
	return out
}

// JudgedBy returns the configuration in a run-image.toml as Dockerfiles are judged by it; nil if there is none.
func JudgedBy(c *attach.Config) *extensions.Config {
	if c == nil {
		return nil
	}
	out := &extensions.Config{
		User: c.User, WorkingDir: c.WorkingDir, Env: c.Env, Labels: c.Labels, Shell: c.Shell,
		ExposedPorts: c.ExposedPorts, Volumes: c.Volumes, StopSignal: c.StopSignal, Healthcheck: c.Healthcheck, Author: c.Author,
	}
	if c.Created != nil {
		out.Created = *c.Created
	}
	return out
}

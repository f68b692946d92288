//go:build linux

package apply

import (
	"errors"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/baseplan/baseplan/extensions"
)

// configure applies the instructions that change only the image's configuration. Variables are
// already expanded, except in instructions that expand them themselves.
func (s *stage) configure(cmd instructions.Command) error {
	config := &s.b.config
	switch c := cmd.(type) {
	case *instructions.EnvCommand:
		for _, e := range c.Env {
			config.Env = setEnv(config.Env, e.Key, e.Value)
		}
	case *instructions.LabelCommand:
		for _, l := range c.Labels {
			config.Labels[l.Key] = l.Value
		}
	case *instructions.UserCommand:
		config.User = c.User
	case *instructions.ShellCommand:
		config.Shell = c.Shell
	case *instructions.ExposeCommand:
		return s.expose(c)
	case *instructions.VolumeCommand:
		return s.volume(c)
	case *instructions.StopSignalCommand:
		config.StopSignal = c.Signal
		return extensions.CheckSignal(c.Signal)
	case *instructions.HealthCheckCommand:
		h := c.Health
		config.Healthcheck = &v1.HealthConfig{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
	case *instructions.MaintainerCommand:
		s.b.author = c.Maintainer
	}
	return nil
}

func (s *stage) expose(c *instructions.ExposeCommand) error {
	var specs []string
	for _, p := range c.Ports {
		words, err := s.lex.ProcessWords(p, s.variables())
		if err != nil {
			return err
		}
		specs = append(specs, words...)
	}
	ports, err := extensions.Ports(specs)
	if err != nil {
		return err
	}
	if s.b.config.ExposedPorts == nil {
		s.b.config.ExposedPorts = map[string]struct{}{}
	}
	for _, p := range ports {
		s.b.config.ExposedPorts[p] = struct{}{}
	}
	return nil
}

func (s *stage) volume(c *instructions.VolumeCommand) error {
	if slices.Contains(c.Volumes, "") {
		return errors.New("VOLUME with an empty path")
	}
	if s.b.config.Volumes == nil {
		s.b.config.Volumes = map[string]struct{}{}
	}
	for _, v := range c.Volumes {
		s.b.config.Volumes[v] = struct{}{}
	}
	return nil
}

// supportedConfig returns an error for settings that are not written to the image configuration.
func supportedConfig(cmd instructions.Command) error {
	if c, ok := cmd.(*instructions.HealthCheckCommand); ok && c.Health.StartInterval != 0 {
		return errors.New("HEALTHCHECK --start-interval is not supported; remove it")
	}
	return nil
}

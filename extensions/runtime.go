package extensions

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// Ports returns the ports of an EXPOSE instruction as in an image's configuration,
// "80/tcp", sorted. Ranges are expanded. In the syntax of docker run -p, only the
// container's port counts.
func Ports(specs []string) ([]string, error) {
	var all []string
	for _, spec := range specs {
		ports, err := expose(spec)
		if err != nil {
			return nil, fmt.Errorf("EXPOSE %s: %w", spec, err)
		}
		all = append(all, ports...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func expose(spec string) ([]string, error) {
	numbers, protocol, ok := strings.Cut(spec, "/")
	if protocol = strings.ToLower(protocol); protocol == "" && !ok {
		protocol = "tcp"
	}
	if !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		return nil, fmt.Errorf("unknown protocol %q: use tcp, udp or sctp", protocol)
	}
	numbers = numbers[strings.LastIndexByte(numbers, ':')+1:]
	low, high, isRange := strings.Cut(numbers, "-")
	if !isRange {
		high = low
	}
	first, err := strconv.ParseUint(low, 10, 16)
	last, err2 := strconv.ParseUint(high, 10, 16)
	if err := errors.Join(err, err2); err != nil || last < first {
		return nil, fmt.Errorf("%q is not a port or a range of ports", numbers)
	}
	var all []string
	for p := first; p <= last; p++ {
		all = append(all, fmt.Sprintf("%d/%s", p, protocol))
	}
	return all, nil
}

var signal = regexp.MustCompile(`^(?:[0-9]{1,2}|(?:SIG)?(?:[A-Z]{2,6}[0-9]?|RTM(?:IN|AX)(?:[+-][0-9]{1,2})?))$`)

// CheckSignal returns an error if s is not a valid signal for STOPSIGNAL.
func CheckSignal(s string) error {
	if !signal.MatchString(strings.ToUpper(s)) {
		return fmt.Errorf("STOPSIGNAL %s: not a signal: use a name such as SIGTERM, or a number", s)
	}
	return nil
}

// expose returns the finding for EXPOSE.
func (a *analyzer) expose(c *instructions.ExposeCommand) finding {
	var specs []string
	for _, p := range c.Ports {
		p, ok := a.word(p)
		if !ok {
			return imageEffect("the exposed ports are unknown")
		}
		specs = append(specs, strings.Fields(p)...)
	}
	ports, err := Ports(specs)
	if err != nil {
		return effect("%v", err)
	}
	return a.listed(ports, "does not expose", func(c *Config) []string { return c.ExposedPorts })
}

// volume returns the finding for VOLUME.
func (a *analyzer) volume(c *instructions.VolumeCommand) finding {
	var volumes []string
	for _, v := range c.Volumes {
		v, ok := a.word(v)
		if !ok {
			return imageEffect("the declared volumes are unknown")
		}
		volumes = append(volumes, v)
	}
	return a.listed(volumes, "has no volume", func(c *Config) []string { return c.Volumes })
}

// listed returns the finding for additions to a list in the image's configuration.
func (a *analyzer) listed(wanted []string, lacks string, has func(*Config) []string) finding {
	if a.base.Config == nil {
		return imageEffect("the image's configuration is not known")
	}
	for _, w := range wanted {
		if !slices.Contains(has(a.base.Config), w) {
			return imageEffect("the image %s %s", lacks, w)
		}
	}
	return noEffect("the image has it already")
}

// set returns the finding for setting one value of the image's configuration.
func (a *analyzer) set(name, value string, known bool, has func(*Config) string) finding {
	switch {
	case a.base.Config == nil:
		return imageEffect("the image's configuration is not known")
	case !known || value == "":
		return imageEffect("the new %s is unknown", name)
	case has(a.base.Config) == "":
		return imageEffect("the image has no %s", name)
	case has(a.base.Config) != value:
		return imageEffect("the image's %s is %s", name, has(a.base.Config))
	}
	return noEffect("the image has it already")
}

// healthcheck returns the finding for HEALTHCHECK.
func (a *analyzer) healthcheck(c *instructions.HealthCheckCommand) finding {
	if c.Health.StartInterval != 0 {
		return effect("HEALTHCHECK --start-interval is not understood")
	}
	value, err := json.Marshal(c.Health)
	return a.set("health check", string(value), err == nil, func(c *Config) string { return c.Healthcheck })
}

// runtime returns the finding for an instruction that changes how containers run.
// Each is compared with the image's configuration, so two different instructions of
// a kind have an effect.
func (a *analyzer) runtime(cmd instructions.Command) finding {
	switch c := cmd.(type) {
	case *instructions.ExposeCommand:
		return a.expose(c)
	case *instructions.VolumeCommand:
		return a.volume(c)
	case *instructions.StopSignalCommand:
		value, ok := a.word(c.Signal)
		return a.set("stop signal", value, ok, func(c *Config) string { return c.StopSignal })
	case *instructions.HealthCheckCommand:
		return a.healthcheck(c)
	case *instructions.MaintainerCommand:
		value, ok := a.word(c.Maintainer)
		return a.set("author", value, ok, func(c *Config) string { return c.Author })
	}
	return effect("changes the image's configuration")
}

package buildpack

import (
	"slices"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A Target is a platform that a buildpack supports. Empty fields match any
// (buildpack.md, "Targets").
type Target struct {
	OS, Arch, Variant string
	Distros           []platform.Distro
}

type targetFile struct {
	OS      string            `toml:"os"`
	Arch    string            `toml:"arch"`
	Variant string            `toml:"variant"`
	Distros []platform.Distro `toml:"distros"`
}

// bionic is the stack that implies a target.
const bionic = "io.buildpacks.stacks.bionic"

// Matches reports whether the module supports a base image. Unknown values of the
// image match any.
func (d *Descriptor) Matches(image *platform.Target) bool {
	if image == nil || image.OS == "" {
		return true
	}
	targets := d.targets()
	return len(targets) == 0 || slices.ContainsFunc(targets, func(t Target) bool { return t.matches(image) })
}

// targets returns the targets of the module, declared or inferred; none: it matches any.
func (d *Descriptor) targets() []Target {
	targets := slices.Clone(d.Targets)
	for _, stack := range d.Stacks {
		switch stack {
		case "*":
			return nil
		case bionic:
			targets = append(targets, Target{OS: "linux", Arch: "amd64", Distros: []platform.Distro{{Name: "ubuntu", Version: "18.04"}}})
		}
	}
	if len(targets) > 0 || !api.Targets.In(d.API) {
		return targets
	}
	if d.has("build") || d.has("generate") || d.has("detect") {
		targets = append(targets, Target{OS: "linux"})
	}
	if d.has("build.bat") || d.has("build.exe") {
		targets = append(targets, Target{OS: "windows"})
	}
	return targets
}

func (t Target) matches(image *platform.Target) bool {
	same := func(want, have string) bool { return want == "" || have == "" || want == have }
	if !same(t.OS, image.OS) || !same(t.Arch, image.Arch) || !same(t.Variant, image.Variant) {
		return false
	}
	if len(t.Distros) == 0 || image.Distro == nil {
		return true
	}
	return slices.ContainsFunc(t.Distros, func(d platform.Distro) bool {
		return same(d.Name, image.Distro.Name) && same(d.Version, image.Distro.Version)
	})
}

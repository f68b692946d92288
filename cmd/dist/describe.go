package main

import (
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A description is what platforms read of a lifecycle before they use it, in lifecycle.toml
// and in labels.
type description struct {
	Lowest    lowest    `toml:"api" json:"api"`
	APIs      apis      `toml:"apis" json:"apis"`
	Lifecycle lifecycle `toml:"lifecycle" json:"-"`
}

// lowest is for platforms that know of one version only.
type lowest struct {
	Platform  api.Version `toml:"platform" json:"platform"`
	Buildpack api.Version `toml:"buildpack" json:"buildpack"`
}

type apis struct {
	Platform  versions `toml:"platform" json:"platform"`
	Buildpack versions `toml:"buildpack" json:"buildpack"`
}

// versions are ascending.
type versions struct {
	Deprecated []api.Version `toml:"deprecated" json:"deprecated"`
	Supported  []api.Version `toml:"supported" json:"supported"`
}

type lifecycle struct {
	Version string   `toml:"version"`
	Formats []string `toml:"sbom-formats"`
}

// describe takes what is spoken from lifecycle/api.
func describe(version string) description {
	return description{
		Lowest: lowest{Platform: api.Platform.Supported[0], Buildpack: api.Buildpack.Supported[0]},
		APIs:   apis{Platform: versionsOf(api.Platform), Buildpack: versionsOf(api.Buildpack)},
		Lifecycle: lifecycle{
			Version: version,
			Formats: []string{"application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.syft+json"},
		},
	}
}

// versionsOf has empty lists rather than none, which platforms would read as null.
func versionsOf(a api.API) versions {
	return versions{
		Deprecated: append([]api.Version{}, a.Deprecated...),
		Supported:  append([]api.Version{}, a.Supported...),
	}
}

// TOML is lifecycle.toml.
func (d description) TOML() ([]byte, error) {
	return tomlfile.Encode(d, "lifecycle.toml")
}

package main

import (
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A description is what a lifecycle supports, for platforms: in lifecycle.toml and in labels.
type description struct {
	Lowest    lowest    `toml:"api" json:"api"`
	APIs      apis      `toml:"apis" json:"apis"`
	Lifecycle lifecycle `toml:"lifecycle" json:"-"`
}

// lowest is for platforms that support one version only.
type lowest struct {
	Platform  api.Version `toml:"platform" json:"platform"`
	Buildpack api.Version `toml:"buildpack" json:"buildpack"`
}

type apis struct {
	Platform  versions `toml:"platform" json:"platform"`
	Buildpack versions `toml:"buildpack" json:"buildpack"`
}

// versions are in ascending order.
type versions struct {
	Deprecated []api.Version `toml:"deprecated" json:"deprecated"`
	Supported  []api.Version `toml:"supported" json:"supported"`
}

type lifecycle struct {
	Version string   `toml:"version"`
	Formats []string `toml:"sbom-formats"`
}

// describe returns the versions that lifecycle/api supports.
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

// versionsOf returns empty instead of nil lists, which would be null in JSON.
func versionsOf(a api.API) versions {
	return versions{
		Deprecated: append([]api.Version{}, a.Deprecated...),
		Supported:  append([]api.Version{}, a.Supported...),
	}
}

// TOML returns lifecycle.toml.
func (d description) TOML() ([]byte, error) {
	return tomlfile.Encode(d, "lifecycle.toml")
}

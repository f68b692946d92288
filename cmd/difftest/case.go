//go:build linux

package main

import (
	"strconv"
	"strings"
)

// A Case is the input for two small builds and a rebase.
type Case struct {
	Seed        uint64            `json:"seed"`
	PlatformAPI string            `json:"papi"`
	Buildpacks  []Buildpack       `json:"bps"`
	Composites  []Composite       `json:"comps"`
	Order       []any             `json:"order"`
	System      map[string]any    `json:"system"`
	PlatformEnv map[string]string `json:"penv"` // <platform>/env
	BuildConfig map[string]string `json:"bcfg"` // <build-config>/env
	Env         map[string]string `json:"env"`  // for every phase
	ProcessType *string           `json:"ptype"`
	Project     map[string]any    `json:"project"`    // project-metadata.toml; nil: none
	Tags        bool              `json:"tags"`       // add a second tag
	RunTOML     bool              `json:"runtoml"`    // the analyzer reads the run image from run.toml or stack.toml
	Force       bool              `json:"force"`      // for the rebaser
	LaunchEnv   map[string]string `json:"launchenv"`  // added to the image's environment at launch
	CacheImage  bool              `json:"cacheimage"` // instead of a cache directory
	Creator     bool              `json:"creator"`    // instead of five phases
}

// A Buildpack is a buildpack.toml and the behavior of the executables.
type Buildpack struct {
	ID      string         `json:"id"`
	Version string         `json:"version"`
	TOML    map[string]any `json:"toml"`
	Formats []string       `json:"formats"` // SBOM formats
	Detect  struct {
		Code int `json:"code"`
	} `json:"detect"`
	Plan     map[string]any `json:"plan"`
	PlanArgs string         `json:"planargs"` // "env": paths from the environment; "arg": from the arguments
	Build    struct {
		Layers map[string]Layer  `json:"layers"`
		Code   int               `json:"code"`
		SBOM   map[string]string `json:"sbom"` // launch and build SBOMs by file name
		Launch map[string]any    `json:"launch"`
		Build  map[string]any    `json:"buildtoml"`
		Store  map[string]any    `json:"store"`
	} `json:"build"`
}

// A Layer describes a buildpack's layer, and what the buildpack does when it is restored.
type Layer struct {
	Types   map[string]any    `json:"types"`
	NoTypes bool              `json:"notypes"` // <layer>.toml without the table "types"
	NoTOML  bool              `json:"notoml"`
	NoDir   bool              `json:"nodir"`
	Files   map[string]string `json:"files"`
	Meta    map[string]any    `json:"meta"`
	SBOM    map[string]string `json:"sbom"`  // by extension
	Again   string            `json:"again"` // replace, types, meta, delete or leave
}

// A Composite is a buildpack that consists of orders.
type Composite struct {
	ID      string         `json:"id"`
	Version string         `json:"version"`
	TOML    map[string]any `json:"toml"`
}

// Before reports whether the case's Platform API is below 0.MINOR.
func (c *Case) Before(minor int) bool { return minorOf(c.PlatformAPI) < minor }

func minorOf(api string) int {
	minor, _ := strconv.Atoi(strings.TrimPrefix(api, "0."))
	return minor
}

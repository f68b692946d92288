package platform

import "github.com/baseplan/baseplan/sbom/tomlfile"

// A Report is report.toml, which describes the written image (platform.md, "report.toml").
type Report struct {
	Build    *ReportBuild    `toml:"build,omitempty"`
	Image    ReportImage     `toml:"image"`
	RunImage *ReportRunImage `toml:"run-image,omitempty"` // nil: CNB_RUN_SBOM is off, or this is a rebase
}

// A ReportImage is the location and identity of an app image.
type ReportImage struct {
	Tags         []string `toml:"tags"`
	ImageID      string   `toml:"image-id,omitempty"`     // in a docker daemon
	Digest       string   `toml:"digest,omitempty"`       // in a registry
	ManifestSize int64    `toml:"manifest-size,omitzero"` // in a registry, in bytes
}

// A ReportBuild is the build's Bill-of-Materials, before Platform API 0.9.
type ReportBuild struct {
	BOM []BOMEntry `toml:"bom"`
}

// A ReportRunImage lists the extensions that were skipped because of what the run image has
// (docs/reference/files.md, "report.toml").
type ReportRunImage struct {
	Inventory         string   `toml:"inventory"` // a carrier, "generated" or "unknown"
	SkippedExtensions []string `toml:"skipped-extensions,omitempty"`
}

// Encode encodes the file as TOML.
func (r *Report) Encode() ([]byte, error) { return tomlfile.Encode(r, "report.toml") }

package attach

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A Report is <layers>/run-image.toml: what is known of the run image's
// inventory, and where it was looked for.
type Report struct {
	Version  string     `toml:"version" json:"version"`
	Image    string     `toml:"image" json:"image"`                       // as the user names it
	Digest   string     `toml:"digest,omitempty" json:"digest,omitempty"` // of the platform's manifest; the image ID in a daemon build
	SBOM     *Source    `toml:"sbom,omitempty" json:"sbom,omitempty"`     // nil: no inventory is known
	Searched []Searched `toml:"searched,omitempty" json:"searched,omitempty"`

	// Declaration is the publisher's word on what the image provides; nil: there is none. The
	// detector reads it here, since it cannot look for itself.
	Declaration *Declared `toml:"declaration,omitempty" json:"declaration,omitempty"`

	// Config is for judging Dockerfiles on the image; nil: not known.
	Config *Config `toml:"config,omitempty" json:"config,omitempty"`
}

// A Config is what of an image's configuration decides whether an instruction has an effect on it.
type Config struct {
	User       string            `toml:"user" json:"user"`
	WorkingDir string            `toml:"working-dir,omitempty" json:"working-dir,omitempty"`
	Env        []string          `toml:"env,omitempty" json:"env,omitempty"`
	Shell      []string          `toml:"shell,omitempty" json:"shell,omitempty"`
	Labels     map[string]string `toml:"labels,omitempty" json:"labels,omitempty"`
	Created    *time.Time        `toml:"created,omitempty" json:"created,omitempty"`

	ExposedPorts []string `toml:"exposed-ports,omitempty" json:"exposed-ports,omitempty"` // "80/tcp"
	Volumes      []string `toml:"volumes,omitempty" json:"volumes,omitempty"`
	StopSignal   string   `toml:"stop-signal,omitempty" json:"stop-signal,omitempty"`
	Healthcheck  string   `toml:"healthcheck,omitempty" json:"healthcheck,omitempty"` // as JSON
	Author       string   `toml:"author,omitempty" json:"author,omitempty"`
}

// A Declared is a [Declaration] as it was found.
type Declared struct {
	Reference string `toml:"reference" json:"reference"`
	Signature
	Data string `toml:"data" json:"data"` // JSON
}

// A Source says where an inventory came from.
type Source struct {
	Carrier   Carrier     `toml:"carrier" json:"carrier"`
	Format    sbom.Format `toml:"format" json:"format"`
	Reference string      `toml:"reference,omitempty" json:"reference,omitempty"`
	Packages  int         `toml:"packages" json:"packages"`
	Signature
	Unbound bool       `toml:"unbound,omitempty" json:"unbound,omitempty"` // the signed bytes do not name the image
	Created *time.Time `toml:"created,omitempty" json:"created,omitempty"` // nil: not said
}

// A Searched is one carrier that was looked at.
type Searched struct {
	Carrier Carrier `toml:"carrier" json:"carrier"`
	Result  Outcome `toml:"result" json:"result"`
	Digest  string  `toml:"digest,omitempty" json:"digest,omitempty"` // of the artifact or layer
	Detail  string  `toml:"detail,omitempty" json:"detail,omitempty"`
}

// Report is the result as run-image.toml has it, for the image as the user
// names it and the digest of its manifest.
func (r *Result) Report(image, digest string) Report {
	report := Report{Version: sbom.FileVersion, Image: image, Digest: digest}
	if r.Found != nil {
		report.SBOM = r.Found.source()
	}
	if d := r.Declaration; d != nil {
		report.Declaration = &Declared{Reference: d.Reference, Signature: d.Signature, Data: string(d.Data)}
	}
	for _, f := range r.Searched {
		report.Searched = append(report.Searched, f.searched())
	}
	return report
}

func (f *Finding) source() *Source {
	s := &Source{Carrier: f.Carrier, Format: f.Document.Format, Reference: f.Reference, Packages: len(f.Document.Packages), Signature: f.Signature, Unbound: f.Unbound}
	if c := f.Document.Created; !c.IsZero() {
		c = c.UTC()
		s.Created = &c
	}
	return s
}

func (f *Finding) searched() Searched {
	s := Searched{Carrier: f.Carrier, Result: f.Result, Detail: f.Detail}
	if f.Digest.Hex != "" {
		s.Digest = f.Digest.String()
	}
	return s
}

// String is the search in lines for people, "carrier: result: detail".
func (s Searched) String() string {
	text := string(s.Carrier) + ": " + string(s.Result)
	if s.Digest != "" {
		text += " " + s.Digest
	}
	if s.Detail != "" {
		text += ": " + s.Detail
	}
	return text
}

// ErrNoSBOM is why a build fails that may use attached SBOMs only.
var ErrNoSBOM = errors.New("no usable SBOM is attached")

// Missing is the error for an image without a usable SBOM, naming everything
// that was searched; nil if there is one.
func (r *Result) Missing(image string) error {
	if r.Found != nil {
		return nil
	}
	lines := make([]string, len(r.Searched))
	for i, f := range r.Searched {
		lines[i] = "\n  " + f.searched().String()
	}
	return fmt.Errorf("looking for the SBOM of %s: %w; searched:%s", image, ErrNoSBOM, strings.Join(lines, ""))
}

// Encode gives the file's bytes: the same value, the same bytes.
func (r Report) Encode() ([]byte, error) {
	r.Version = sbom.FileVersion
	return tomlfile.Encode(r, "run-image.toml")
}

// DecodeReport reads run-image.toml; name is its path, for errors. A newer
// major version is refused, unknown keys are ignored.
func DecodeReport(data []byte, name string) (*Report, error) {
	var r Report
	if err := tomlfile.DecodeVersioned(data, name, &r, &r.Version, sbom.CheckFileVersion); err != nil {
		return nil, err
	}
	return &r, nil
}

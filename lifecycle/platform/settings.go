package platform

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// Settings is /cnb/baseplan.toml: the operator's policy and mapping.
type Settings struct {
	Version    string             `toml:"version"`
	Policy     Policy             `toml:"policy"`
	Extensions []ExtensionProof   `toml:"extensions"` // also in Policy
	Identities []attach.Identity  `toml:"identities"` // certificate identities to trust; also in Policy
	Mapping    []provides.Mapping `toml:"provides"`   // replaces entries of the built-in table
}

// An ExtensionProof is the proof required to skip the Dockerfiles of one extension.
type ExtensionProof struct {
	ID    string           `toml:"id" json:"id"`
	Proof extensions.Proof `toml:"proof" json:"proof"`
}

// A Policy is the operator's policy (docs/design.md, "Policy"). A zero field is not set, and
// the default applies.
type Policy struct {
	RunSBOM         RunSBOM          `toml:"run-sbom,omitempty" json:"run-sbom,omitempty"`
	Proof           extensions.Proof `toml:"proof,omitempty" json:"proof,omitempty"`
	Keys            []string         `toml:"keys,omitempty" json:"keys,omitempty"`                           // PEM, or paths
	Unbound         *bool            `toml:"unbound,omitempty" json:"unbound,omitempty"`                     // whether cosign's .sbom tags count if keys are given; nil: not set
	TrustedRoot     string           `toml:"trusted-root,omitempty" json:"trusted-root,omitempty"`           // path of Sigstore's trusted root; in resolution.toml its content
	Select          string           `toml:"select,omitempty" json:"select,omitempty"`                       // off (default), auto
	Catalog         string           `toml:"catalog,omitempty" json:"catalog,omitempty"`                     // reference of a catalog of run images
	ExtendInCreator string           `toml:"extend-in-creator,omitempty" json:"extend-in-creator,omitempty"` // auto (default), never, root, sandbox
	ExtendNetwork   string           `toml:"extend-network,omitempty" json:"extend-network,omitempty"`       // host (default), none

	// MaxImageAge is how old an image may be for unpinned installs to count as satisfied: a Go
	// duration ("720h") or days ("30d"); empty: unlimited.
	MaxImageAge string `toml:"max-image-age,omitempty" json:"max-image-age,omitempty"`

	// Built is the build time, in resolution.toml only.
	Built *time.Time `toml:"built,omitempty" json:"built,omitempty"`

	// Extensions are the proofs for individual extensions, [[extensions]] at the top level of
	// files.
	Extensions []ExtensionProof `toml:"-" json:"-"`

	// Identities are the trusted certificate identities, [[identities]] at the top level of files.
	Identities []attach.Identity `toml:"-" json:"identities,omitempty"`
}

// RunSBOM selects the allowed sources of inventories, CNB_RUN_SBOM.
type RunSBOM string

// The values of [RunSBOM] (docs/design.md, "Policy").
const (
	Auto     RunSBOM = "auto"
	Generate RunSBOM = "generate"
	Attached RunSBOM = "attached"
	Off      RunSBOM = "off"
)

// allowed lists the valid values of keys in [policy].
var allowed = map[string][]string{
	"run-sbom":          {string(Auto), string(Generate), string(Attached), string(Off)},
	"proof":             proofs(),
	"select":            {"off", "auto"},
	"extend-in-creator": {"auto", "never", "root", "sandbox"},
	"extend-network":    {"host", "none"},
}

// DecodeSettings decodes baseplan.toml. The name is used in errors.
func DecodeSettings(data []byte, name string) (*Settings, error) {
	s, problems := CheckSettings(data, name)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	return s, nil
}

// CheckSettings is like [DecodeSettings], but returns all errors. The settings are nil if the file cannot be decoded.
func CheckSettings(data []byte, name string) (*Settings, []error) {
	var s Settings
	if err := tomlfile.DecodeVersionedStrict(data, name, &s, &s.Version, sbom.CheckFileVersion); err != nil {
		return nil, []error{err}
	}
	var all []error
	add := func(where string, errs []error) {
		for _, err := range errs {
			all = append(all, fmt.Errorf("reading %s: %s%w", name, where, err))
		}
	}
	add("[policy]: ", s.Policy.problems())
	if s.Policy.Built != nil {
		add("[policy]: ", []error{errors.New("key \"built\": the detector records the build time; remove the key")})
	}
	add("", checkExtensions(s.Extensions))
	add("", checkIdentities(s.Identities))
	add("", provides.MappingErrors(s.Mapping))
	s.Policy.Extensions, s.Policy.Identities = s.Extensions, s.Identities
	return &s, all
}

func checkIdentities(table []attach.Identity) (all []error) {
	for i, identity := range table {
		if err := identity.Check(); err != nil {
			all = append(all, fmt.Errorf("[[identities]], element %d: %w", i+1, err))
		}
	}
	return all
}

// Check returns an error that names the first key with an invalid value.
func (p Policy) Check() error {
	for _, err := range p.problems() {
		return err
	}
	return nil
}

func (p Policy) problems() (all []error) {
	for _, key := range []string{"run-sbom", "proof", "select", "extend-in-creator", "extend-network"} {
		if err := p.checkKey(key); err != nil {
			all = append(all, fmt.Errorf("key %q: %w", key, err))
		}
	}
	if err := checkRegistry(reference.Parse(p.Catalog)); err != nil {
		all = append(all, fmt.Errorf("key \"catalog\": %q: %w", p.Catalog, err))
	}
	if _, err := parseAge(p.MaxImageAge); err != nil {
		all = append(all, fmt.Errorf("key \"max-image-age\": %w", err))
	}
	return all
}

// checkExtensions returns errors that name the invalid entries of [[extensions]].
func checkExtensions(table []ExtensionProof) (all []error) {
	seen := map[string]bool{}
	for i, x := range table {
		var err error
		switch {
		case x.ID == "":
			err = fmt.Errorf("[[extensions]], element %d: key \"id\": set the id of an extension, without its version", i+1)
		case strings.Contains(x.ID, "@"):
			err = fmt.Errorf("[[extensions]] %q: key \"id\": remove the version", x.ID)
		case seen[x.ID]:
			err = fmt.Errorf("[[extensions]] has several entries for %q; keep one", x.ID)
		case !slices.Contains(proofs(), string(x.Proof)):
			err = fmt.Errorf("[[extensions]] %q: key \"proof\": %q is not one of %s", x.ID, x.Proof, strings.Join(proofs(), ", "))
		}
		if err != nil {
			all = append(all, err)
		}
		seen[x.ID] = true
	}
	return all
}

func proofs() []string {
	var all []string
	for _, p := range extensions.Proofs() {
		all = append(all, string(p))
	}
	return all
}

// parseAge parses max-image-age: a Go duration ("720h") or days ("30d"). Empty means unlimited
// and returns 0.
func parseAge(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	age, err := time.ParseDuration(text)
	if days, spelled := strings.CutSuffix(text, "d"); spelled {
		var n int64
		if n, err = strconv.ParseInt(days, 10, 32); err == nil && n > maxDays {
			err = strconv.ErrRange
		}
		age = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || age <= 0 {
		return 0, fmt.Errorf("%q is not an age; use a duration such as \"720h\" or \"30d\"", text)
	}
	return age, nil
}

// maxDays is the largest number of days that fits in a time.Duration.
const maxDays = int64(math.MaxInt64 / (24 * time.Hour))

func (p Policy) checkKey(key string) error {
	value := map[string]string{
		"run-sbom": string(p.RunSBOM), "proof": string(p.Proof), "select": p.Select, "extend-in-creator": p.ExtendInCreator,
		"extend-network": p.ExtendNetwork,
	}[key]
	if value != "" && !slices.Contains(allowed[key], value) {
		return fmt.Errorf("%q is not one of %s", value, strings.Join(allowed[key], ", "))
	}
	return nil
}

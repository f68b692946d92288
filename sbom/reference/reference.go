// Package reference parses the names of images. Start with [Parse].
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
//
// It does not open images, and does not check that they exist. References in a registry have the
// grammar of go-containerregistry; see [Parse] for what it leaves open.
package reference

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// ErrMalformed is wrapped by errors about names that no image can have.
var ErrMalformed = errors.New("malformed name")

// A Kind says where an image is. It is the prefix of the reference.
type Kind string

// The kinds.
const (
	Registry  Kind = ""
	Daemon    Kind = "docker://"
	Layout    Kind = "oci:"
	Tar       Kind = "tar:"
	Malformed Kind = "malformed" // not a prefix: see [Reference.Err]
)

// A Reference names an image. Its fields have the parts as they are spelled, without defaults.
// The zero value names no image.
type Reference struct {
	Kind       Kind
	Registry   string // "registry.example:5000"; empty: Docker Hub
	Repository string // "team/run"
	Tag        string // "noble"
	Digest     string // "sha256:…"; with Daemon and no Repository, an image ID
	Path       string // of a Layout, a Tar; the whole text if it is Malformed, or a name that only a Daemon understands
}

// layoutName divides a layout's directory from the digest or the tag of the image in it.
var layoutName = regexp.MustCompile(`^(.+?)(?:@([a-z0-9]+:[0-9a-f]{32,})|:([A-Za-z0-9_][A-Za-z0-9._-]*))?$`)

var (
	imageID = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	bareID  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Parse parses a reference of one of these forms:
//
//	registry.example/run:noble   a registry reference
//	docker://NAME                an image in the docker daemon, by name or ID
//	oci:DIR                      an OCI layout, its only image or index
//	oci:DIR@sha256:…             a manifest or index of an OCI layout
//	oci:DIR:TAG                  the same, by the annotation org.opencontainers.image.ref.name
//	tar:FILE                     a tar file of docker save, or an OCI layout as a tar file
//
// Anything else is [Malformed]; the empty text is the zero value. String returns the text that was parsed.
func Parse(text string) Reference {
	if text == "" {
		return Reference{}
	}
	if rest, ok := strings.CutPrefix(text, string(Daemon)); ok {
		return inDaemon(rest)
	}
	if rest, ok := strings.CutPrefix(text, string(Layout)); ok {
		return inLayout(rest)
	}
	if rest, ok := strings.CutPrefix(text, string(Tar)); ok {
		return Reference{Kind: Tar, Path: rest}
	}
	r, err := inRegistry(text)
	if err != nil {
		return Reference{Kind: Malformed, Path: text}
	}
	return r
}

// Recorded parses a reference as files of the platform have it, such as analyzed.toml: a registry reference,
// the ID of an image in a docker daemon, or the path of an OCI layout. Record returns the text.
func Recorded(text string) Reference {
	switch {
	case imageID.MatchString(text) || bareID.MatchString(text):
		return inDaemon(text)
	case strings.HasPrefix(text, "/"):
		return inLayout(text)
	}
	return Parse(text)
}

func inDaemon(text string) Reference {
	r, err := inRegistry(text)
	switch {
	case imageID.MatchString(text):
		r = Reference{Digest: text}
	case err != nil:
		r = Reference{Path: text}
	}
	r.Kind = Daemon
	return r
}

func inLayout(text string) Reference {
	m := layoutName.FindStringSubmatch(text)
	if m == nil {
		return Reference{Kind: Layout, Path: text}
	}
	return Reference{Kind: Layout, Path: m[1], Digest: m[2], Tag: m[3]}
}

func inRegistry(text string) (Reference, error) {
	if _, err := name.ParseReference(text); err != nil {
		return Reference{}, detail(text, err)
	}
	var r Reference
	var rest string
	rest, r.Digest, _ = strings.Cut(text, "@")
	if first, below, ok := strings.Cut(rest, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		r.Registry, rest = first, below
	}
	r.Repository, r.Tag, _ = strings.Cut(rest, ":")
	switch {
	case r.String() != text:
		return Reference{}, errors.New("a tag or a digest is missing")
	case isDots(cmp.Or(r.Registry, "registry")) || slices.ContainsFunc(strings.Split(r.Repository, "/"), isDots):
		return Reference{}, errors.New("a part of the path is empty, \".\" or \"..\"")
	case strings.HasPrefix(r.Tag, ".") || strings.HasPrefix(r.Tag, "-"):
		return Reference{}, fmt.Errorf("the tag %s does not begin with a letter, a digit or an underscore", r.Tag)
	}
	return r, nil
}

func isDots(part string) bool { return part == "" || part == "." || part == ".." }

// detail returns what is wrong with a reference, which name.ParseReference does not say.
func detail(text string, err error) error {
	var why error
	if strings.Contains(text, "@") {
		_, why = name.NewDigest(text)
	} else {
		_, why = name.NewTag(text)
	}
	return cmp.Or(why, err)
}

// IsZero reports whether the reference names no image.
func (r Reference) IsZero() bool { return r == Reference{} }

// Err returns an error that says why the reference names no image that can exist, and wraps [ErrMalformed].
func (r Reference) Err() error {
	if r.Kind != Malformed && !r.IsZero() {
		return nil
	}
	_, err := inRegistry(r.Path)
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// String returns the reference as [Parse] takes it.
func (r Reference) String() string {
	if r.Kind == Malformed {
		return r.Path
	}
	return string(r.Kind) + r.Record()
}

// Record returns the reference as [Recorded] takes it: without its prefix.
func (r Reference) Record() string {
	text := r.Path + r.Repository
	if r.Registry != "" {
		text = r.Registry + "/" + text
	}
	if r.Tag != "" {
		text += ":" + r.Tag
	}
	if r.Digest != "" && text != "" {
		text += "@"
	}
	return text + r.Digest
}

// Complete returns the reference with docker's defaults for registry and tag. With a digest, it has no tag.
func (r Reference) Complete() Reference {
	if r.Repository == "" {
		return r
	}
	full, err := name.ParseReference(r.Record())
	if err != nil {
		return r
	}
	r.Registry, r.Repository, r.Tag = full.Context().RegistryStr(), full.Context().RepositoryStr(), ""
	if r.Digest == "" {
		r.Tag = full.Identifier()
	}
	return r
}

// Name returns the complete name of an image, by which references can be compared: that of an image in a
// docker daemon is the one that it has in a registry.
func (r Reference) Name() string {
	if r.Kind == Daemon {
		return r.Complete().Record()
	}
	return r.Complete().String()
}

// Host returns the registry; empty if the image is in none.
func (r Reference) Host() string {
	if r.Kind != Registry {
		return ""
	}
	return r.Complete().Registry
}

// WithDigest returns the complete reference of an image with a digest, in place of the tag.
func (r Reference) WithDigest(digest string) Reference {
	r = r.Complete()
	r.Tag, r.Digest = "", digest
	return r
}

// In returns the OCI layout that has the image below a layout directory (platform.md, "Map an image reference
// to a path in the layout directory"): DIR/REGISTRY/REPOSITORY/TAG, or DIR/REGISTRY/REPOSITORY/ALGORITHM/HEX
// for a digest. No reference leads out of the directory: one that is not in a registry is returned as it is.
func (r Reference) In(dir string) Reference {
	if r.Kind != Registry {
		return r
	}
	r = r.Complete()
	below := strings.Join([]string{r.Registry, r.Repository, r.Tag + strings.Replace(r.Digest, ":", "/", 1)}, "/")
	return Reference{Kind: Layout, Path: filepath.Join(dir, below)}
}

// DigestIn returns the digest in "sha256:…" or "NAME@sha256:…"; empty if there is none. Unlike that of a
// [Reference], the name may be anything.
func DigestIn(text string) string {
	digest := text[strings.LastIndexByte(text, '@')+1:]
	algorithm, digits, _ := strings.Cut(digest, ":")
	size := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}[algorithm]
	if size == 0 || len(digits) != size || strings.Trim(digits, "0123456789abcdef") != "" {
		return ""
	}
	return digest
}

// Join returns the references as people spell them, with a separator between them.
func Join(all []Reference, separator string) string {
	var texts []string
	for _, r := range all {
		texts = append(texts, r.String())
	}
	return strings.Join(texts, separator)
}

// A Locator says where a platform has an image: in a docker daemon, in a layout directory, or where the reference
// says. It gets references as they are spelled by people and in the platform's files. Nil: where the reference says.
type Locator func(Reference) Reference

// Locate returns where the platform has an image.
func (l Locator) Locate(r Reference) Reference {
	if l == nil {
		return r
	}
	return l(r)
}

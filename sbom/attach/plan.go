package attach

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// A document is a checked SBOM to attach.
type document struct {
	format  sbom.Format
	data    []byte
	created time.Time
}

// A plan is everything that will be attached to one target.
type plan struct {
	target    Target
	subject   ocispec.Descriptor
	documents []document
	provides  []byte
	created   time.Time
	form      Form
	signer    *signer // nil: unsigned
}

func newPlan(t Target, m Material, o Options, s *signer) (*plan, error) {
	if len(m.SBOMs) == 0 && m.Provides == nil {
		return nil, errors.New("neither an SBOM nor a declaration is given")
	}
	p := &plan{target: t, provides: m.Provides, created: o.Created, form: o.As, signer: s}
	config, err := t.Image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the image's configuration: %w", err)
	}
	arch := config.Architecture
	if arch == "" && t.Platform != nil {
		arch = t.Platform.Architecture
	}
	for i, data := range m.SBOMs {
		d, err := newDocument(data, fmt.Sprintf("SBOM %d of %d", i+1, len(m.SBOMs)), arch)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(p.documents, func(e document) bool { return e.format == d.format }) {
			return nil, fmt.Errorf("two SBOMs have the format %s; give one of each", d.format)
		}
		p.documents = append(p.documents, d)
	}
	slices.SortFunc(p.documents, func(a, b document) int { return cmp.Compare(Rank(a.format), Rank(b.format)) })
	if m.Provides != nil {
		var head struct {
			Version string `json:"version"`
		}
		if err := json.Unmarshal(m.Provides, &head); err != nil || head.Version == "" {
			return nil, errors.Join(errors.New("reading the provides declaration: want a JSON object with a version"), err)
		}
	}
	media, err := t.Image.MediaType()
	if err != nil {
		return nil, err
	}
	size, err := t.Image.Size()
	if err != nil {
		return nil, err
	}
	p.subject = ocispec.Descriptor{MediaType: string(media), Digest: digest.Digest(t.Digest.String()), Size: size}
	return p, nil
}

// newDocument checks an SBOM for an image of an architecture and converts it to JSON.
func newDocument(data []byte, name, arch string) (document, error) {
	doc, err := format.Decode(bytes.NewReader(data), name)
	if err != nil {
		return document{}, err
	}
	if other := otherArchitecture(doc, arch); other != "" {
		return document{}, fmt.Errorf("reading %s: its packages are for %s, but the image is for %s", name, other, arch)
	}
	f := Finding{Result: Found, Reference: name, Document: doc, SBOM: data}
	if data, err = f.JSON(); err != nil {
		return document{}, err
	}
	if err := checkSize(data); err != nil {
		return document{}, fmt.Errorf("reading %s: as JSON %w", name, err)
	}
	return document{doc.Format, data, doc.Created}, nil
}

// checkSize rejects an SBOM that exceeds the limits of a Finder.
func checkSize(data []byte) error {
	if len(data) > format.MaxSize {
		return fmt.Errorf("it has %d MiB, but builds read at most %d MiB", len(data)>>20, format.MaxSize>>20)
	}
	return nil
}

// A packed is an artifact ready to be pushed: a manifest and its blobs.
type packed struct {
	desc  ocispec.Descriptor
	data  []byte
	blobs []packedBlob
}

type packedBlob struct {
	desc ocispec.Descriptor
	data []byte
}

func blobOf(mediaType string, data []byte) packedBlob {
	return packedBlob{ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}, data}
}

// pack creates a referrer, or an artifact of its own if there is no subject (image-spec, "Guidelines
// for Artifact Usage"). It is deterministic.
func (p *plan) pack(artifactType string, layer packedBlob, created time.Time, annotations map[string]string) (*packed, error) {
	if err := checkSize(layer.data); err != nil {
		return nil, fmt.Errorf("packing an artifact of type %s: %w", artifactType, err)
	}
	config := blobOf(typeEmpty, []byte("{}"))
	m := ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: artifactType,
		Config:       config.desc,
		Layers:       []ocispec.Descriptor{layer.desc},
		Annotations:  map[string]string{},
	}
	if p.subject.Digest != "" {
		m.Subject = &p.subject
	}
	for k, v := range annotations {
		m.Annotations[k] = v
	}
	if t := cmp.Or(p.created, created); !t.IsZero() {
		m.Annotations[ocispec.AnnotationCreated] = t.UTC().Format(time.RFC3339)
	}
	a, err := packManifest(m, config, layer)
	if err != nil {
		return nil, err
	}
	a.desc.ArtifactType, a.desc.Annotations = artifactType, m.Annotations
	return a, nil
}

func packManifest(m ocispec.Manifest, blobs ...packedBlob) (*packed, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding a manifest: %w", err)
	}
	b := blobOf(m.MediaType, data)
	return &packed{desc: b.desc, data: data, blobs: blobs}, nil
}

// publish executes the plan.
func (p *plan) publish(ctx context.Context, to *publisher) ([]Attached, error) {
	referrers, err := to.referrersOf(ctx, p.target.Digest)
	if err != nil {
		return nil, err
	}
	var all []Attached
	if p.form == AsCosign {
		if all, err = p.publishTags(ctx, to); err != nil {
			return all, err
		}
	}
	artifacts, attached, err := p.referrers(ctx, to, referrers)
	if err != nil {
		return all, err
	}
	changed, err := to.addReferrers(ctx, p.target.Digest, referrers, artifacts)
	if err != nil {
		return all, err
	}
	for i := range attached {
		attached[i].Changed = attached[i].Changed || changed[attached[i].Digest]
	}
	all = append(all, attached...)
	if p.signer == nil || p.provides == nil {
		return all, nil
	}
	declaration := attached[len(attached)-1]
	signed, err := p.sign(ctx, to, declaration.Digest)
	return append(all, signed), err
}

// referrers creates the artifacts that are attached as referrers, the declaration last. It
// skips those that already exist, even with other bytes.
func (p *plan) referrers(ctx context.Context, to *publisher, listed *referrerList) ([]*packed, []Attached, error) {
	var artifacts []*packed
	var all []Attached
	add := func(a *packed, what string, f sbom.Format) {
		artifacts = append(artifacts, a)
		all = append(all, p.attached(what, f, to.repo.at(a.desc.Digest.String()), hash(a.desc.Digest.String()), false))
	}
	for _, d := range p.documents {
		if p.form != AsReferrer {
			break
		}
		if p.signer == nil {
			a, err := p.pack(d.format.MediaType(), blobOf(d.format.MediaType(), d.data), d.created, nil)
			if err != nil {
				return nil, nil, err
			}
			add(a, "sbom", d.format)
			continue
		}
		a, there, err := p.bundle(ctx, to, listed, d)
		if err != nil {
			return nil, nil, err
		}
		if there != nil {
			all = append(all, p.attached("sbom", d.format, to.repo.at(there.String()), *there, false))
			continue
		}
		add(a, "sbom", d.format)
	}
	if p.provides != nil {
		a, there, err := p.declare(ctx, to, listed)
		if err != nil {
			return nil, nil, err
		}
		if there != nil {
			return artifacts, append(all, p.attached("provides", "", to.repo.at(there.String()), *there, false)), nil
		}
		add(a, "provides", "")
	}
	return artifacts, all, nil
}

func (p *plan) attached(what string, f sbom.Format, reference string, digest v1.Hash, changed bool) Attached {
	return Attached{Target: p.target.Ref, Platform: p.target.Platform, What: what, Format: f, Reference: reference, Digest: digest, Changed: changed}
}

package attach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/baseplan/baseplan/sbom"
)

// A Reason is why something attached is not needed.
type Reason string

// The reasons.
const (
	Outdated   Reason = "stale"      // an SBOM that does not describe the image, even if builds use it
	NotSigned  Reason = "unsigned"   // not signed, or signed by others than the given keys and identities, and the image has what they signed
	Superseded Reason = "superseded" // builds use another one of the same kind
)

// Pruning configures [Attacher.Prunable].
type Pruning struct {
	Platform *v1.Platform                                          // the platform of an index; nil: all
	Trust    Trust                                                 // of builds; unrestricted: nothing that is signed is superseded
	Scan     func(context.Context, Target) (*sbom.Document, error) // the image's packages; required
}

// A Prunable is an SBOM or a declaration that is stale or that builds do not use, and that may be removed.
type Prunable struct {
	Target    name.Digest // the image or index that it is attached to
	Platform  *v1.Platform
	Carrier   Carrier
	What      string // "sbom" or "provides"
	Format    sbom.Format
	Reason    Reason
	Detail    string
	Reference string
	Digest    v1.Hash // of its manifest

	subject v1.Hash
	tag     string        // cosign's; empty: a referrer
	blob    digest.Digest // the layer of the tag
}

// limitsOfPruning let all that is attached be read: what is not read is not removed, and hides nothing.
var limitsOfPruning = Limits{Candidates: 512, Stage: 5 * time.Minute, Total: 10 * time.Minute}

// Prunable returns what is attached to an image, or to the platforms of an index and itself, and may be removed:
//
//   - SBOMs about another image, or with packages that the image lacks;
//   - SBOMs and declarations that none of the keys and identities signed, even if others did, if one is signed;
//   - SBOMs of the same format, carrier and signer as a better one, and earlier declarations. Without keys and
//     identities, this excludes what is signed.
//
// It returns an SBOM that a build would use only if it is about another image or has packages that the image lacks:
// without it, builds generate one. It never returns carriers in images and indexes, other artifacts than SBOMs and
// declarations by their type, and SBOMs that cannot be read or are merely incomplete. If something cannot be read
// from the registry, it returns an error.
func (a *Attacher) Prunable(ctx context.Context, ref name.Reference, o Pruning) ([]Prunable, error) {
	r, err := a.resolve(ctx, ref, o.Platform)
	if err != nil {
		return nil, err
	}
	var all []Prunable
	votes := map[string]int{} // of platforms, for what is attached to the index
	for _, t := range r.targets {
		j := &judge{attacher: a, options: o, target: t}
		found, err := j.judge(ctx)
		if err != nil {
			return nil, fmt.Errorf("judging the SBOMs of %s: %w", t.Ref, err)
		}
		for _, p := range found {
			if p.subject == t.Digest {
				all = append(all, p)
				continue
			}
			p.Target, p.Platform = ref.Context().Digest(p.subject.String()), nil
			if votes[p.key()]++; votes[p.key()] == len(r.targets) && o.Platform == nil {
				all = append(all, p)
			}
		}
	}
	return all, nil
}

func (p Prunable) key() string { return p.Reference + " " + p.blob.String() }

// A judge decides what of an image is needed.
type judge struct {
	attacher *Attacher
	options  Pruning
	target   Target

	open   *Result // regardless of signatures
	strict *Result // what a build finds
	repo   *repository
	doc    *sbom.Document // the image's packages
}

func (j *judge) judge(ctx context.Context) ([]Prunable, error) {
	var err error
	if j.doc, err = j.options.Scan(ctx, j.target); err != nil {
		return nil, err
	}
	subject := Subject{
		Ref: j.target.Ref, Digest: j.target.Digest, Image: j.target.Image, Index: j.target.Index,
		HasDatabase: func(context.Context) (bool, error) { return len(j.doc.Databases) > 0, nil },
	}
	open := Finder{Registry: j.attacher.Registry, Limits: limitsOfPruning}
	if j.open, err = open.FindAll(ctx, subject); err != nil {
		return nil, err
	}
	j.strict = j.open
	if j.options.Trust.Restricted() {
		strict := Finder{Registry: j.attacher.Registry, Limits: limitsOfPruning, Trust: j.options.Trust}
		if j.strict, err = strict.FindAll(ctx, subject); err != nil {
			return nil, err
		}
	}
	for _, f := range slices.Concat(j.open.Searched, j.strict.Searched) {
		if f.Result == Unreachable {
			return nil, fmt.Errorf("%s: %s: %s", f.Reference, f.Result, f.Detail)
		}
	}
	j.repo = newRepository(j.target.Ref.Context(), &j.attacher.Registry, limitsOfPruning)
	j.repo.Dial(ctx)
	sboms, err := j.sboms(ctx)
	if err != nil {
		return nil, err
	}
	declarations, err := j.declarations(ctx)
	return append(sboms, declarations...), err
}

// sboms returns the SBOMs to remove.
func (j *judge) sboms(ctx context.Context) ([]Prunable, error) {
	var all []Prunable
	for i, f := range j.open.Searched {
		if f.blob == "" || f.format == "" || f.Carrier != Referrer && f.Carrier != CosignSBOM && f.Carrier != CosignAttestation {
			continue // not an SBOM of an artifact
		}
		reason, detail, err := j.reason(ctx, i)
		if err != nil {
			return nil, err
		}
		if reason == "" {
			continue
		}
		p := Prunable{
			Target: j.target.Ref, Platform: j.target.Platform, Carrier: f.Carrier, What: "sbom", Format: f.format, Reason: reason, Detail: detail,
			Reference: f.Reference, Digest: f.Digest, subject: f.Subject, blob: f.blob,
		}
		switch f.Carrier {
		case CosignSBOM:
			p.tag = digestTag(f.Subject, sbomTagSuffix)
		case CosignAttestation:
			p.tag = digestTag(f.Subject, attestationTagSuffix)
		}
		all = append(all, p)
	}
	return j.removable(ctx, all)
}

// reason returns why builds do not need an SBOM, or "".
func (j *judge) reason(ctx context.Context, i int) (Reason, string, error) {
	f := j.open.Searched[i]
	if f.Result == WrongSubject || f.Result == Contradictory {
		return Outdated, f.Detail, nil
	}
	if f.Result != Found {
		return "", "", nil
	}
	if lies := j.lies(f); len(lies) > 0 {
		return Outdated, fmt.Sprintf("it lists packages that the image lacks, such as %s", lies[0]), nil
	}
	if used := j.strict.Found; used != nil && same(*used, f) {
		return "", "", nil
	}
	k := slices.IndexFunc(j.strict.Searched, func(s Finding) bool { return same(s, f) })
	if k < 0 {
		return "", "", nil
	}
	s := j.strict.Searched[k]
	if s.Result == Unsigned && slices.ContainsFunc(j.strict.Searched, func(o Finding) bool { return o.Result == Found && !j.stale(o) }) {
		return NotSigned, s.Detail, nil
	}
	if s.Result != Found {
		return "", "", nil
	}
	for _, better := range j.strict.Searched[:k] {
		if better.Result != Found || better.format == "" || j.stale(better) || !alike(better, s) {
			continue
		}
		if !j.options.Trust.Restricted() {
			if signed, err := j.signed(ctx, s); signed || err != nil {
				return "", "", err
			}
		}
		return Superseded, "builds use " + better.Reference, nil
	}
	return "", "", nil
}

// same reports whether two findings are about the same SBOM.
func same(a, b Finding) bool {
	return a.Carrier == b.Carrier && a.Reference == b.Reference && a.blob == b.blob
}

// alike reports whether readers of one SBOM would accept the other.
func alike(a, b Finding) bool {
	return a.Carrier == b.Carrier && a.Subject == b.Subject && a.format == b.format && a.attested == b.attested && a.By() == b.By()
}

// lies returns the packages of an SBOM that the image lacks.
func (j *judge) lies(f Finding) []string {
	if len(j.doc.Databases) == 0 || f.Document == nil {
		return nil
	}
	lies, _ := Differ(f.Document, j.doc)
	return lies
}

func (j *judge) stale(f Finding) bool { return len(j.lies(f)) > 0 }

// signed reports whether an SBOM is signed by whomever.
func (j *judge) signed(ctx context.Context, f Finding) (bool, error) {
	if f.attested {
		return true, nil
	}
	return j.repo.signed(ctx, f.Digest)
}

// signed reports whether an artifact has cosign's tag for signatures, or referrers, which may sign it.
func (r *repository) signed(ctx context.Context, artifact v1.Hash) (bool, error) {
	has, err := r.has(ctx, digestTag(artifact, signatureTagSuffix))
	if has || err != nil {
		return has, err
	}
	err = r.Referrers(ctx, ocispec.Descriptor{Digest: digest.Digest(artifact.String())}, "", func(page []ocispec.Descriptor) error {
		has = has || len(page) > 0
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("listing the referrers of %s: %w", r.at(artifact.String()), err)
	}
	return has, nil
}

// removable drops parts of artifacts that have more than what is to be removed, since these are removed as a whole.
// Only layers of cosign's tag for attestations are removed one by one: each has a signature of its own.
func (j *judge) removable(ctx context.Context, all []Prunable) ([]Prunable, error) {
	var out []Prunable
	for _, p := range all {
		if p.Carrier == CosignAttestation {
			out = append(out, p)
			continue
		}
		whole, err := j.whole(ctx, p, all)
		if err != nil {
			return nil, err
		}
		if whole {
			out = append(out, p)
		}
	}
	return out, nil
}

// whole reports whether every layer of an artifact is to be removed, and its type is that of an SBOM.
func (j *judge) whole(ctx context.Context, p Prunable, all []Prunable) (bool, error) {
	_, raw, err := j.repo.manifest(ctx, p.Digest.String())
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", p.Reference, err)
	}
	m, err := decodeManifest(raw)
	if err != nil {
		return false, err
	}
	if p.Carrier == Referrer {
		d := ocispec.Descriptor{ArtifactType: cmp.Or(m.ArtifactType, m.Config.MediaType), Annotations: m.Annotations}
		kind := candidateOf(d, p.subject).kind
		ours := kind == sbomKind || kind == untyped && len(parts(m, false)) > 0
		if !ours || m.ArtifactType == typeBuildKit || m.Subject == nil || m.Subject.Digest.String() != p.subject.String() {
			return false, nil
		}
	}
	return !slices.ContainsFunc(m.Layers, func(l ocispec.Descriptor) bool {
		return l.MediaType != typeEmpty && !slices.ContainsFunc(all, func(o Prunable) bool { return o.Digest == p.Digest && o.Reference == p.Reference && o.blob == l.Digest })
	}), nil
}

// declarations returns the declarations to remove: those that are not signed, and those behind the one that builds
// use.
func (j *judge) declarations(ctx context.Context) ([]Prunable, error) {
	used := j.strict.Declaration
	if used == nil {
		return nil, nil
	}
	all, err := j.declared(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(c candidate) bool { return j.repo.at(c.desc.Digest.String()) == used.Reference })
	if at < 0 {
		return nil, nil // the label
	}
	r, err := (&Finder{Registry: j.attacher.Registry, Trust: j.options.Trust}).begin(Subject{Ref: j.target.Ref, Digest: j.target.Digest, Index: j.target.Index})
	if err != nil {
		return nil, err
	}
	r.repo.Dial(ctx)
	var out []Prunable
	for i, c := range all {
		p := Prunable{
			Target: j.target.Ref, Platform: j.target.Platform, Carrier: Referrer, What: "provides", Reference: j.repo.at(c.desc.Digest.String()),
			Digest: hash(c.desc.Digest.String()), subject: c.subject, Reason: Superseded, Detail: "builds use " + used.Reference,
		}
		switch {
		case i == at:
			continue
		case !j.options.Trust.Restricted():
			signed, err := j.repo.signed(ctx, p.Digest)
			if err != nil {
				return nil, err
			}
			if signed || i < at {
				continue
			}
		default:
			switch _, _, err := r.readDeclaration(ctx, c); {
			case isUnsigned(err):
				p.Reason, p.Detail = NotSigned, err.Error()
			case err != nil || i < at:
				continue
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// declared lists all declarations in the order in which builds prefer them.
func (j *judge) declared(ctx context.Context) ([]candidate, error) {
	r := &search{Subject: Subject{Digest: j.target.Digest}}
	if j.target.Index != nil {
		var err error
		if r.index, err = j.target.Index.Digest(); err != nil {
			return nil, err
		}
	}
	var all []candidate
	for _, subject := range r.subjects() {
		err := j.repo.Referrers(ctx, ocispec.Descriptor{Digest: digest.Digest(subject.String())}, DeclarationType, func(page []ocispec.Descriptor) error {
			for _, d := range page {
				all = append(all, candidateOf(d, subject))
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("listing the referrers of %s: %w", j.repo.at(subject.String()), err)
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(compareBool(a.subject != r.Digest, b.subject != r.Digest), compareDeclarations(a.desc, b.desc))
	})
	return all, nil
}

func isUnsigned(err error) bool {
	e, ok := errors.AsType[*trustError](err)
	return ok && e.result == Unsigned
}

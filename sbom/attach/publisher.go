package attach

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/baseplan/baseplan/sbom/registry"
)

const (
	defaultSettle = 3 * time.Second
	maxWrites     = 40 // of one tag, before giving up
)

// A publisher writes to one repository.
type publisher struct {
	repo   *repository // for reading and detecting the referrers API
	writes *repository // for writing, without updating the referrers tag
	settle time.Duration
}

func (a *Attacher) publisher(ctx context.Context, n name.Repository) *publisher {
	p := &publisher{
		repo:   newRepository(n, &a.Registry, Limits{}),
		writes: newRepository(n, &a.Registry, Limits{}),
		settle: a.Settle,
	}
	p.repo.Dial(ctx)
	p.writes.PlainHTTP = p.repo.PlainHTTP
	p.repo.Client = p.writes.Client // shares the tokens
	_ = p.writes.SetReferrersCapability(true)
	if p.settle <= 0 {
		p.settle = defaultSettle
	}
	return p
}

// push pushes an artifact: first its blobs, then the manifest. The reference is a tag, or ""
// to push by digest.
func (p *publisher) push(ctx context.Context, a *packed, reference string) error {
	for _, b := range a.blobs {
		there, err := p.writes.Blobs().Exists(ctx, b.desc)
		if err == nil && there {
			continue
		}
		if err := p.writes.PushBlob(ctx, b.desc, b.data); err != nil {
			return fmt.Errorf("pushing blob %s: %w", b.desc.Digest, err)
		}
	}
	if reference == "" {
		reference = a.desc.Digest.String()
	}
	desc := ocispec.Descriptor{MediaType: a.desc.MediaType, Digest: a.desc.Digest, Size: a.desc.Size}
	if err := p.writes.Manifests().PushReference(ctx, desc, bytes.NewReader(a.data), reference); err != nil {
		return fmt.Errorf("pushing manifest %s: %w", reference, err)
	}
	return nil
}

// A referrerList is the current referrers of an image.
type referrerList struct {
	entries []ocispec.Descriptor
	api     bool // the registry has the referrers API
}

func (p *publisher) referrersOf(ctx context.Context, subject v1.Hash) (*referrerList, error) {
	l := &referrerList{}
	err := p.repo.Referrers(ctx, ocispec.Descriptor{Digest: digest.Digest(subject.String())}, "", func(page []ocispec.Descriptor) error {
		l.entries = append(l.entries, page...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the referrers of %s: %w", p.repo.at(subject.String()), err)
	}
	l.api = p.repo.SetReferrersCapability(true) == nil
	return l, nil
}

// addReferrers makes the artifacts referrers of the subject and reports which were new.
func (p *publisher) addReferrers(ctx context.Context, subject v1.Hash, listed *referrerList, artifacts []*packed) (map[v1.Hash]bool, error) {
	changed := map[v1.Hash]bool{}
	var entries []ocispec.Descriptor
	for _, a := range artifacts {
		entries = append(entries, a.desc)
		if slices.ContainsFunc(listed.entries, func(d ocispec.Descriptor) bool { return d.Digest == a.desc.Digest }) {
			continue
		}
		if err := p.push(ctx, a, ""); err != nil {
			return nil, err
		}
		changed[hash(a.desc.Digest.String())] = true
	}
	if listed.api || len(changed) == 0 {
		return changed, nil
	}
	_, _, err := p.mergeInto(ctx, digestTag(subject, ""), mergeReferrers(entries))
	return changed, err
}

// mergeReferrers adds entries to an index of referrers, together with everything
// ever seen in it.
func mergeReferrers(entries []ocispec.Descriptor) merge {
	seen := map[digest.Digest]ocispec.Descriptor{}
	for _, e := range entries {
		seen[e.Digest] = e
	}
	return func(old *tagged) (*packed, error) {
		index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
		if old != nil {
			if old.desc.MediaType != ocispec.MediaTypeImageIndex {
				return nil, fmt.Errorf("it holds %s, not an index of referrers", clip(old.desc.MediaType))
			}
			if err := json.Unmarshal(old.data, &index); err != nil {
				return nil, fmt.Errorf("reading the index of referrers in it: %w", err)
			}
		}
		there := map[digest.Digest]bool{}
		for _, e := range index.Manifests {
			there[e.Digest] = true
			if _, ok := seen[e.Digest]; !ok {
				seen[e.Digest] = e
			}
		}
		if len(there) == len(seen) {
			return nil, nil
		}
		for d, e := range seen {
			if !there[d] {
				index.Manifests = append(index.Manifests, e)
			}
		}
		slices.SortFunc(index.Manifests, func(a, b ocispec.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
		data, err := json.Marshal(index)
		if err != nil {
			return nil, fmt.Errorf("encoding the index of referrers: %w", err)
		}
		return &packed{desc: blobOf(ocispec.MediaTypeImageIndex, data).desc, data: data}, nil
	}
}

// A tagged manifest is what a tag holds; nil: there is no such tag.
type tagged struct {
	desc ocispec.Descriptor
	data []byte
}

func (t *tagged) layers() ([]ocispec.Descriptor, error) {
	if t == nil {
		return nil, nil
	}
	if !types.MediaType(t.desc.MediaType).IsImage() {
		return nil, fmt.Errorf("it holds %s, not a manifest of cosign's", clip(t.desc.MediaType))
	}
	m, err := decodeManifest(t.data)
	if err != nil {
		return nil, err
	}
	return m.Layers, nil
}

// A merge returns the new content of a tag, or nil if it is up to date.
type merge func(old *tagged) (*packed, error)

// packCosign creates a manifest like cosign's: an image with uncompressed layers.
func packCosign(layers []ocispec.Descriptor, blobs []packedBlob) (*packed, error) {
	config := v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, hash(l.Digest.String()))
		config.History = append(config.History, v1.History{})
	}
	data, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encoding a configuration: %w", err)
	}
	c := blobOf(ocispec.MediaTypeImageConfig, data)
	return packManifest(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    c.desc,
		Layers:    layers,
	}, append(blobs, c)...)
}

// writing serializes the publishers of this process.
var writing sync.Map // repository and tag (string) to *sync.Mutex

// mergeInto merges into a tag that others may write concurrently, until the merge has
// stood for a while; see [Attacher.Attach].
func (p *publisher) mergeInto(ctx context.Context, tag string, m merge) (at v1.Hash, changed bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("updating tag %s: %w", p.repo.tagged(tag), err)
		}
	}()
	var written time.Time // zero: not by us
	for writes := 0; ; {
		now, wrote, err := p.mergeOnce(ctx, tag, m)
		switch {
		case err != nil && !again(ctx, err):
			return at, changed, err
		case wrote || err != nil:
			if writes++; writes > maxWrites {
				return at, changed, errors.Join(fmt.Errorf("others write it too, or a write takes longer than %s: try again, or wait longer", p.settle/2), err)
			}
			if wrote { // the write may have happened: a slow registry may perform a write that returned an error
				at, changed, written = now, true, time.Now()
			}
		case written.IsZero(), time.Since(written) >= p.settle:
			return now, changed, nil
		default:
			at = now
		}
		// Publishers that started together must not stay in step.
		if err := sleep(ctx, p.settle/8+rand.N(p.settle/4)); err != nil {
			return at, changed, err
		}
	}
}

// mergeOnce reads, merges and writes within half the time that publishers wait for
// each other.
func (p *publisher) mergeOnce(ctx context.Context, tag string, m merge) (at v1.Hash, wrote bool, err error) {
	lock, _ := writing.LoadOrStore(p.repo.tagged(tag), new(sync.Mutex))
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, p.settle/2, errSlow)
	defer cancel()
	old := &tagged{}
	old.desc, old.data, err = p.repo.manifest(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		old, err = nil, nil
	}
	if err != nil {
		return at, false, cause(ctx, err)
	}
	next, err := m(old)
	if err != nil {
		return at, false, err
	}
	if next == nil {
		if old != nil {
			at = hash(old.desc.Digest.String())
		}
		return at, false, nil
	}
	return hash(next.desc.Digest.String()), true, cause(ctx, p.push(ctx, next, tag))
}

var errSlow = errors.New("the registry was slow to respond")

func cause(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errSlow) {
		return errSlow
	}
	return err
}

// again reports whether to retry: the registry was slow or busy, or had a concurrent
// write of the tag.
func again(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	switch registry.Status(err) {
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusLocked:
		return true
	}
	return errors.Is(err, errSlow) || registry.Temporary(err)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

package attach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/registry"
)

// A Finder finds the SBOM of an image. The zero value searches every carrier but files,
// anonymously, and accepts unsigned SBOMs.
type Finder struct {
	Platform string // the platform's SBOM: a file, or a directory of <algorithm>-<hex>.<ext>; empty: none
	Trust    Trust  // accepted signatures
	Registry registry.Client
	Limits   Limits

	api sync.Map // registries (string) known to have the referrers API
}

// Limits limit the cost of a search. Values ≤ 0 mean the default.
type Limits struct {
	SBOM       int64         // bytes of one SBOM, compressed and decompressed; format.MaxSize
	Metadata   int64         // bytes of one manifest, or one page of a list; 4 MiB
	Pages      int           // pages of one list of referrers; 128
	Candidates int           // artifacts read from one list, best first; 16
	Stage      time.Duration // one stage of the search; 15 s
	Total      time.Duration // the whole search; 45 s
	Origin     time.Duration // finding and searching the registry of a daemon's image; 10 s
}

func (l Limits) orDefault() Limits {
	def := Limits{SBOM: format.MaxSize, Metadata: 4 << 20, Pages: 128, Candidates: 16, Stage: 15 * time.Second, Total: 45 * time.Second, Origin: 10 * time.Second}
	if l.SBOM > 0 {
		def.SBOM = l.SBOM
	}
	if l.Metadata > 0 {
		def.Metadata = l.Metadata
	}
	if l.Pages > 0 {
		def.Pages = l.Pages
	}
	if l.Candidates > 0 {
		def.Candidates = l.Candidates
	}
	if l.Stage > 0 {
		def.Stage = l.Stage
	}
	if l.Total > 0 {
		def.Total = l.Total
	}
	if l.Origin > 0 {
		def.Origin = l.Origin
	}
	return def
}

// A Subject is the image whose SBOM is wanted.
type Subject struct {
	Ref    name.Reference // its repository has the carriers; nil: no registry
	Digest v1.Hash        // digest of the manifest; zero: that of Image
	Image  v1.Image       // for the SBOM layer; nil: see Archive
	Config *v1.ConfigFile // for labels; nil: that of Image
	Index  v1.ImageIndex  // the index it was resolved from; may be nil
	Names  []string       // other known digests of the image, such as a daemon's

	// Switched reports whether this is not the image that the platform named. A Platform file then
	// does not apply; a Platform directory does.
	Switched bool

	// Archive returns a directory of the image as a tar stream, with names that start at the
	// path's last element, as a daemon does. It is for images without Image. If set, the SBOM
	// layer is read from it before any registry is accessed.
	Archive func(ctx context.Context, path string) (io.ReadCloser, error)

	// Origin returns the registry image that a daemon's image was pulled from: Ref, Digest and
	// Index. Both images must be the same for certain. It is called if the daemon has no SBOM,
	// with a short timeout. Nil: unknown.
	Origin func(context.Context) (Subject, error)

	// HasDatabase reports whether the image has a package database. It is called only for a
	// document without operating system packages. Nil: such a document is rejected.
	HasDatabase func(ctx context.Context) (bool, error)
}

// Find searches the carriers in order and stops at the first usable SBOM. If there is none,
// Result.Found is nil, Searched has the reasons, and the error is nil. An error means that the
// search could not be started or that ctx ended.
func (f *Finder) Find(ctx context.Context, s Subject) (*Result, error) { return f.find(ctx, s, false) }

// FindAll reads every carrier, even after it found an SBOM. Found is the SBOM that Find
// returns.
func (f *Finder) FindAll(ctx context.Context, s Subject) (*Result, error) {
	return f.find(ctx, s, true)
}

func (f *Finder) find(ctx context.Context, s Subject, all bool) (*Result, error) {
	if s.Origin != nil {
		return f.searchDaemonFirst(ctx, s, all)
	}
	r, err := f.begin(s)
	if err != nil {
		return nil, err
	}
	r.all = all
	total, cancel := context.WithTimeoutCause(ctx, r.limits.Total, fmt.Errorf("the search took longer than %s", r.limits.Total))
	defer cancel()
	result := &Result{}
	if stages := r.stages(); all {
		findings := make([][]Finding, len(stages))
		var wg sync.WaitGroup
		for i, stage := range stages {
			wg.Go(func() { findings[i] = r.run(total, stage) })
		}
		wg.Wait()
		for _, found := range findings {
			result.add(found)
		}
		slices.Sort(r.warnings)
	} else {
		for _, stage := range stages {
			if result.add(r.run(total, stage)); result.Found != nil {
				break
			}
		}
	}
	result.Warnings = r.warnings
	r.findDeclaration(total, result)
	return result, ended(ctx)
}

func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("looking for an SBOM: %w", context.Cause(ctx))
}

func (r *Result) add(findings []Finding) {
	r.Searched = append(r.Searched, findings...)
	if r.Found != nil {
		return
	}
	if i := slices.IndexFunc(findings, isFound); i >= 0 {
		found := findings[i]
		r.Found = &found
	}
}

func isFound(f Finding) bool { return f.Result == Found }

// A search is one run of a Finder.
type search struct {
	Subject
	finder *Finder
	limits Limits
	trust  trust
	index  v1.Hash     // zero: no index
	repo   *repository // nil: no registry
	all    bool        // continue after an SBOM was found

	mu           sync.Mutex
	declarations []candidate
	warnings     []string
}

func (f *Finder) begin(s Subject) (*search, error) {
	r := &search{Subject: s, finder: f, limits: f.Limits.orDefault()}
	var err error
	if r.trust, err = newTrust(f.Trust); err != nil {
		return nil, err
	}
	if r.Digest == (v1.Hash{}) {
		if s.Image == nil {
			return nil, errors.New("looking for an SBOM: neither an image nor its digest is given")
		}
		if r.Digest, err = s.Image.Digest(); err != nil {
			return nil, fmt.Errorf("looking for an SBOM: computing the image's digest: %w", err)
		}
	}
	if s.Index != nil {
		if r.index, err = s.Index.Digest(); err != nil {
			return nil, fmt.Errorf("looking for an SBOM: computing the index's digest: %w", err)
		}
	}
	if s.Ref != nil {
		r.repo = newRepository(s.Ref.Context(), &f.Registry, r.limits)
	}
	return r, nil
}

// A stage is a set of carriers with similar cost.
type stage func(context.Context) []Finding

func (r *search) stages() []stage {
	var all []stage
	if r.finder.Platform != "" {
		all = append(all, r.platform)
	}
	if r.Archive != nil {
		all = append(all, r.layer)
	}
	if r.repo != nil {
		all = append(all, r.inRegistry(r.referrers), r.inRegistry(r.cosign))
	}
	all = append(all, r.inRegistry(r.buildkit))
	if r.Archive == nil {
		all = append(all, r.layer)
	}
	return all
}

// run runs a stage with its time limit.
func (r *search) run(ctx context.Context, s stage) []Finding {
	ctx, cancel := context.WithTimeoutCause(ctx, r.limits.Stage, fmt.Errorf("no response within %s", r.limits.Stage))
	defer cancel()
	return s(ctx)
}

// inRegistry wraps a stage that accesses the registry.
func (r *search) inRegistry(s stage) stage {
	return func(ctx context.Context) []Finding {
		if r.repo != nil {
			r.repo.Dial(ctx)
		}
		return s(ctx)
	}
}

// subjects returns the digests that a carrier may name, the manifest's first.
func (r *search) subjects() []v1.Hash {
	if r.index == (v1.Hash{}) || r.index == r.Digest {
		return []v1.Hash{r.Digest}
	}
	return []v1.Hash{r.Digest, r.index}
}

func (r *search) isSubject(digest string) bool {
	return slices.ContainsFunc(r.subjects(), func(h v1.Hash) bool { return h.String() == digest })
}

// subjectName says which of two subjects a finding is for, or "" if there is only one.
func (r *search) subjectName(subject v1.Hash) string {
	switch {
	case len(r.subjects()) == 1:
		return ""
	case subject == r.Digest:
		return "of the manifest"
	}
	return "of the index"
}

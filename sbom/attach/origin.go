package attach

import (
	"context"
	"fmt"
	"slices"
)

// nearFirst searches the daemon, then for a short time the registry that the image was pulled
// from.
func (f *Finder) nearFirst(ctx context.Context, s Subject, all bool) (*Result, error) {
	origin := s.Origin
	s.Origin = nil
	near, err := f.find(ctx, s, all)
	if err != nil || near.Found != nil && !all {
		return near, err
	}
	near.drop(func(f Finding) bool { return f.Carrier == BuildKit }) // searched in the registry instead
	limit := f.Limits.orDefault().Origin
	short, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no response within %s", limit))
	defer cancel()
	from, err := origin(short)
	if err != nil {
		result, why := explain(short, err)
		near.add([]Finding{{Carrier: Referrer, Result: result, Detail: "finding the image in the registry that it was pulled from: " + why}})
		return near, ended(ctx)
	}
	from.Config, from.HasDatabase, from.Switched = s.Config, s.HasDatabase, s.Switched
	from.Names = append(slices.Clone(s.Names), s.Digest.String())
	from.Image, from.Archive, from.Origin = nil, nil, nil
	far, err := f.find(short, from, all)
	if far == nil {
		return nil, err
	}
	far.drop(func(f Finding) bool { return f.Carrier == Layer || near.has(f) })
	near.add(far.Searched)
	near.Declaration, near.Warnings = far.Declaration, far.Warnings // which include the label's
	return near, ended(ctx)
}

// drop removes findings that another search covers.
func (r *Result) drop(which func(Finding) bool) { r.Searched = slices.DeleteFunc(r.Searched, which) }

// has reports whether the same carrier was searched already.
func (r *Result) has(f Finding) bool {
	return slices.ContainsFunc(r.Searched, func(g Finding) bool { return f.Carrier == g.Carrier && f.Reference == g.Reference })
}

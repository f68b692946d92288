package attach

import (
	"context"
	"fmt"
	"slices"
)

// searchDaemonFirst searches the daemon, then for a short time the registry that the image was pulled
// from.
func (f *Finder) searchDaemonFirst(ctx context.Context, s Subject, all bool) (*Result, error) {
	origin := s.Origin
	s.Origin = nil
	local, err := f.find(ctx, s, all)
	if err != nil || local.Found != nil && !all {
		return local, err
	}
	local.drop(func(f Finding) bool { return f.Carrier == BuildKit }) // searched in the registry instead
	limit := f.Limits.orDefault().Origin
	short, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no response within %s", limit))
	defer cancel()
	from, err := origin(short)
	if err != nil {
		result, why := explain(short, err)
		local.add([]Finding{{Carrier: Referrer, Result: result, Detail: "finding the image in the registry that it was pulled from: " + why}})
		return local, ended(ctx)
	}
	from.Config, from.HasDatabase, from.Switched = s.Config, s.HasDatabase, s.Switched
	from.Names = append(slices.Clone(s.Names), s.Digest.String())
	from.Image, from.Archive, from.Origin = nil, nil, nil
	remote, err := f.find(short, from, all)
	if remote == nil {
		return nil, err
	}
	remote.drop(func(f Finding) bool { return f.Carrier == Layer || local.has(f) })
	local.add(remote.Searched)
	local.Declaration, local.Warnings = remote.Declaration, remote.Warnings // which include the label's
	return local, ended(ctx)
}

// drop removes findings that another search covers.
func (r *Result) drop(which func(Finding) bool) { r.Searched = slices.DeleteFunc(r.Searched, which) }

// has reports whether the same carrier was searched already.
func (r *Result) has(f Finding) bool {
	return slices.ContainsFunc(r.Searched, func(g Finding) bool { return f.Carrier == g.Carrier && f.Reference == g.Reference })
}

package attach

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom"
)

// platform reads the SBOM given by the platform: a file for the image that it named, or a
// directory of files by digest. It needs no signature.
func (r *search) platform(ctx context.Context) []Finding {
	at := r.finder.Platform
	a := artifact{Finding: Finding{Carrier: Platform, Reference: at}}
	info, err := os.Stat(at)
	if err != nil {
		return []Finding{a.with(Unreadable, clip(err.Error()))}
	}
	if !info.IsDir() {
		if r.Switched {
			return []Finding{a.with(None, "the file describes the image that the platform named, but the image was switched")}
		}
		return []Finding{r.file(ctx, a, at)}
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		return []Finding{a.with(Unreadable, clip(err.Error()))}
	}
	var all []Finding
	for _, subject := range r.subjects() {
		for _, name := range ofSubject(entries, subject) {
			b := a
			b.Subject, b.Reference = subject, filepath.Join(at, name)
			all = append(all, r.file(ctx, b, b.Reference))
			if isFound(all[len(all)-1]) && !r.all {
				return all
			}
		}
	}
	if len(all) == 0 {
		all = append(all, a.with(None, fmt.Sprintf("the directory has no %s.<ext>", digestTag(r.Digest, ""))))
	}
	return all
}

// ofSubject returns the files <algorithm>-<hex>.<ext>, best format first.
func ofSubject(entries []os.DirEntry, subject v1.Hash) []string {
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), digestTag(subject, ".")) && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	byExt := func(name string) int {
		for _, f := range []sbom.Format{sbom.Syft, sbom.CycloneDX, sbom.SPDX} {
			if strings.HasSuffix(name, "."+f.Ext()) {
				return Rank(f)
			}
		}
		return Rank("")
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(byExt(a)-byExt(b), strings.Compare(a, b)) })
	return names
}

func (r *search) file(ctx context.Context, a artifact, name string) Finding {
	f, err := os.Open(name)
	if err != nil {
		return a.with(Unreadable, clip(err.Error()))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, r.limits.SBOM+1))
	if err != nil {
		return a.with(Unreadable, clip(err.Error()))
	}
	if int64(len(data)) > r.limits.SBOM {
		return a.with(Unreadable, fmt.Sprintf("the file is over the limit of %s", bytesOf(r.limits.SBOM)))
	}
	return r.evaluate(ctx, a.Finding, data)
}

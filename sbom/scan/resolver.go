package scan

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/anchore/syft/syft/file"
	"github.com/bmatcuk/doublestar/v4"
)

// A resolver gives a Syft cataloger the collected files, limited to the databases
// that it shall read.
//
// It hides the lists of files that dpkg packages own, which dpkgFiles reads: Syft
// ignores the .list files and hashes every file of a package.
type resolver struct {
	files files // visible to catalogers
	all   files
}

var _ file.Resolver = (*resolver)(nil)

func newResolver(found files) *resolver {
	return &resolver{files: found, all: found}
}

// only returns a resolver with this content for the database and without the other
// databases.
func (r *resolver) only(database string, content []byte) *resolver {
	visible := files{database: content}
	for name, content := range r.all {
		if slices.Contains(wantedFiles, name) && !isDatabase(name) {
			visible[name] = content
		}
	}
	return &resolver{files: visible, all: r.all}
}

// FileContentsByLocation implements [file.ContentResolver].
func (r *resolver) FileContentsByLocation(l file.Location) (io.ReadCloser, error) {
	content, ok := r.files[clean(l.RealPath)]
	if !ok {
		return nil, fmt.Errorf("no file %s", l.RealPath)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// HasPath implements [file.PathResolver].
func (r *resolver) HasPath(name string) bool {
	_, ok := r.files[clean(name)]
	return ok
}

// FilesByPath implements [file.PathResolver].
func (r *resolver) FilesByPath(paths ...string) ([]file.Location, error) {
	var found []file.Location
	for _, name := range paths {
		if r.HasPath(name) {
			found = append(found, file.NewLocation("/"+clean(name)))
		}
	}
	return found, nil
}

// FilesByGlob implements [file.PathResolver].
func (r *resolver) FilesByGlob(patterns ...string) ([]file.Location, error) {
	var found []file.Location
	for _, pattern := range patterns {
		for name := range r.files {
			ok, err := doublestar.Match(strings.TrimPrefix(pattern, "/"), name)
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, file.NewLocation("/"+name))
			}
		}
	}
	slices.SortFunc(found, func(a, b file.Location) int { return strings.Compare(a.RealPath, b.RealPath) })
	return found, nil
}

// FilesByMIMEType implements [file.PathResolver]. The catalogers in use do not call
// it.
func (r *resolver) FilesByMIMEType(...string) ([]file.Location, error) { return nil, nil }

// RelativeFileByPath implements [file.PathResolver].
func (r *resolver) RelativeFileByPath(_ file.Location, name string) *file.Location {
	if !r.HasPath(name) {
		return nil
	}
	l := file.NewLocation("/" + clean(name))
	return &l
}

// AllLocations implements [file.LocationResolver].
func (r *resolver) AllLocations(ctx context.Context) <-chan file.Location {
	locations := make(chan file.Location)
	go func() {
		defer close(locations)
		for name := range r.files {
			select {
			case locations <- file.NewLocation("/" + name):
			case <-ctx.Done():
				return
			}
		}
	}()
	return locations
}

// FileMetadataByLocation implements [file.MetadataResolver].
func (r *resolver) FileMetadataByLocation(l file.Location) (file.Metadata, error) {
	if !r.HasPath(l.RealPath) {
		return file.Metadata{}, fmt.Errorf("no file %s", l.RealPath)
	}
	return file.Metadata{Path: l.RealPath}, nil
}

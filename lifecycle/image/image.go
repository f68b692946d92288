// Package image opens and writes images wherever they are: in a registry, in a docker daemon,
// in an OCI layout or (to be read only) in a tar file. It also finds the credentials for that.
//
// Start with [Opener], and with [Writer] and its [Draft]. Whatever it opens is an [Image], which for all but a daemon's
// image is a v1.Image of go-containerregistry with its digest, and the index that
// it came through. An image in a daemon is not saved: its configuration is
// there, and files of it can be read by their paths.
//
// This package alone imports the daemon's client.
//
// The API is stable from version 1.0 on; see docs/library.md.
package image

import (
	"context"
	"errors"
	"io"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom/reference"
)

// ErrNotFound is wrapped by errors of [Opener.Open] when there is no such image.
var ErrNotFound = errors.New("no such image")

// An Image is what [Opener.Open] found.
type Image struct {
	Name   reference.Reference // as it was asked for
	Ref    name.Reference      // a registry image's reference; nil for others
	Digest v1.Hash             // of the platform's manifest; of a daemon's image the image ID
	Config *v1.ConfigFile      // never nil

	// Index is the digest of the index that led to the image, of which Parent is the
	// content. Both are zero where there was none. Attestations and referrers may
	// hang on it rather than on the image.
	Index  v1.Hash
	Parent v1.ImageIndex

	// Image is nil for a daemon's image.
	Image v1.Image

	// Files reads an image of a daemon by path; nil for others.
	Files *Files

	// RepoDigests are the registry references ("host/repo@sha256:…") under which a
	// daemon knows the image: where it was pulled from or pushed to.
	RepoDigests []string

	has   func(digest v1.Hash) bool // of a layout, which may lack blobs; nil: it has all
	close func() error
}

// Close releases what the image holds: an open file, a container in the daemon. The
// image is not to be used any more.
func (i *Image) Close() error {
	if i.close == nil {
		return nil
	}
	return i.close()
}

// Open opens an image. Of an index it opens the image for the Opener's platform. Errors name the image,
// its registry and what was being done; [errors.Is] [ErrNotFound] where there is no such
// image. The caller closes the image.
func (o *Opener) Open(ctx context.Context, ref reference.Reference) (*Image, error) {
	open := o.openRegistry
	switch ref.Kind {
	case reference.Daemon:
		open = o.openDaemon
	case reference.Layout:
		ref = withColon(ref)
		open = o.openLayout
	case reference.Tar:
		open = o.openTar
	}
	img, err := open(ctx, ref)
	if err != nil {
		return nil, &imageError{"opening", redact(ref.String()), err}
	}
	img.Name = ref
	return img, nil
}

// Reference returns the reference of this very image, as analyzed.toml has it: the digest in a registry or a
// layout, else the image ID.
func (i *Image) Reference() reference.Reference {
	switch {
	case i.Ref != nil:
		return reference.Parse(i.Ref.Context().Digest(i.Digest.String()).Name())
	case i.Name.Kind == reference.Layout:
		return i.Name.WithDigest(i.Digest.String())
	}
	return reference.Recorded(i.Digest.String())
}

// An imageError says which image could not be opened, written or accessed. It unwraps to the
// cause, so its text is redacted here once and for all.
type imageError struct {
	doing, name string
	err         error
}

func (e *imageError) Error() string {
	return e.doing + " image " + e.name + ": " + redact(e.err.Error())
}
func (e *imageError) Unwrap() error { return e.err }

var (
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)?[^\s/@"':]+:[^\s/@"']+@([^\s/@:"']+[.:/])`)
	queries  = regexp.MustCompile(`\?[^\s"']+`)
)

// redact hides passwords before a host and the values of queries, which may be tokens.
func redact(s string) string {
	s = userinfo.ReplaceAllStringFunc(s, func(found string) string {
		if strings.HasSuffix(found, "@sha256:") {
			return found // a tag before a digest
		}
		return userinfo.ReplaceAllString(found, "${1}***@${2}")
	})
	return queries.ReplaceAllStringFunc(s, func(q string) string {
		values, err := url.ParseQuery(q[1:])
		if err != nil {
			return "?***"
		}
		for k := range values {
			if k != "scope" && k != "service" && k != "path" {
				values[k] = []string{"***"}
			}
		}
		return "?" + values.Encode()
	})
}

// closers closes all, last first, and joins the errors.
func closers(all ...io.Closer) func() error {
	return func() error {
		var errs []error
		for i := len(all) - 1; i >= 0; i-- {
			errs = append(errs, all[i].Close())
		}
		return errors.Join(errs...)
	}
}

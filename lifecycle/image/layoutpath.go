package image

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// LayoutPath is the directory of an image's own OCI layout below a layout directory (platform.md,
// "Map an image reference to a path in the layout directory"): DIR/REGISTRY/REPOSITORY/TAG, or
// DIR/REGISTRY/REPOSITORY/ALGORITHM/HEX for a digest. Registry, repository and tag have docker's
// defaults, so "run" is in index.docker.io/library/run/latest. Opened and written as "oci:" before it.
func LayoutPath(dir, ref string) (string, error) {
	if dir == "" {
		return "", fmt.Errorf("finding the OCI layout of %s: no layout directory is given (CNB_LAYOUT_DIR)", redact(ref))
	}
	r, err := (&Opener{}).Reference(ref)
	if err != nil {
		return "", err
	}
	last := r.Identifier()
	if digest, ok := r.(name.Digest); ok {
		algorithm, hex, _ := strings.Cut(digest.DigestStr(), ":")
		last = filepath.Join(algorithm, hex)
	}
	below := strings.Join([]string{r.Context().RegistryStr(), r.Context().RepositoryStr(), last}, "/")
	if !filepath.IsLocal(below) || path.Clean(below) != below {
		return "", fmt.Errorf("finding the OCI layout of %s: the reference would lead out of the layout directory", redact(ref))
	}
	return filepath.Join(dir, below), nil
}

// layoutName divides what follows "oci:" into the directory and the name of the image in it,
// empty: it has none.
func layoutName(rest string) (dir, tag string, err error) {
	m := ociName.FindStringSubmatch(rest)
	if m == nil {
		return "", "", errors.New("reading OCI layout: no directory is named")
	}
	if m[2] != "" {
		return "", "", errors.New("writing OCI layout: a digest cannot be chosen")
	}
	if m[3] != "" && isDir(rest) {
		return rest, "", nil // a colon in the directory's name
	}
	return m[1], m[3], nil
}

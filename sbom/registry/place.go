package registry

import (
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// A Place is a registry, or its repositories at and below a path.
type Place struct{ Host, Path string }

// ParsePlace parses "host" or "host/path". It ignores a scheme and the paths of the registry
// API, and maps Docker Hub's other addresses.
func ParsePlace(text string) Place {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text = rest
	}
	host, path, _ := strings.Cut(strings.TrimSpace(text), "/")
	path = strings.Trim(path, "/")
	if path == "v1" || path == "v2" {
		path = ""
	}
	host = strings.ToLower(host)
	if host == "docker.io" || host == "registry-1.docker.io" {
		host = name.DefaultRegistry
	}
	return Place{host, path}
}

// Contains reports whether a registry or repository is at or below the place.
func (p Place) Contains(r authn.Resource) bool {
	path := strings.TrimPrefix(r.String(), r.RegistryStr())
	return p.Host == r.RegistryStr() && (p.Path == "" || strings.HasPrefix(path+"/", "/"+p.Path+"/"))
}

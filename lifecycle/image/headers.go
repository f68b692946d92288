package image

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// A place is a registry, or its repositories at and below a path.
type place struct{ host, path string }

// placeOf parses "host" or "host/path". It ignores a scheme and the paths of the registry API,
// and maps Docker Hub's other addresses.
func placeOf(text string) place {
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
	return place{host, path}
}

func (p place) has(r name.Repository) bool { return p.hasResource(r) }

func (p place) hasResource(r authn.Resource) bool {
	path := strings.TrimPrefix(r.String(), r.RegistryStr())
	return p.host == r.RegistryStr() && (p.path == "" || strings.HasPrefix(path+"/", "/"+p.path+"/"))
}

// A header is an Authorization header of CNB_REGISTRY_AUTH.
type header struct {
	place
	config authn.AuthConfig
	wrong  string // why it is unusable
}

// parseAuth returns the headers, longest path first. Their values are secret and never part of
// a message.
func parseAuth(value string) []header {
	if value == "" {
		return nil
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(value), &raw); err != nil {
		return []header{{wrong: "CNB_REGISTRY_AUTH is not a JSON object of Authorization headers by registry"}}
	}
	var all []header
	for _, registry := range slices.Sorted(maps.Keys(raw)) {
		h := header{place: placeOf(registry)}
		var text string
		ok := json.Unmarshal(raw[registry], &text) == nil
		if ok {
			h.config, ok = parseHeader(text)
		}
		if !ok {
			h.wrong = "the entry for " + registry + ` in CNB_REGISTRY_AUTH is none of "Basic" with user:password in base64, "Bearer" with a token and "X-Identity" with an identity token`
		}
		all = append(all, h)
	}
	slices.SortStableFunc(all, func(a, b header) int { return cmp.Compare(len(b.path), len(a.path)) })
	return all
}

// hasResource reports whether the header applies to a repository. A value that cannot be parsed
// applies to all.
func (h header) hasResource(r authn.Resource) bool {
	return h.host == "" && h.wrong != "" || h.place.hasResource(r)
}

func parseHeader(header string) (authn.AuthConfig, bool) {
	scheme, credentials, _ := strings.Cut(strings.TrimSpace(header), " ")
	credentials = strings.TrimSpace(credentials)
	switch strings.ToLower(scheme) {
	case "bearer":
		return authn.AuthConfig{RegistryToken: credentials}, credentials != ""
	case "x-identity":
		return authn.AuthConfig{IdentityToken: credentials}, credentials != ""
	case "basic":
		plain, err := base64.StdEncoding.DecodeString(credentials)
		user, password, ok := strings.Cut(string(plain), ":")
		return authn.AuthConfig{Username: user, Password: password}, ok && err == nil
	}
	return authn.AuthConfig{}, false
}

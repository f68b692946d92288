package credentials

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/baseplan/baseplan/sbom/registry"
)

// A header is an Authorization header of CNB_REGISTRY_AUTH.
type header struct {
	registry.Place
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
	for _, host := range slices.Sorted(maps.Keys(raw)) {
		h := header{Place: registry.ParsePlace(host)}
		var text string
		ok := json.Unmarshal(raw[host], &text) == nil
		if ok {
			h.config, ok = parseHeader(text)
		}
		if !ok {
			h.wrong = "the entry for " + host + ` in CNB_REGISTRY_AUTH is none of "Basic" with user:password in base64, "Bearer" with a token and "X-Identity" with an identity token`
		}
		all = append(all, h)
	}
	slices.SortStableFunc(all, func(a, b header) int { return cmp.Compare(len(b.Path), len(a.Path)) })
	return all
}

// appliesTo reports whether the header applies to a repository. A value that cannot be parsed
// applies to all.
func (h header) appliesTo(r authn.Resource) bool {
	return h.Host == "" && h.wrong != "" || h.Contains(r)
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

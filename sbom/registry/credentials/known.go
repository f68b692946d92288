package credentials

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/baseplan/baseplan/sbom/reference"
)

// Known resolves the credentials for some references now, for a process that is about to lose
// permission to read them. Others are resolved when needed. References outside a registry are
// ignored.
func Known(keychain authn.Keychain, refs ...reference.Reference) authn.Keychain {
	k := known{Keychain: keychain, repositories: map[string]authn.Authenticator{}}
	for _, r := range refs {
		if r.Host() == "" {
			continue
		}
		ref, err := name.ParseReference(r.String())
		if err != nil {
			continue
		}
		// Other repositories of the registry may be needed, too: the cache's, the run image's
		// mirrors.
		for _, r := range []authn.Resource{ref.Context(), ref.Context().Registry} {
			if _, asked := k.repositories[r.String()]; !asked {
				k.repositories[r.String()] = authorize(keychain, r)
			}
		}
	}
	return k
}

// authorize resolves the credentials for one registry or repository. An error is returned only
// when they are used.
func authorize(keychain authn.Keychain, registry authn.Resource) authn.Authenticator {
	auth, err := keychain.Resolve(registry)
	if err != nil {
		return failed{fmt.Errorf("finding credentials for %s: %w", registry.RegistryStr(), err)}
	}
	config, err := auth.Authorization()
	if err != nil {
		return failed{fmt.Errorf("finding credentials for %s: %w", registry.RegistryStr(), err)}
	}
	return authn.FromConfig(*config)
}

// failed is an authenticator that always returns an error.
type failed struct{ err error }

// Authorization implements [authn.Authenticator].
func (f failed) Authorization() (*authn.AuthConfig, error) { return nil, f.err }

type known struct {
	authn.Keychain
	repositories map[string]authn.Authenticator // and registries
}

// Resolve implements [authn.Keychain].
func (k known) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if auth, ok := k.repositories[r.String()]; ok {
		return auth, nil
	}
	if c, ok := k.Keychain.(*Keychain); ok {
		if auth := c.header(r); auth != nil {
			return auth, nil
		}
	}
	if auth, ok := k.repositories[r.RegistryStr()]; ok {
		return auth, nil
	}
	return k.Keychain.Resolve(r)
}

// Reason returns the reason of the underlying keychain.
func (k known) Reason(r authn.Resource) string {
	if of, ok := k.Keychain.(interface{ Reason(authn.Resource) string }); ok {
		return of.Reason(r)
	}
	return ""
}

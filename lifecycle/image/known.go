package image

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/baseplan/baseplan/sbom/reference"
)

// Known asks a keychain now for the repositories of some references, for a process that is
// about to lose the right to read the credentials. Others are asked for when they are
// needed. References that lead to no registry are ignored.
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
		// Others of the registry may be asked for, too: the cache's, the run image's mirrors.
		for _, r := range []authn.Resource{ref.Context(), ref.Context().Registry} {
			if _, asked := k.repositories[r.String()]; !asked {
				k.repositories[r.String()] = authorize(keychain, r)
			}
		}
	}
	return k
}

// authorize asks for the credentials of one registry or repository. That there are none to be had is only an
// error for whoever needs them.
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

// failed are credentials that could not be had.
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
	if c, ok := k.Keychain.(*Credentials); ok {
		if auth := c.header(r); auth != nil {
			return auth, nil
		}
	}
	if auth, ok := k.repositories[r.RegistryStr()]; ok {
		return auth, nil
	}
	return k.Keychain.Resolve(r)
}

// Reason is that of the keychain.
func (k known) Reason(r authn.Resource) string {
	if of, ok := k.Keychain.(interface{ Reason(authn.Resource) string }); ok {
		return of.Reason(r)
	}
	return ""
}

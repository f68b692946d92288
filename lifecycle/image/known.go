package image

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Known asks a keychain now for the registries of some references, for a process that is
// about to lose the right to read the credentials. Others are asked for when they are
// needed. What is no reference is passed over; other names for images have no registry.
func Known(keychain authn.Keychain, refs ...string) authn.Keychain {
	k := known{Keychain: keychain, registries: map[string]authn.Authenticator{}}
	for _, text := range refs {
		ref, err := name.ParseReference(text)
		if err != nil {
			continue
		}
		registry := ref.Context().Registry
		if _, asked := k.registries[registry.RegistryStr()]; asked {
			continue
		}
		k.registries[registry.RegistryStr()] = authorize(keychain, registry)
	}
	return k
}

// authorize asks for the credentials of one registry. That there are none to be had is only an
// error for whoever needs them.
func authorize(keychain authn.Keychain, registry name.Registry) authn.Authenticator {
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
	registries map[string]authn.Authenticator
}

// Resolve implements [authn.Keychain].
func (k known) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if auth, ok := k.registries[r.RegistryStr()]; ok {
		return auth, nil
	}
	return k.Keychain.Resolve(r)
}

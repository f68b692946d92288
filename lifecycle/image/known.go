package image

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Known asks a keychain now for the registries of some references, for a process that is
// about to lose the right to read the credentials. Others are asked for when they are
// needed. What is no reference is passed over; other names for images have no registry.
func Known(keychain authn.Keychain, refs ...string) (authn.Keychain, error) {
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
		auth, err := keychain.Resolve(registry)
		if err != nil {
			return nil, fmt.Errorf("finding credentials for %s: %w", registry.RegistryStr(), err)
		}
		config, err := auth.Authorization()
		if err != nil {
			return nil, fmt.Errorf("finding credentials for %s: %w", registry.RegistryStr(), err)
		}
		k.registries[registry.RegistryStr()] = authn.FromConfig(*config)
	}
	return k, nil
}

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

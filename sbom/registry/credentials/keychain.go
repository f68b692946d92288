// Package credentials finds credentials for registries, where docker and clouds keep them.
// Start with [New].
//
// The API is stable from version 1.0 on; see docs/library.md.
package credentials

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	ecr "github.com/awslabs/amazon-ecr-credential-helper/ecr-login"
	"github.com/chrismellard/docker-credential-acr-env/pkg/credhelper"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/google"
)

// A Keychain never fails: it reports once what it cannot read, and the registry is accessed
// anonymously.
type Keychain struct {
	headers []header
	clouds  []authn.Keychain
	warn    func(string)

	mu      sync.Mutex
	told    map[string]bool
	reasons map[string][]string // by repository
}

// New returns a keychain with these sources, in order: the value of CNB_REGISTRY_AUTH, a
// JSON object of Authorization headers by registry or repository (platform.md, "Registry
// Authentication"; empty: not set); docker's config.json and its credential helpers; Google's,
// Amazon's and Azure's own credentials for their registries. A cloud is only asked for its own
// registries. The longest prefix of a repository's name wins. warn is called for unusable
// credentials when they are needed; nil: no warnings.
func New(cnbRegistryAuth string, warn func(string)) *Keychain {
	amazon := authn.NewKeychainFromHelper(ecr.NewECRHelper(ecr.WithLogger(io.Discard)))
	azure := authn.NewKeychainFromHelper(credhelper.NewACRCredentialsHelper())
	return &Keychain{
		headers: parseAuth(cnbRegistryAuth),
		clouds:  []authn.Keychain{google.Keychain, limited{amazonHosts, amazon}, limited{azureHosts, azure}},
		warn:    warn,
		told:    map[string]bool{},
		reasons: map[string][]string{},
	}
}

// Resolve implements [authn.Keychain]. The error is always nil.
func (k *Keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if auth := k.header(r); auth != nil {
		return auth, nil
	}
	for _, part := range prefixes(r) {
		if auth := k.ask(authn.DefaultKeychain, "reading docker's config.json", r, part); auth != nil {
			return auth, nil
		}
	}
	k.noteUnreadable(r)
	for _, cloud := range k.clouds {
		if auth := k.ask(cloud, "asking the cloud", r, r); auth != nil {
			return auth, nil
		}
	}
	return authn.Anonymous, nil
}

// header returns the credentials of CNB_REGISTRY_AUTH, or nil if none are usable.
func (k *Keychain) header(r authn.Resource) authn.Authenticator {
	for _, h := range k.headers {
		if !h.appliesTo(r) {
			continue
		}
		if h.wrong == "" {
			return authn.FromConfig(h.config)
		}
		k.note(r, h.wrong, true)
	}
	return nil
}

// ask returns the credentials of a keychain, or nil if it has none or fails.
func (k *Keychain) ask(from authn.Keychain, doing string, r, part authn.Resource) authn.Authenticator {
	auth, err := from.Resolve(part)
	if err != nil {
		k.note(r, fmt.Sprintf("%s: %v", doing, oneLine(err)), true)
		return nil
	}
	if auth == authn.Anonymous {
		return nil
	}
	return lenient{auth, func(err error) { k.note(r, fmt.Sprintf("%s: %v", doing, oneLine(err)), true) }}
}

// noteUnreadable notes a config.json that this user may not read. That is common where HOME is
// still root's, so it is only reported if the registry requires credentials.
func (k *Keychain) noteUnreadable(r authn.Resource) {
	home, err := os.UserHomeDir()
	if err != nil {
		return
	}
	if _, err := os.Stat(filepath.Join(home, ".docker", "config.json")); errors.Is(err, fs.ErrPermission) {
		k.note(r, fmt.Sprintf("reading docker's config.json: %v", err), false)
	}
}

func (k *Keychain) note(r authn.Resource, reason string, tell bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if of := k.reasons[r.String()]; !slices.Contains(of, reason) {
		k.reasons[r.String()] = append(of, reason)
	}
	if tell && k.warn != nil && !k.told[reason] {
		k.told[reason] = true
		k.warn(fmt.Sprintf("going on without credentials for %s: %s", r.RegistryStr(), reason))
	}
}

// Reason returns why a repository has no credentials, if some could not be read.
func (k *Keychain) Reason(r authn.Resource) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.reasons[r.String()], "; ")
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// A lenient authenticator is anonymous if its credentials cannot be read.
type lenient struct {
	authn.Authenticator
	note func(error)
}

// Authorization implements [authn.Authenticator].
func (l lenient) Authorization() (*authn.AuthConfig, error) {
	return l.AuthorizationContext(context.Background())
}

// AuthorizationContext implements [authn.ContextAuthenticator].
func (l lenient) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	config, err := authn.Authorization(ctx, l.Authenticator)
	if err != nil {
		l.note(err)
		return &authn.AuthConfig{}, nil
	}
	return config, nil
}

// prefixes returns the names under which docker's config.json may list a repository, longest
// first: prefixes of its path, then the registry.
func prefixes(r authn.Resource) []authn.Resource {
	var all []authn.Resource
	for name := r.String(); strings.HasPrefix(name, r.RegistryStr()+"/"); name = name[:strings.LastIndexByte(name, '/')] {
		all = append(all, lookup(name))
	}
	return append(all, lookup(r.RegistryStr()))
}

// A lookup is a name that is looked up unchanged.
type lookup string

// String implements [authn.Resource].
func (l lookup) String() string { return string(l) }

// RegistryStr implements [authn.Resource].
func (l lookup) RegistryStr() string { return string(l) }

var (
	amazonHosts = regexp.MustCompile(`^(public\.ecr\.aws|\d{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn|sc2s\.sgov\.gov|c2s\.ic\.gov))$`)
	azureHosts  = regexp.MustCompile(`\.azurecr\.(io|cn|de|us)$`)
)

// A limited keychain is only asked for matching registries. Some keychains contact a metadata
// service before they look at the name.
type limited struct {
	hosts *regexp.Regexp
	authn.Keychain
}

// Resolve implements [authn.Keychain].
func (l limited) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if !l.hosts.MatchString(r.RegistryStr()) {
		return authn.Anonymous, nil
	}
	return l.Keychain.Resolve(r)
}

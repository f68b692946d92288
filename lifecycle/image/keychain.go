package image

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	ecr "github.com/awslabs/amazon-ecr-credential-helper/ecr-login"
	"github.com/chrismellard/docker-credential-acr-env/pkg/credhelper"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/google"
)

// Keychain finds credentials in this order: the value of CNB_REGISTRY_AUTH, a JSON
// object of Authorization headers by registry (platform.md, "Registry
// Authentication"; empty: not set); docker's config.json and its helpers; Google's, Amazon's
// and Azure's own for their registries. No cloud is asked before one of its registries is.
func Keychain(cnbRegistryAuth string) (authn.Keychain, error) {
	headers, err := parseAuth(cnbRegistryAuth)
	if err != nil {
		return nil, err
	}
	amazon := authn.NewKeychainFromHelper(ecr.NewECRHelper(ecr.WithLogger(io.Discard)))
	azure := authn.NewKeychainFromHelper(credhelper.NewACRCredentialsHelper())
	return authn.NewMultiKeychain(
		headers,
		authn.DefaultKeychain,
		google.Keychain,
		only(amazonHosts, amazon),
		only(azureHosts, azure),
	), nil
}

var (
	amazonHosts = regexp.MustCompile(`^(public\.ecr\.aws|\d{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn|sc2s\.sgov\.gov|c2s\.ic\.gov))$`)
	azureHosts  = regexp.MustCompile(`\.azurecr\.(io|cn|de|us)$`)
)

// headers are Authorization headers by registry.
type headers map[string]authn.AuthConfig

// parseAuth keeps the header's value out of every error: it is a secret.
func parseAuth(value string) (headers, error) {
	if value == "" {
		return nil, nil
	}
	var raw map[string]string
	if err := json.Unmarshal([]byte(value), &raw); err != nil {
		return nil, errors.New("reading CNB_REGISTRY_AUTH: it is not a JSON object of Authorization headers by registry")
	}
	all := headers{}
	for registry, header := range raw {
		cfg, ok := parseHeader(header)
		if !ok {
			return nil, fmt.Errorf(`reading CNB_REGISTRY_AUTH: the header for %s is neither "Basic" with user:password in base64 nor "Bearer" with a token`, registry)
		}
		all[host(registry)] = cfg
	}
	return all, nil
}

func parseHeader(header string) (authn.AuthConfig, bool) {
	scheme, credentials, _ := strings.Cut(header, " ")
	credentials = strings.TrimSpace(credentials)
	if strings.EqualFold(scheme, "Bearer") {
		return authn.AuthConfig{RegistryToken: credentials}, credentials != ""
	}
	plain, err := base64.StdEncoding.DecodeString(credentials)
	user, password, ok := strings.Cut(string(plain), ":")
	return authn.AuthConfig{Username: user, Password: password}, ok && err == nil && strings.EqualFold(scheme, "Basic")
}

// host strips what people write around a registry's name: scheme, path, Docker Hub's address of old.
func host(registry string) string {
	if _, rest, ok := strings.Cut(registry, "://"); ok {
		registry = rest
	}
	registry, _, _ = strings.Cut(registry, "/")
	if registry == "docker.io" || registry == "registry-1.docker.io" {
		return "index.docker.io"
	}
	return registry
}

// Resolve implements [authn.Keychain].
func (h headers) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if cfg, ok := h[r.RegistryStr()]; ok {
		return authn.FromConfig(cfg), nil
	}
	return authn.Anonymous, nil
}

// only asks the keychain for registries of the given names: some of them go looking for
// a metadata service before they look at the name.
func only(hosts *regexp.Regexp, keychain authn.Keychain) authn.Keychain {
	return limited{hosts, keychain}
}

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

// Package registry accesses registries: all of baseplan uses the same credentials, limits,
// retries and error texts. Start with [Client].
//
// Two libraries do the work, both over a Client's transport, which retries requests; neither
// does so itself.
//
//   - go-containerregistry reads and writes images ([Client.Options]). Its image is a Go value
//     that registries, OCI layouts, daemons and caches share, and it mounts layers from other
//     repositories instead of sending them again.
//   - oras-go reads and writes what refers to an image ([Client.Repository]). It follows the
//     pages of a list of referrers and bounds them; go-containerregistry reads the first page
//     only. It has no images.
//
// Credentials are in the package credentials below, which knows the clouds.
//
// The API is stable from version 1.0 on; see docs/library.md.
package registry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry/watch"
)

const userAgent = "baseplan"

// A Client accesses registries. Its zero value does so anonymously. Copies share their
// connections.
type Client struct {
	Keychain  authn.Keychain                            // nil: anonymous; see the package credentials
	Insecure  []string                                  // registries ("host:port") or repositories below ("host:port/path") accessed over HTTP, or HTTPS without verifying certificates
	Transport http.RoundTripper                         // nil: the transport of go-containerregistry, which honours proxies
	Wrap      func(http.RoundTripper) http.RoundTripper // wraps the transport; nil: unchanged
	Retry     remote.Backoff                            // attempts at a request, and the waits between them; zero: 4 attempts, 1 s, 2 s and 4 s apart
	Stall     time.Duration                             // maximum time without progress in a transfer, and for opening an image; zero: 5 minutes

	challenges *challenges // nil: see [Client.WithFewerRequests]
}

// Reference parses a registry reference: with docker's defaults for registry and tag, and with
// HTTP for loopback and insecure registries that do not support HTTPS.
func (c *Client) Reference(ref reference.Reference) (name.Reference, error) {
	err := ref.Err()
	if ref.Kind != reference.Registry && err == nil {
		err = fmt.Errorf("%w: it does not lead to a registry", reference.ErrMalformed)
	}
	var r name.Reference
	if err == nil {
		r, err = name.ParseReference(ref.String())
	}
	if err != nil {
		return nil, &malformedError{ref.String(), err}
	}
	if loopback(r.Context().RegistryStr()) || c.insecure(r.Context()) {
		return name.ParseReference(ref.String(), name.Insecure)
	}
	return r, nil
}

// A malformedError reports a reference that does not lead to a registry. Its text is redacted.
type malformedError struct {
	text string
	err  error
}

func (e *malformedError) Error() string {
	return "parsing image reference " + Redact(e.text) + ": " + Redact(e.err.Error())
}
func (e *malformedError) Unwrap() error { return e.err }

// insecure reports whether a repository is one of c.Insecure, or below one.
func (c *Client) insecure(r name.Repository) bool {
	return slices.ContainsFunc(c.Insecure, func(entry string) bool { return ParsePlace(entry).Contains(r) })
}

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

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// Options returns the options of go-containerregistry to access these repositories with. The
// library does not retry requests. It starts an upload over if one of the requests fails that
// the transport cannot repeat.
func (c *Client) Options(ctx context.Context, repositories ...name.Repository) []remote.Option {
	opts := []remote.Option{
		remote.WithContext(ctx), remote.WithUserAgent(userAgent), remote.WithTransport(c.transport(repositories...)),
		remote.WithRetryStatusCodes(), remote.WithRetryBackoff(c.backoff()),
		remote.WithRetryPredicate(func(err error) bool { return ctx.Err() == nil && interrupted(err) }),
	}
	if c.Keychain != nil {
		opts = append(opts, remote.WithAuthFromKeychain(c.Keychain))
	}
	return opts
}

// CheckWrite returns an error unless an upload to the repository can be begun. It cancels the
// upload.
func (c *Client) CheckWrite(ctx context.Context, ref name.Reference) error {
	keychain := c.Keychain
	if keychain == nil {
		keychain = authn.NewMultiKeychain() // anonymous
	}
	t := transport.NewUserAgent(withContext{c.transport(ref.Context()), ctx}, userAgent)
	return c.Refused(ref.Context(), remote.CheckPushPermission(ref, forRepository{keychain, ref.Context()}, t))
}

// forRepository is a keychain for one repository: CheckPushPermission only asks for credentials
// of the registry.
type forRepository struct {
	authn.Keychain
	repository name.Repository
}

// Resolve implements [authn.Keychain].
func (f forRepository) Resolve(authn.Resource) (authn.Authenticator, error) {
	return f.Keychain.Resolve(f.repository)
}

// withContext makes requests with a context, for functions of go-containerregistry that take
// none.
type withContext struct {
	next http.RoundTripper
	ctx  context.Context
}

// RoundTrip implements [http.RoundTripper].
func (w withContext) RoundTrip(req *http.Request) (*http.Response, error) {
	return w.next.RoundTrip(req.WithContext(w.ctx))
}

// Digest returns the digest of the manifest or index that a reference names now, with one
// request.
func (c *Client) Digest(ctx context.Context, ref name.Reference) (string, error) {
	ctx, asked := watch.Until(ctx, c.Stall, "asking for a digest")
	defer asked()
	found, err := remote.Head(ref, c.Options(ctx, ref.Context())...)
	if err != nil {
		return "", fmt.Errorf("asking for the digest of %s: %w", ref, c.Refused(ref.Context(), watch.Cause(ctx, err)))
	}
	return found.Digest.String(), nil
}

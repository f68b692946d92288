package image

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/baseplan/baseplan/sbom/attach/watch"
)

// temporary reports whether a retry may help: after refused or broken connections, and status
// codes 408, 429 and 5xx (see transport.Error).
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	if errors.Is(err, watch.ErrStalled) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if errors.As(err, &t) && t.Temporary() {
		return true
	}
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET, syscall.ECONNREFUSED, net.ErrClosed} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}

// RoundTripper returns the transport for a client that accesses only these repositories. It
// ends transfers without progress, and does not verify the certificates of hosts whose
// repositories are insecure.
func (o *Opener) RoundTripper(repositories ...name.Repository) http.RoundTripper {
	next := o.Transport
	if next == nil {
		next = remote.DefaultTransport
	}
	var hosts []string
	for _, r := range repositories {
		if o.insecure(r) {
			hosts = append(hosts, r.RegistryStr())
		}
	}
	hosts = slices.DeleteFunc(hosts, func(host string) bool {
		return slices.ContainsFunc(repositories, func(r name.Repository) bool { return r.RegistryStr() == host && !o.insecure(r) })
	})
	if len(hosts) > 0 {
		next = trusting{hosts, withoutVerification(next), next}
	}
	if o.Wrap != nil {
		next = o.Wrap(next)
	}
	if o.frugal != nil {
		next = frugal{next, len(hosts) == 0, o.frugal}
	}
	return watch.Transport{Next: next, Limit: o.Stall}
}

// RepositoryTransport is [Opener.RoundTripper] for one repository.
func (o *Opener) RepositoryTransport(r name.Repository) http.RoundTripper { return o.RoundTripper(r) }

// A trusting transport does not verify the certificates of some hosts.
type trusting struct {
	hosts            []string
	trusted, careful http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t trusting) RoundTrip(req *http.Request) (*http.Response, error) {
	if slices.Contains(t.hosts, req.URL.Host) {
		return t.trusted.RoundTrip(req)
	}
	return t.careful.RoundTrip(req)
}

// unverified maps transports to their copies without certificate verification. There is one
// copy of each, so that connections are reused.
var unverified sync.Map

func withoutVerification(t http.RoundTripper) http.RoundTripper {
	plain, ok := t.(*http.Transport)
	if !ok {
		return t // a custom transport has its own policy
	}
	if known, ok := unverified.Load(plain); ok {
		return known.(http.RoundTripper)
	}
	c := plain.Clone()
	if c.TLSClientConfig == nil {
		c.TLSClientConfig = &tls.Config{}
	}
	c.TLSClientConfig.InsecureSkipVerify = true
	known, _ := unverified.LoadOrStore(plain, c)
	return known.(http.RoundTripper)
}

// retrying returns the transport for functions of go-containerregistry without context and
// options.
func (o *Opener) retrying(ctx context.Context, repository name.Repository) http.RoundTripper {
	opts := []transport.Option{
		transport.WithRetryPredicate(func(err error) bool { return ctx.Err() == nil && temporary(err) }),
		transport.WithRetryStatusCodes(http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout),
		transport.WithRetryBackoff(remote.Backoff{Duration: time.Second, Factor: 3, Jitter: 0.1, Steps: 3}),
	}
	if o.Retry.Steps > 0 {
		opts = append(opts, transport.WithRetryBackoff(o.Retry))
	}
	return transport.NewUserAgent(transport.NewRetry(bound{o.RoundTripper(repository), ctx}, opts...), "baseplan")
}

// A bound transport makes requests with a context.
type bound struct {
	next http.RoundTripper
	ctx  context.Context
}

// RoundTrip implements [http.RoundTripper].
func (b bound) RoundTrip(req *http.Request) (*http.Response, error) {
	return b.next.RoundTrip(req.WithContext(b.ctx))
}

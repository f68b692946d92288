package registry

import (
	"crypto/tls"
	"net/http"
	"slices"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/sbom/registry/watch"
)

// transport returns the transport for a library that accesses only these repositories. It
// retries requests, ends transfers without progress, and does not verify the certificates of
// hosts whose repositories are insecure.
func (c *Client) transport(repositories ...name.Repository) http.RoundTripper {
	next := c.Transport
	if next == nil {
		next = remote.DefaultTransport
	}
	var hosts []string
	for _, r := range repositories {
		if c.insecure(r) {
			hosts = append(hosts, r.RegistryStr())
		}
	}
	hosts = slices.DeleteFunc(hosts, func(host string) bool {
		return slices.ContainsFunc(repositories, func(r name.Repository) bool { return r.RegistryStr() == host && !c.insecure(r) })
	})
	if len(hosts) > 0 {
		next = selective{hosts, withoutVerification(next), next}
	}
	if c.Wrap != nil {
		next = c.Wrap(next)
	}
	next = retrying{watch.Transport{Next: next, Limit: c.Stall}, c.backoff()}
	if c.challenges != nil {
		next = remembering{next, len(hosts) == 0, c.challenges}
	}
	return next
}

// A selective transport does not verify the certificates of some hosts.
type selective struct {
	hosts                []string
	unverified, verified http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (s selective) RoundTrip(req *http.Request) (*http.Response, error) {
	if slices.Contains(s.hosts, req.URL.Host) {
		return s.unverified.RoundTrip(req)
	}
	return s.verified.RoundTrip(req)
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

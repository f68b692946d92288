package registry

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"slices"
	"strings"
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

// WithFewerRequests returns a copy of the Client for a phase that only reads. The copy asks each
// registry at most once how to authenticate, and does not cancel the uploads begun by
// [Client.CheckWrite], which expire in the registry.
func (c *Client) WithFewerRequests() Client {
	out := *c
	out.challenges = &challenges{all: map[origin]*challenge{}}
	return out
}

// A remembering transport remembers how registries authenticate.
type remembering struct {
	next     http.RoundTripper
	verifies bool // all certificates
	*challenges
}

type challenges struct {
	mu  sync.Mutex
	all map[origin]*challenge
}

// An origin is a host that was asked. The response of an unverified host must not be used where
// certificates are verified.
type origin struct {
	scheme, host string
	verified     bool
}

// A challenge is a registry's response to GET /v2/.
type challenge struct {
	mu       sync.Mutex // held during the request
	response *http.Response
	body     []byte
}

// RoundTrip implements [http.RoundTripper].
func (t remembering) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case req.Method == http.MethodGet && req.URL.Path == "/v2/" && req.Header.Get("Authorization") == "":
		return t.challenge(req)
	case req.Method == http.MethodDelete && strings.Contains(req.URL.Path, "/blobs/uploads/"):
		return copyOf(req, &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}}, nil), nil
	}
	return t.next.RoundTrip(req)
}

func (t remembering) challenge(req *http.Request) (*http.Response, error) {
	t.mu.Lock()
	from := origin{req.URL.Scheme, req.URL.Host, t.verifies}
	c := t.all[from]
	if c == nil {
		c = &challenge{}
		t.all[from] = c
	}
	t.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.response != nil {
		return copyOf(req, c.response, c.body), nil
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	c.response, c.body = resp, body
	return copyOf(req, resp, body), nil
}

// copyOf returns a copy of a response.
func copyOf(req *http.Request, of *http.Response, body []byte) *http.Response {
	return &http.Response{
		Status: http.StatusText(of.StatusCode), StatusCode: of.StatusCode, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: of.Header.Clone(), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

package registry

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
)

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

package image

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Frugal returns an Opener for a phase that only reads. It asks each registry at most once how
// to authenticate, and does not cancel the uploads begun by [Writer.CheckWrite], which expire
// in the registry. That saves a request each.
func (o *Opener) Frugal() *Opener {
	out := *o
	out.frugal = &pings{all: map[pinged]*ping{}}
	return &out
}

// A frugal transport avoids repeated and unnecessary requests.
type frugal struct {
	next     http.RoundTripper
	verifies bool // all certificates
	*pings
}

type pings struct {
	mu  sync.Mutex
	all map[pinged]*ping
}

// pinged identifies the host asked. The answer of an unverified host must not be used where
// certificates are verified.
type pinged struct {
	scheme, host string
	verified     bool
}

// A ping is a registry's answer to GET /v2/.
type ping struct {
	mu     sync.Mutex // held during the request
	answer *http.Response
	body   []byte
}

// RoundTrip implements [http.RoundTripper].
func (t frugal) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case req.Method == http.MethodGet && req.URL.Path == "/v2/" && req.Header.Get("Authorization") == "":
		return t.ping(req)
	case req.Method == http.MethodDelete && strings.Contains(req.URL.Path, "/blobs/uploads/"):
		return answer(req, &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}}, nil), nil
	}
	return t.next.RoundTrip(req)
}

func (t frugal) ping(req *http.Request) (*http.Response, error) {
	t.mu.Lock()
	who := pinged{req.URL.Scheme, req.URL.Host, t.verifies}
	p := t.all[who]
	if p == nil {
		p = &ping{}
		t.all[who] = p
	}
	t.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answer != nil {
		return answer(req, p.answer, p.body), nil
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
	p.answer, p.body = resp, body
	return answer(req, resp, body), nil
}

// answer returns a copy of a response.
func answer(req *http.Request, of *http.Response, body []byte) *http.Response {
	return &http.Response{
		Status: http.StatusText(of.StatusCode), StatusCode: of.StatusCode, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: of.Header.Clone(), Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
}

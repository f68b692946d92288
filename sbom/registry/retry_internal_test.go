package registry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/sbom/registry/watch"
)

// A lastMoment transport ends the context while a request is under way, which then fails as
// if the connection had been lost. That would be tried again.
type lastMoment struct {
	end  context.CancelFunc
	sent atomic.Int32
}

func (l *lastMoment) RoundTrip(*http.Request) (*http.Response, error) {
	l.sent.Add(1)
	l.end()
	return nil, io.ErrUnexpectedEOF
}

// TestNoRetryAfterTheEnd: nothing is tried again under a context that has ended.
func TestNoRetryAfterTheEnd(t *testing.T) {
	ref, err := name.ParseReference("registry.example/app:1")
	if err != nil {
		t.Fatal(err)
	}
	waits := remote.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 3}
	for what, ask := range map[string]func(context.Context, *Client) error{
		"options": func(ctx context.Context, c *Client) error {
			_, err := remote.Head(ref, c.Options(ctx, ref.Context())...)
			return err
		},
		"transport": func(ctx context.Context, c *Client) error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registry.example/v2/", nil)
			if err != nil {
				return err
			}
			resp, err := withContext{c.transport(ref.Context()), ctx}.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			last := &lastMoment{end: cancel}
			if err := ask(ctx, &Client{Transport: last, Retry: waits}); err == nil {
				t.Error("no error")
			}
			if n := last.sent.Load(); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			last = &lastMoment{end: func() {}}
			if err := ask(t.Context(), &Client{Transport: last, Retry: waits}); err == nil {
				t.Error("no error")
			}
			if n := last.sent.Load(); n < 2 {
				t.Errorf("%d requests before the end, so the one above shows nothing", n)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, "": -1, "soon": -1, "-1": -1,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second, "Sun, 01 Mar 2026 11:00:00 GMT": 0,
	} {
		got, ok := retryAfter(&http.Response{Header: http.Header{"Retry-After": {value}}}, now)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRepeatable: a request is repeated with its body if that does no harm.
func TestRepeatable(t *testing.T) {
	const manifest, session, blobs = "/v2/app/manifests/1", "/v2/app/blobs/uploads/1", "/v2/app/blobs/sha256:1"
	closed := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	for _, tt := range []struct {
		method, path string
		once         bool // the body can be read once only
		status       int
		err          error
		want         int // attempts
	}{
		{"GET", blobs, false, 503, nil, 4},
		{"GET", blobs, false, 0, closed, 4},
		{"GET", blobs, false, 0, io.EOF, 4},
		{"GET", blobs, false, 0, watch.ErrStalled, 1},
		{"GET", blobs, false, 0, errors.New("tls: unknown authority"), 1},
		{"GET", blobs, false, 404, nil, 1},
		{"HEAD", blobs, false, 500, nil, 4},
		{"POST", "/v2/app/blobs/uploads/", false, 502, nil, 4},
		{"POST", "/token", false, 504, nil, 4},
		{"PUT", manifest, false, 503, nil, 4},
		{"PUT", manifest, false, 0, closed, 4},
		{"PUT", manifest, true, 503, nil, 1},
		{"PUT", session, false, 503, nil, 1},
		{"PUT", session, false, 429, nil, 4},
		{"PATCH", session, false, 503, nil, 1},
		{"PATCH", session, false, 0, closed, 1},
		{"PATCH", session, false, 429, nil, 4},
		{"PATCH", session, true, 429, nil, 1},
		{"PATCH", session, false, 0, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, 4},
	} {
		attempts := 0
		c := &Client{Retry: remote.Backoff{Duration: 1, Steps: 4}, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			attempts++
			if r.Body != nil {
				if got, err := io.ReadAll(r.Body); string(got) != "content" || err != nil {
					t.Errorf("attempt %d has %q, %v", attempts, got, err)
				}
			}
			if tt.err != nil {
				return nil, tt.err
			}
			return &http.Response{StatusCode: tt.status, Body: http.NoBody, Request: r}, nil
		})}
		var body io.Reader
		if tt.method != "GET" && tt.method != "HEAD" {
			body = strings.NewReader("content")
		}
		if tt.once {
			body = io.MultiReader(body)
		}
		req, err := http.NewRequestWithContext(t.Context(), tt.method, "https://registry.example"+tt.path, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.transport().RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, tt.err) || err == nil && resp.StatusCode != tt.status || attempts != tt.want {
			t.Errorf("%s %s, %d %v: %d attempts, want %d; %v", tt.method, tt.path, tt.status, tt.err, attempts, tt.want, err)
		}
	}
}

// TestDeadline: a wait that is longer than the context is not begun, and one that is cut short is
// not followed by a request.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c := &Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			attempts++
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"3"}}, Body: http.NoBody, Request: r}, nil
		})}
		get := func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://registry.example/v2/", nil)
			if err != nil {
				return err
			}
			resp, err := c.transport().RoundTrip(req)
			if err == nil {
				err = resp.Body.Close()
			}
			return err
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		if err := get(ctx); err != nil || attempts != 3 || time.Since(start) != 6*time.Second {
			t.Errorf("%d attempts in %s, %v; want 3 in 6s, and the response", attempts, time.Since(start), err)
		}
		attempts = 0
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := get(ctx); !errors.Is(err, context.Canceled) || attempts != 1 {
			t.Errorf("%d attempts, %v; want one that was canceled", attempts, err)
		}
	})
}

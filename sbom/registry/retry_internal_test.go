package registry

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
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
			resp, err := withContext{c.RoundTripper(ref.Context()), ctx}.RoundTrip(req)
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

package image

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
	for what, ask := range map[string]func(context.Context, *Opener) error{
		"options": func(ctx context.Context, o *Opener) error {
			_, err := remote.Head(ref, append(o.RemoteOptions(ctx, ref.Context()), remote.WithContext(context.WithoutCancel(ctx)))...)
			return err
		},
		"transport": func(ctx context.Context, o *Opener) error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registry.example/v2/", nil)
			if err != nil {
				return err
			}
			resp, err := o.retrying(ctx, ref.Context()).RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			last := &lastMoment{end: cancel}
			if err := ask(ctx, &Opener{Transport: last, Retry: waits}); err == nil {
				t.Error("no error")
			}
			if n := last.sent.Load(); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			last = &lastMoment{end: func() {}}
			if err := ask(t.Context(), &Opener{Transport: last, Retry: waits}); err == nil {
				t.Error("no error")
			}
			if n := last.sent.Load(); n < 2 {
				t.Errorf("%d requests before the end, so the one above shows nothing", n)
			}
		})
	}
}

// Package watch ends requests that make no progress. Start with [Transport].
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// ErrStalled is wrapped by errors of transfers that came to a halt.
var ErrStalled = errors.New("the transfer stalled")

// DefaultLimit is for how long a transfer may make no progress.
const DefaultLimit = 5 * time.Minute

// minRate is the number of bytes in a second that must be sent or received over the limit: a
// server that sends a byte now and then makes no progress.
const minRate = 64

// A Transport ends requests that make no progress.
type Transport struct {
	Next  http.RoundTripper // nil: the transport of go-containerregistry
	Limit time.Duration     // for 64 bytes in each of its seconds, or the rest of a transfer; 0: DefaultLimit
}

func (t Transport) limit() time.Duration {
	if t.Limit == 0 {
		return DefaultLimit
	}
	return t.Limit
}

// RoundTrip implements [http.RoundTripper].
func (t Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	next := t.Next
	if next == nil {
		next = remote.DefaultTransport
	}
	limit := t.limit()
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w: fewer than %d bytes a second for %s", ErrStalled, minRate, limit)) })
	p := &progress{timer: timer, limit: limit}
	out := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		out.Body = body{req.Body, p, func() {}, nil}
	}
	resp, err := next.RoundTrip(out)
	if err != nil {
		timer.Stop()
		defer cancel(nil)
		return nil, Cause(ctx, err)
	}
	p.restart()
	resp.Body = body{resp.Body, p, func() { timer.Stop(); cancel(nil) }, ctx}
	return resp, nil
}

// Cause is the reason for which [Transport] or [Until] ended a context, else err.
func Cause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrStalled) {
		return cause
	}
	return err
}

// Until ends a context after the limit, unless done is called before: unlike after
// context.WithTimeout, the context can then be used for longer.
func Until(ctx context.Context, limit time.Duration, what string) (until context.Context, done func()) {
	if limit == 0 {
		limit = DefaultLimit
	}
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w: %s took longer than %s", ErrStalled, what, limit)) })
	return ctx, func() { timer.Stop() }
}

// progress restarts the timer each time that enough bytes for the limit have moved.
type progress struct {
	timer *time.Timer
	limit time.Duration

	mu    sync.Mutex
	bytes int
}

func (p *progress) moved(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes += n; p.bytes >= int(p.limit.Seconds()*minRate) {
		p.bytes = 0
		p.timer.Reset(p.limit)
	}
}

func (p *progress) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes = 0
	p.timer.Reset(p.limit)
}

// A body tells of every read.
type body struct {
	io.ReadCloser
	*progress
	closed func()
	ctx    context.Context // of a response; nil: of a request
}

// Read implements [io.Reader].
func (b body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.moved(n)
	if errors.Is(err, io.EOF) {
		b.restart() // what comes now may take its time
	}
	if err != nil && !errors.Is(err, io.EOF) && b.ctx != nil {
		err = Cause(b.ctx, err)
	}
	return n, err
}

// Close implements [io.Closer].
func (b body) Close() error {
	defer b.closed()
	return b.ReadCloser.Close()
}

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// temporary errors are worth another attempt: a connection that was refused or broke, and
// answers that say so (408, 429, 5xx; transport.Error knows them).
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	if errors.Is(err, errStalled) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
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

// errStalled is wrapped by errors of transfers that came to a halt.
var errStalled = errors.New("the transfer stalled")

func (o *Opener) transport() http.RoundTripper {
	t := watched{next: o.Transport, limit: o.Stall}
	if t.next == nil {
		t.next = remote.DefaultTransport
	}
	if t.limit == 0 {
		t.limit = 5 * time.Minute
	}
	return t
}

// retrying is the transport for those functions of go-containerregistry that take neither a
// context nor options.
func (o *Opener) retrying(ctx context.Context) http.RoundTripper {
	opts := []transport.Option{
		transport.WithRetryPredicate(func(err error) bool { return ctx.Err() == nil && temporary(err) }),
		transport.WithRetryStatusCodes(http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout),
		transport.WithRetryBackoff(remote.Backoff{Duration: time.Second, Factor: 3, Jitter: 0.1, Steps: 3}),
	}
	if o.Retry.Steps > 0 {
		opts = append(opts, transport.WithRetryBackoff(o.Retry))
	}
	return transport.NewUserAgent(transport.NewRetry(bound{o.transport(), ctx}, opts...), "baseplan")
}

// A bound transport makes requests under a context.
type bound struct {
	next http.RoundTripper
	ctx  context.Context
}

// RoundTrip implements [http.RoundTripper].
func (b bound) RoundTrip(req *http.Request) (*http.Response, error) {
	return b.next.RoundTrip(req.WithContext(b.ctx))
}

// A watched transport ends requests in which nothing moves any more: a registry may be slow,
// but one that hangs must not hang a build.
type watched struct {
	next  http.RoundTripper
	limit time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (t watched) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(t.limit, func() { cancel(fmt.Errorf("%w: nothing moved for %s", errStalled, t.limit)) })
	moved := func() { timer.Reset(t.limit) }
	out := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		out.Body = movingBody{req.Body, moved, func() {}, nil}
	}
	resp, err := t.next.RoundTrip(out)
	if err != nil {
		timer.Stop()
		defer cancel(nil)
		return nil, stalled(ctx, err)
	}
	moved()
	resp.Body = movingBody{resp.Body, moved, func() { timer.Stop(); cancel(nil) }, ctx}
	return resp, nil
}

func stalled(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		return cause
	}
	return err
}

// A movingBody tells of every read.
type movingBody struct {
	io.ReadCloser
	moved, closed func()
	ctx           context.Context // of a response; nil: of a request
}

func (b movingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.moved()
	}
	if err != nil && !errors.Is(err, io.EOF) && b.ctx != nil {
		err = stalled(b.ctx, err)
	}
	return n, err
}

func (b movingBody) Close() error {
	defer b.closed()
	return b.ReadCloser.Close()
}

package registry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/baseplan/baseplan/sbom/registry/watch"
)

// maxWait limits the delay that a registry may request. After a longer one, the response is
// returned as it is.
const maxWait = 30 * time.Second

func (c *Client) backoff() remote.Backoff {
	if c.Retry.Steps > 0 {
		return c.Retry
	}
	return remote.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 4}
}

// A retrying transport repeats requests after a wait: that of Retry-After, else of the backoff.
// It repeats no request whose context would end before.
type retrying struct {
	next    http.RoundTripper
	backoff remote.Backoff
}

// RoundTrip implements [http.RoundTripper].
func (t retrying) RoundTrip(req *http.Request) (*http.Response, error) {
	policy := func() retry.Policy { return &policy{req, t.backoff} }
	return (&retry.Transport{Base: t.next, Policy: policy}).RoundTrip(req)
}

// A policy is for the attempts at one request.
type policy struct {
	*http.Request
	backoff remote.Backoff
}

// Retry implements [retry.Policy].
func (p *policy) Retry(_ int, resp *http.Response, err error) (time.Duration, error) {
	const never = -1
	again := Temporary(err)
	if err == nil {
		again = temporaryStatus(resp.StatusCode)
	}
	if !again || p.backoff.Steps <= 1 || !repeatable(p.Request, resp, err) {
		return never, nil
	}
	wait := p.backoff.Step()
	if asked, ok := retryAfter(resp, time.Now()); ok {
		wait = asked
	}
	if wait > maxWait || !endsAfter(p.Context(), wait) {
		return never, nil
	}
	return wait, nil
}

// endsAfter reports whether the context is still in use after a wait.
func endsAfter(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > wait)
}

func temporaryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, 499: // 499 is nginx's, for an interrupted request
		return true
	case http.StatusNotImplemented:
		return false
	}
	return status >= http.StatusInternalServerError
}

// Temporary reports whether a request that failed may succeed later: the registry was busy or
// had an error of its own, or a connection was refused, broken or timed out.
func Temporary(err error) bool {
	if temporaryStatus(Status(err)) {
		return true
	}
	if errors.Is(err, watch.ErrStalled) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var t interface{ Temporary() bool }
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

// repeatable reports whether a request can be sent again, if its body can: if that has the same
// effect, or if it had none yet.
func repeatable(req *http.Request, resp *http.Response, err error) bool {
	if !uploads(req.Method, req.URL.Path) || resp != nil && resp.StatusCode == http.StatusTooManyRequests {
		return true
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// uploads reports whether a request continues an upload, which may have a part of the content
// already. A POST only begins an upload or gets a token.
func uploads(method, path string) bool {
	return method == http.MethodPatch || method == http.MethodPut && !strings.Contains(path, "/manifests/")
}

// interrupted reports whether an upload failed at a request that may succeed in a new upload.
func interrupted(err error) bool {
	if !Temporary(err) || Status(err) == http.StatusTooManyRequests {
		return false
	}
	if e, ok := errors.AsType[*transport.Error](err); ok {
		return e.Request != nil && uploads(e.Request.Method, e.Request.URL.Path)
	}
	if e, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		return uploads(e.Method, e.URL.Path)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		at, parseErr := url.Parse(e.URL)
		return parseErr == nil && uploads(strings.ToUpper(e.Op), at.Path)
	}
	return false
}

// retryAfter parses both forms of the header (RFC 9110, section 10.2.3).
func retryAfter(resp *http.Response, now time.Time) (time.Duration, bool) {
	if resp == nil {
		return 0, false
	}
	value := resp.Header.Get("Retry-After")
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(s) * time.Second, true
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(0, t.Sub(now)), true
	}
	return 0, false
}

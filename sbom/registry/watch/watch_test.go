package watch_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/baseplan/baseplan/sbom/registry/watch"
)

// slow gives a number of bytes each time that an interval has passed.
type slow struct {
	io.Reader
	bytes    int
	interval time.Duration
}

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(s.interval)
	return s.Reader.Read(p[:min(len(p), s.bytes)])
}

func (s slow) Close() error { return nil }

// A server reads the body of a request until its context ends, and answers with that of its own.
type server func() io.ReadCloser

func (s server) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		for p := make([]byte, 1000); ; {
			_, err := req.Body.Read(p)
			if errors.Is(err, io.EOF) {
				break
			}
			if err = errors.Join(err, req.Context().Err()); err != nil {
				return nil, err
			}
		}
	}
	return &http.Response{Body: ending{s(), req}}, nil
}

// ending fails once the request has ended, as the body of a response does.
type ending struct {
	io.ReadCloser
	req *http.Request
}

func (e ending) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if e.req.Context().Err() != nil {
		return 0, e.req.Context().Err()
	}
	return n, err
}

// TestMinimumTransferRate sends and receives 6400 bytes at different rates, in time that passes only here. A transfer may take many times
// the limit as long as at least 64 bytes move in each second.
func TestMinimumTransferRate(t *testing.T) {
	for _, c := range []struct {
		bytes    int
		interval time.Duration
		stalls   bool
	}{
		{100, 150 * time.Millisecond, false},
		{80, time.Second, false},
		{640, 9 * time.Second, false},
		{50, time.Second, true},
		{1, 20 * time.Millisecond, true},
		{6400, 11 * time.Second, true},
	} {
		t.Run(fmt.Sprint(c.bytes, " in ", c.interval), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body := func() io.ReadCloser { return slow{bytes.NewReader(make([]byte, 6400)), c.bytes, c.interval} }
				receive := watch.Transport{Limit: 10 * time.Second, Next: server(body)}
				resp, err := receive.RoundTrip(request(t, nil))
				if err != nil {
					t.Fatal(err)
				}
				_, err = io.Copy(io.Discard, resp.Body)
				if errors.Is(err, watch.ErrStalled) != c.stalls || !c.stalls && err != nil {
					t.Errorf("receiving: %v", err)
				}
				_ = resp.Body.Close()

				send := watch.Transport{Limit: 10 * time.Second, Next: server(func() io.ReadCloser { return http.NoBody })}
				resp, err = send.RoundTrip(request(t, body()))
				if errors.Is(err, watch.ErrStalled) != c.stalls || !c.stalls && err != nil {
					t.Errorf("sending: %v", err)
				}
				if err == nil {
					_ = resp.Body.Close()
				}
			})
		})
	}
}

func request(t *testing.T, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://registry.invalid/", body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// TestUntilCancelsAtTheLimit: the context ends with the limit, unless done was called before.
func TestUntilCancelsAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, done := watch.Until(t.Context(), time.Minute, "opening")
		time.Sleep(59 * time.Second)
		done()
		time.Sleep(time.Hour)
		if ctx.Err() != nil {
			t.Errorf("ended after done: %v", ctx.Err())
		}
		ctx, done = watch.Until(t.Context(), 0, "opening")
		defer done()
		time.Sleep(watch.DefaultLimit + time.Second)
		if err := watch.Cause(ctx, ctx.Err()); !errors.Is(err, watch.ErrStalled) || err.Error() != "the transfer stalled: opening took longer than 5m0s" {
			t.Errorf("ended with %v", err)
		}
	})
}

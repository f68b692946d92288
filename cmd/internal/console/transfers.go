package console

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Transfers shows on a terminal how many bytes were sent and received: a line that is
// overwritten while data is transferred and that [Transfers.Clear] removes.
type Transfers struct {
	Out  io.Writer     // the terminal
	Wait time.Duration // before the line appears, and between updates; 0 means 1 s

	mu             sync.Mutex
	sent, received int64
	updated        time.Time // last update of the line, or the start of the first transfer
	shown          bool
}

// Wrap returns a transport that counts what next sends and receives.
func (t *Transfers) Wrap(next http.RoundTripper) http.RoundTripper { return wrapped{t, next} }

type wrapped struct {
	*Transfers
	next http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t wrapped) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	if t.updated.IsZero() {
		t.updated = time.Now()
	}
	t.mu.Unlock()
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = counted{r.Body, func(n int) { t.add(n, 0) }}
	}
	response, err := t.next.RoundTrip(r)
	if err == nil && response.Body != nil {
		response.Body = counted{response.Body, func(n int) { t.add(0, n) }}
	}
	return response, err
}

// Clear removes the line.
func (t *Transfers) Clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shown {
		_, _ = io.WriteString(t.Out, "\r\x1b[K") // a terminal that is gone needs no clearing
		t.shown = false
	}
}

// Over returns a writer to the same terminal that clears the line before each write to w.
func (t *Transfers) Over(w io.Writer) io.Writer { return over{t, w} }

type over struct {
	*Transfers
	io.Writer
}

// Write implements [io.Writer].
func (o over) Write(p []byte) (int, error) {
	o.Clear()
	return o.Writer.Write(p)
}

// add counts bytes and updates the line if it is due.
func (t *Transfers) add(sent, received int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent += int64(sent)
	t.received += int64(received)
	wait := cmp.Or(t.Wait, time.Second)
	if time.Since(t.updated) < wait {
		return
	}
	t.updated, t.shown = time.Now(), true
	_, _ = fmt.Fprintf(t.Out, "\r\x1b[K%.1f MB sent, %.1f MB received", float64(t.sent)/1e6, float64(t.received)/1e6)
}

// counted is a body that calls count with the number of bytes of each read.
type counted struct {
	io.ReadCloser
	count func(int)
}

// Read implements [io.Reader].
func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if n > 0 {
		c.count(n)
	}
	return n, err
}

package console

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Transfers tells on a terminal how much has gone to and come from registries, for as long as
// something moves: a line that is written over, and cleared in the end.
type Transfers struct {
	Out  io.Writer     // the terminal
	Wait time.Duration // before a transfer is worth telling of, and between changes of the line; 0: 1 s

	mu             sync.Mutex
	sent, received int64
	told           time.Time
	shown          bool
}

// Wrap is a transport that tells of what the next one sends and receives.
func (t *Transfers) Wrap(next http.RoundTripper) http.RoundTripper { return wrapped{t, next} }

type wrapped struct {
	*Transfers
	next http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t wrapped) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	if t.told.IsZero() {
		t.told = time.Now()
	}
	t.mu.Unlock()
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = counted{r.Body, func(n int) { t.move(n, 0) }}
	}
	response, err := t.next.RoundTrip(r)
	if err == nil && response.Body != nil {
		response.Body = counted{response.Body, func(n int) { t.move(0, n) }}
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

// Over is a writer to the same terminal, whose lines take the place of this one.
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

func (t *Transfers) move(sent, received int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent += int64(sent)
	t.received += int64(received)
	wait := t.Wait
	if wait == 0 {
		wait = time.Second
	}
	if time.Since(t.told) < wait {
		return
	}
	t.told, t.shown = time.Now(), true
	_, _ = fmt.Fprintf(t.Out, "\r\x1b[K%.1f MB sent, %.1f MB received", float64(t.sent)/1e6, float64(t.received)/1e6)
}

// counted tells how much of a body was read.
type counted struct {
	io.ReadCloser
	tell func(int)
}

// Read implements [io.Reader].
func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if n > 0 {
		c.tell(n)
	}
	return n, err
}

package console_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/baseplan/baseplan/cmd/internal/console"
)

func TestTransfers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(make([]byte, 200_000))
	}))
	defer server.Close()
	var out bytes.Buffer
	transfers := &console.Transfers{Out: &out, Wait: time.Nanosecond}
	client := http.Client{Transport: transfers.Wrap(http.DefaultTransport)}
	response, err := client.Post(server.URL, "", strings.NewReader(strings.Repeat("x", 1_000_000)))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, response.Body); n != 200_000 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	_ = response.Body.Close()
	transfers.Clear()
	if got := out.String(); !strings.HasSuffix(got, "\r\x1b[K1.0 MB sent, 0.2 MB received\r\x1b[K") {
		t.Errorf("the terminal shows %q", got[max(0, len(got)-120):])
	}
	out.Reset()
	transfers.Clear()
	quiet := &console.Transfers{Out: &out, Wait: time.Hour}
	client.Transport = quiet.Wrap(http.DefaultTransport)
	if response, err = client.Get(server.URL); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	quiet.Clear()
	if out.Len() > 0 {
		t.Errorf("a short transfer is shown: %q", &out)
	}
}

package watch_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/baseplan/baseplan/sbom/registry/watch"
)

// A download may take as long as it needs, if at least 64 bytes arrive in each second.
func ExampleTransport() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "content")
	}))
	defer server.Close()
	client := http.Client{Transport: watch.Transport{Next: http.DefaultTransport, Limit: time.Minute}}
	resp, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	fmt.Println(string(content), err)
	// Output: content <nil>
}

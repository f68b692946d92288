package lifecycletest_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// TestRegistryDropsIncompleteUploads: a client that is gone in the middle of a manifest leaves none.
func TestRegistryDropsIncompleteUploads(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	conn, err := net.Dial("tcp", host.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const manifest = `{"schemaVersion":2}`
	fmt.Fprintf(conn, "PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: %s\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: %d\r\n\r\n%s", host.Name, len(manifest)+1, manifest)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("half a manifest: %s", resp.Status)
	}
	if digest, err := lifecycletest.DigestOf(host.Name + "/app:1"); err == nil {
		t.Errorf("the registry has %s", digest)
	}
}

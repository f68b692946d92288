package registry_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/baseplan/baseplan/sbom/registry"
)

// TestDeleteReference deletes tags and digests, and says what the registry answered.
func TestDeleteReference(t *testing.T) {
	var deleted []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		deleted = append(deleted, r.Method+" "+r.URL.Path)
		switch {
		case strings.HasSuffix(r.URL.Path, "/gone"):
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(r.URL.Path, "/kept"):
			w.WriteHeader(http.StatusMethodNotAllowed)
			_, _ = w.Write([]byte(`{"errors": [{"code": "UNSUPPORTED", "message": "The operation is unsupported."}]}`))
		case strings.HasSuffix(r.URL.Path, "/denied"):
			w.WriteHeader(http.StatusForbidden)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	defer server.Close()
	repo, err := name.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/base/run")
	if err != nil {
		t.Fatal(err)
	}
	r := (&registry.Client{}).Repository(repo, nil)
	r.Dial(t.Context())
	deleted = nil
	for reference, want := range map[string]int{"noble": 0, "sha256:1234": 0, "gone": 404, "kept": 405, "denied": 403} {
		err := r.DeleteReference(t.Context(), reference)
		if registry.Status(err) != want || (want == 0) != (err == nil) {
			t.Errorf("%s: %v, want status %d", reference, err, want)
		}
		if want == 405 && !strings.Contains(err.Error(), "The operation is unsupported.") {
			t.Errorf("%s: %v", reference, err)
		}
	}
	if !slices.Contains(deleted, "DELETE /v2/base/run/manifests/noble") || !slices.Contains(deleted, "DELETE /v2/base/run/manifests/sha256:1234") {
		t.Errorf("got %q", deleted)
	}
}

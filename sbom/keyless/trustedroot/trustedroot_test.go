package trustedroot_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
	"github.com/baseplan/baseplan/sbom/keyless/trustedroot"
)

func TestFetch(t *testing.T) {
	authority := keylesstest.New()
	trusted := authority.TrustedRoot()
	tomorrow := time.Now().Add(24 * time.Hour)
	other := keylesstest.NewRepository(trusted, tomorrow)
	for name, c := range map[string]struct {
		target  []byte
		expires time.Time
		change  func(*keylesstest.Repository)
		want    string // empty: it is fetched
	}{
		"good":                     {trusted, tomorrow, nil, ""},
		"changed on the way":       {trusted, tomorrow, func(r *keylesstest.Repository) { tamper(r, "trusted_root.json") }, "length/hash verification error"},
		"another's targets":        {trusted, tomorrow, func(r *keylesstest.Repository) { r.Files["/1.targets.json"] = other.Files["/1.targets.json"] }, "Verifying targets failed"},
		"another repository's":     {trusted, tomorrow, func(r *keylesstest.Repository) { r.Root = other.Root }, "Verifying timestamp failed"},
		"expired":                  {trusted, time.Now().Add(-time.Minute), nil, "expired"},
		"without timestamp":        {trusted, tomorrow, func(r *keylesstest.Repository) { delete(r.Files, "/timestamp.json") }, "404"},
		"a root that is not one":   {trusted, tomorrow, func(r *keylesstest.Repository) { r.Root = []byte("{}") }, "fetching the trusted root from"},
		"a target that is not one": {[]byte(`{"mediaType": "text/plain"}`), tomorrow, nil, `the media type is "text/plain"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := keylesstest.NewRepository(c.target, c.expires)
			if c.change != nil {
				c.change(r)
			}
			server := httptest.NewServer(r)
			defer server.Close()
			got, err := trustedroot.Fetch(t.Context(), trustedroot.Options{Mirror: server.URL, Root: r.Root})
			switch {
			case c.want == "" && (err != nil || !bytes.Equal(got, trusted)):
				t.Errorf("got %d bytes, %v", len(got), err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %q, %v, want an error with %q", got, err, c.want)
			}
		})
	}
}

// TestFetchStops: a repository that does not answer is left when the context ends.
func TestFetchStops(t *testing.T) {
	r := keylesstest.NewRepository(nil, time.Now())
	ctx, cancel := context.WithCancelCause(t.Context())
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel(http.ErrHandlerTimeout)
		<-release
	}))
	defer server.Close()
	defer close(release)
	if _, err := trustedroot.Fetch(ctx, trustedroot.Options{Mirror: server.URL, Root: r.Root}); err == nil || !strings.Contains(err.Error(), http.ErrHandlerTimeout.Error()) {
		t.Errorf("got %v", err)
	}
}

func tamper(r *keylesstest.Repository, name string) {
	for path, data := range r.Files {
		if strings.HasSuffix(path, name) {
			changed := bytes.Clone(data)
			changed[len(changed)/2] ^= 1
			r.Files[path] = changed
		}
	}
}

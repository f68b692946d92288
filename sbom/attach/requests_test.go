package attach

import (
	"net/http"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/sbom"
)

// TestRequests holds the number of requests that a search costs beyond resolving
// the image and its configuration, and beyond handshakes: docs/design.md, "Where an inventory comes from".
func TestRequests(t *testing.T) {
	refer := func(ofIndex bool) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			w.refer(w.subjectDesc(ofIndex), sbom.Syft.MediaType(), sbom.Syft.MediaType(), fixtures(t)[sbom.Syft], nil)
		}
	}
	for kind, handler := range registries {
		for _, c := range []struct {
			name string
			opts []worldOption
			put  func(*testing.T, *world)
			most int
		}{
			{"image, referrer", nil, refer(false), 4},
			{"image, nothing", nil, nil, 6},
			{"index, manifest's referrer", []worldOption{indexed}, refer(false), 4},
			{"index, index's referrer", []worldOption{indexed}, refer(true), 5},
			{"index, nothing", []worldOption{indexed}, nil, 6},
		} {
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				w := newWorld(t, handler(), c.opts...)
				if c.put != nil {
					c.put(t, w)
				}
				r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
				if (r.Found != nil) != (c.put != nil) {
					t.Fatalf("searched %v", outcomes(r))
				}
				if got := w.seen(); len(got) > c.most {
					t.Errorf("%d requests, want at most %d:\n%s", len(got), c.most, strings.Join(got, "\n"))
				} else {
					t.Logf("%d requests", len(got))
				}
			})
		}
	}
}

// Once a registry is known to have the API, both lists are asked for at once.
func TestRequestsSideBySide(t *testing.T) {
	both := make(chan struct{}, 2)
	base := ggcrRegistry(true)
	w := newWorld(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/referrers/") && cap(both) > 0 {
			both <- struct{}{}
		}
		base.ServeHTTP(rw, r)
	}), indexed)
	w.refer(w.subjectDesc(false), sbom.Syft.MediaType(), sbom.Syft.MediaType(), fixtures(t)[sbom.Syft], nil)
	f := new(Finder)
	drain := func() (n int) {
		for len(both) > 0 {
			<-both
			n++
		}
		return n
	}
	drain()
	must(f.Find(shortCtx(t), w.subject()))(t)
	if n := drain(); n != 1 {
		t.Errorf("a registry that is not known: %d lists, want the manifest's only", n)
	}
	must(f.Find(shortCtx(t), w.subject()))(t)
	if n := drain(); n != 2 {
		t.Errorf("a registry with the API: %d lists, want both", n)
	}
	if got := len(w.seen()); got > 3+4 {
		t.Errorf("%d requests in both searches", got)
	}
}

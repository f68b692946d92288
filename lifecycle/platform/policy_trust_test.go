package platform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// TestStricterUnbound: unbound carriers count only if every phase that says something says true.
func TestStricterUnbound(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct{ own, recorded, want *bool }{
		{nil, nil, nil}, {&yes, nil, &yes}, {nil, &yes, &yes}, {&yes, &yes, &yes},
		{&no, nil, &no}, {nil, &no, &no}, {&no, &yes, &no}, {&yes, &no, &no}, {&no, &no, &no},
	} {
		got := platform.Policy{Unbound: c.own}.Stricter(platform.Policy{Unbound: c.recorded})
		if diff := cmp.Diff(c.want, got.Unbound); diff != "" {
			t.Errorf("own %v, recorded %v (-want +got):\n%s", c.own, c.recorded, diff)
		}
	}
}

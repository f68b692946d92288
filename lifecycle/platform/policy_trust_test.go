package platform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
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

// TestStricterIdentities: a phase with keys or identities of its own takes none of those recorded.
func TestStricterIdentities(t *testing.T) {
	own, other := []attach.Identity{{Issuer: "a", Subject: "b"}}, []attach.Identity{{Issuer: "c", Subject: "d"}}
	recorded := platform.Policy{Keys: []string{"theirs"}, Identities: other, TrustedRoot: "{}"}
	for name, c := range map[string]struct{ own, want platform.Policy }{
		"neither":      {platform.Policy{}, recorded},
		"keys":         {platform.Policy{Keys: []string{"ours"}}, platform.Policy{Keys: []string{"ours"}, TrustedRoot: "{}"}},
		"identities":   {platform.Policy{Identities: own}, platform.Policy{Identities: own, TrustedRoot: "{}"}},
		"trusted root": {platform.Policy{TrustedRoot: "/root.json"}, platform.Policy{Keys: recorded.Keys, Identities: other, TrustedRoot: "/root.json"}},
	} {
		if diff := cmp.Diff(c.want, c.own.Stricter(recorded)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	r := platform.Resolution{Policy: recorded}
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := platform.DecodeResolution(data, "resolution.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(recorded, got.Policy); diff != "" {
		t.Errorf("through resolution.toml (-want +got):\n%s", diff)
	}
}

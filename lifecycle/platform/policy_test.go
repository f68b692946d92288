package platform_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

func proofs(pairs ...string) []platform.ExtensionProof {
	var all []platform.ExtensionProof
	for _, p := range pairs {
		id, proof, _ := strings.Cut(p, "=")
		all = append(all, platform.ExtensionProof{ID: id, Proof: extensions.Proof(proof)})
	}
	return all
}

// TestStricter compares only what was said.
func TestStricter(t *testing.T) {
	built := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name                string
		own, recorded, want platform.Policy
	}{
		{name: "nothing"},
		{"own", platform.Policy{Proof: "plan"}, platform.Policy{}, platform.Policy{Proof: "plan"}},
		{"recorded", platform.Policy{}, platform.Policy{Proof: "plan"}, platform.Policy{Proof: "plan"}},
		{"installs over plan", platform.Policy{Proof: "plan"}, platform.Policy{Proof: "installs"}, platform.Policy{Proof: "installs"}},
		{"effect over installs", platform.Policy{Proof: "effect"}, platform.Policy{Proof: "installs"}, platform.Policy{Proof: "effect"}},
		{"strict over all", platform.Policy{Proof: "plan"}, platform.Policy{Proof: "strict"}, platform.Policy{Proof: "strict"}},
		{"a default is not said", platform.Policy{}, platform.Policy{RunSBOM: "generate"}, platform.Policy{RunSBOM: "generate"}},
		{"an extension against an extension", platform.Policy{Extensions: proofs("a=plan")}, platform.Policy{Extensions: proofs("a=effect", "b=plan")},
			platform.Policy{Extensions: proofs("a=effect", "b=plan")}},
		{"an extension against all", platform.Policy{Extensions: proofs("a=plan")}, platform.Policy{Proof: "strict"},
			platform.Policy{Proof: "strict", Extensions: proofs("a=strict")}},
		{"all against an extension", platform.Policy{Proof: "effect"}, platform.Policy{Proof: "strict", Extensions: proofs("a=plan")},
			platform.Policy{Proof: "strict", Extensions: proofs("a=effect")}},
		{"an entry counts, not its own phase's proof", platform.Policy{Proof: "strict", Extensions: proofs("a=plan")}, platform.Policy{Extensions: proofs("a=installs")},
			platform.Policy{Proof: "strict", Extensions: proofs("a=installs")}},
		{"the smaller age", platform.Policy{MaxImageAge: "720h"}, platform.Policy{MaxImageAge: "7d"}, platform.Policy{MaxImageAge: "7d"}},
		{"the only age", platform.Policy{}, platform.Policy{MaxImageAge: "7d"}, platform.Policy{MaxImageAge: "7d"}},
		{"its own age", platform.Policy{MaxImageAge: "7d"}, platform.Policy{}, platform.Policy{MaxImageAge: "7d"}},
		{"the recorded time", platform.Policy{}, platform.Policy{Built: &built}, platform.Policy{Built: &built}},
	} {
		if diff := cmp.Diff(tt.want, tt.own.Stricter(tt.recorded)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

// TestStricterIsSymmetric: whichever phase says it, the verdicts' rules are the same.
func TestStricterIsSymmetric(t *testing.T) {
	policy := rapid.Custom(func(t *rapid.T) platform.Policy {
		proof := rapid.SampledFrom([]extensions.Proof{"", "plan", "installs", "effect", "strict"})
		p := platform.Policy{Proof: proof.Draw(t, "proof"), MaxImageAge: rapid.SampledFrom([]string{"", "1h", "24h", "2d"}).Draw(t, "age")}
		for _, id := range []string{"a", "b"} {
			if own := proof.Draw(t, id); own != "" {
				p.Extensions = append(p.Extensions, platform.ExtensionProof{ID: id, Proof: own})
			}
		}
		return p
	})
	rules := func(p platform.Policy) extensions.Case {
		var c extensions.Case
		p.Rule(&c, time.Time{})
		return c
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := policy.Draw(t, "a"), policy.Draw(t, "b")
		ab := a.Stricter(b)
		if diff := cmp.Diff(rules(ab), rules(b.Stricter(a))); diff != "" {
			t.Fatalf("not symmetric: %s", diff)
		}
		if diff := cmp.Diff(rules(ab), rules(ab.Stricter(a))); diff != "" {
			t.Fatalf("not idempotent: %s", diff)
		}
	})
}

func TestRule(t *testing.T) {
	now, built := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		p    platform.Policy
		want extensions.Case
	}{
		{"nothing", platform.Policy{}, extensions.Case{Built: now, Proofs: map[string]extensions.Proof{}}},
		{"all", platform.Policy{RunSBOM: platform.Off, Proof: "effect", Extensions: proofs("a=plan"), MaxImageAge: "30d", Built: &built},
			extensions.Case{Off: true, Proof: "effect", Proofs: map[string]extensions.Proof{"a": "plan"}, MaxAge: 720 * time.Hour, Built: built}},
	} {
		var got extensions.Case
		tt.p.Rule(&got, now)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
	var c extensions.Case
	if platform.Policy.Rule(platform.Policy{MaxImageAge: "soon"}, &c, now); c.MaxAge <= 0 || c.MaxAge > time.Second {
		t.Errorf("an age that cannot be read lets images of %s pass", c.MaxAge)
	}
}

func TestParseAge(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "720h": 720 * time.Hour, "1h30m": 90 * time.Minute, "30d": 720 * time.Hour} {
		if got, err := platform.ParseAge(text); err != nil || got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"0h", "-1h", "30", "d", "-3d", "0d", "1.5d", "99999999d", "106752d", "never", "1d12h"} {
		if got, err := platform.ParseAge(text); err == nil || !strings.Contains(err.Error(), `use a duration such as "720h" or "30d"`) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

// TestSettingsOfExtensions reads [[extensions]], and writes them into resolution.toml.
func TestSettingsOfExtensions(t *testing.T) {
	s, err := platform.DecodeSettings([]byte("version = \"1.0\"\n[policy]\nmax-image-age = \"30d\"\n[[extensions]]\nid = \"acme/jre\"\nproof = \"plan\"\n"), "baseplan.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := platform.Policy{MaxImageAge: "30d", Extensions: proofs("acme/jre=plan")}
	if diff := cmp.Diff(want, s.Policy); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	built := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	want.Built = &built
	data, err := platform.Resolution{Policy: want}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"max-image-age = \"30d\"\nbuilt = 2026-01-01T00:00:00Z\n", "[[extensions]]\nid = \"acme/jre\"\nproof = \"plan\"\n"} {
		if !strings.Contains(string(data), part) {
			t.Errorf("%q is not in:\n%s", part, data)
		}
	}
	r, err := platform.DecodeResolution(data, "resolution.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r.Policy); diff != "" {
		t.Errorf("read again: -want +got:\n%s", diff)
	}
	for _, tt := range []struct{ in, want string }{
		{"[policy]\nmax-image-age = \"old\"", `[policy]: key "max-image-age": "old" is not an age; use a duration`},
		{"[policy]\nbuilt = 2026-01-01T00:00:00Z", `[policy]: key "built": the detector records the build time; remove the key`},
		{"[[extensions]]\nproof = \"plan\"", `[[extensions]], element 1: key "id"`},
		{"[[extensions]]\nid = \"a@1\"\nproof = \"plan\"", `[[extensions]] "a@1": key "id": remove the version`},
		{"[[extensions]]\nid = \"a\"", `[[extensions]] "a": key "proof": "" is not one of plan, installs, effect, strict`},
		{"[[extensions]]\nid = \"a\"\nproof = \"name\"", `[[extensions]] "a": key "proof": "name" is not one of plan, installs, effect, strict`},
		{"[[extensions]]\nid = \"a\"\nproof = \"plan\"\n[[extensions]]\nid = \"a\"\nproof = \"strict\"", `[[extensions]] has several entries for "a"`},
	} {
		if _, err := platform.DecodeSettings([]byte("version = \"1.0\"\n"+tt.in), "/cnb/baseplan.toml"); err == nil || !strings.HasPrefix(err.Error(), "reading /cnb/baseplan.toml: "+tt.want) {
			t.Errorf("%q: %v, want %q", tt.in, err, tt.want)
		}
	}
}

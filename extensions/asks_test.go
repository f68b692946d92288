package extensions

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/resolver"
)

// TestPlanProvesNoMoreThanNameAndVersion: what else a requirement says is between the buildpack and the extension.
func TestPlanProvesNoMoreThanNameAndVersion(t *testing.T) {
	for _, tt := range []struct {
		metadata map[string]any
		asks     []string
	}{
		{nil, nil},
		{map[string]any{"version": "1", "version-source": "BP_X", "launch": true, "build": false, "cache": true}, nil},
		{map[string]any{"launch": true, "packages": []any{"libgd3"}}, []string{"packages"}},
		{map[string]any{"launch": true, "packages": "libgd3 tree", "locale": "de_DE"}, []string{"locale", "packages"}},
		{map[string]any{"launch": true, "with": map[string]any{"gd": true}}, []string{"with"}},
	} {
		asks := resolver.Require{Metadata: tt.metadata}.Asks()
		d := parse(t, Run, "ARG base_image\nFROM ${base_image}\nUSER root\nRUN apt-get install -y libgd3\nARG user_id\nUSER ${user_id}\n")
		d.Extension = resolver.Module{Kind: resolver.Extension, ID: "acme/magick", Version: "1"}
		judged := Judge(Case{Dockerfiles: []*Dockerfile{d}, Run: known("run", "imagemagick"), Proof: ByPlan, Resolution: &resolver.Resolution{Requirements: []resolver.Requirement{{
			Name: "imagemagick", By: resolver.Module{ID: "acme/app"}, Providers: []resolver.Module{d.Extension}, Contexts: []resolver.Context{resolver.Launch}, Asks: asks,
		}}}})
		want := Satisfied
		if tt.asks != nil {
			want = Apply
		}
		if got := judged.Verdicts[0].Outcome; got != want {
			t.Errorf("%v: %s, want %s (%q)", tt.metadata, got, want, judged.Verdicts[0].Reasons)
		}
		if diff := cmp.Diff(tt.asks, asks); diff != "" {
			t.Errorf("%v: %s", tt.metadata, diff)
		}
	}
}

package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/fail"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]api.Version{
		"0.7": {Minor: 7}, "0.15": {Minor: 15}, "1": {Major: 1}, "1.0": {Major: 1}, "12.34": {Major: 12, Minor: 34},
	} {
		if got, err := api.Parse(in); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", "0.", ".7", "0.7.1", "v0.7", "0.7 ", " 0.7", "+0.7", "-1", "0.-7", "0.07", "00.7", "0,7", "0.4294967296", "٠.٧"} {
		if got, err := api.Parse(in); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0.7", "1", "0.15", "x", "0.7.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := api.Parse(s)
		if err != nil {
			return
		}
		if again, err := api.Parse(v.String()); err != nil || again != v {
			t.Errorf("Parse(%q) = %v, and Parse(%[2]q) = %v, %v", s, v, again, err)
		}
	})
}

func TestCompare(t *testing.T) {
	ascending := []string{"0.2", "0.9", "0.10", "0.11", "1.0", "1.1", "2"}
	for i, a := range ascending {
		for j, b := range ascending {
			v, w := parse(t, a), parse(t, b)
			if got, want := v.Compare(w), cmpInt(i, j); got != want {
				t.Errorf("%s.Compare(%s) = %d, want %d", a, b, got, want)
			}
		}
	}
	gen := rapid.Custom(func(t *rapid.T) api.Version {
		return api.Version{Major: rapid.UintMax(3).Draw(t, "major"), Minor: rapid.UintMax(20).Draw(t, "minor")}
	})
	rapid.Check(t, func(t *rapid.T) {
		v, w := gen.Draw(t, "v"), gen.Draw(t, "w")
		if v.Compare(w) != -w.Compare(v) || (v.Compare(w) == 0) != (v == w) {
			t.Fatalf("%v and %v: %d, %d", v, w, v.Compare(w), w.Compare(v))
		}
	})
}

func TestSupported(t *testing.T) {
	for _, tt := range []struct {
		api  api.API
		want string
	}{
		{api.Platform, "0.7 0.8 0.9 0.10 0.11 0.12 0.13 0.14 0.15"},
		{api.Buildpack, "0.7 0.8 0.9 0.10 0.11 0.12"},
	} {
		var got []string
		for _, v := range tt.api.Supported {
			got = append(got, v.String())
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.api.Name, diff)
		}
		if !slices.IsSortedFunc(tt.api.Supported, api.Version.Compare) {
			t.Errorf("%s: versions are not in ascending order", tt.api.Name)
		}
		for _, v := range tt.api.Deprecated {
			if !slices.Contains(tt.api.Supported, v) {
				t.Errorf("%s API %v is deprecated but not supported", tt.api.Name, v)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	old := api.API{Name: "Buildpack", Code: fail.BuildpackAPI,
		Supported: []api.Version{{Minor: 7}, {Minor: 8}}, Deprecated: []api.Version{{Minor: 7}}}
	const request = "acme/java requests deprecated Buildpack API 0.7"
	for _, tt := range []struct {
		name, version string
		mode          api.DeprecationMode
		warning, err  string
	}{
		{"supported", "0.8", api.Error, "", ""},
		{"deprecated", "0.7", api.Warn, request, ""},
		{"deprecated, no mode", "0.7", "", request, ""},
		{"deprecated, quiet", "0.7", api.Quiet, "", ""},
		{"deprecated, error", "0.7", api.Error, "", request + ", and CNB_DEPRECATION_MODE is error"},
		{"too new", "0.9", "", "", "version 0.9 is not supported: use one of 0.7, 0.8"},
		{"missing", "", "", "", "no version given: set one of 0.7, 0.8"},
		{"malformed", "x", "", "", `parsing API version "x": want MAJOR.MINOR, such as 0.12`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, warning, err := old.Check(tt.version, "acme/java", tt.mode)
			if warning != tt.warning {
				t.Errorf("warning %q, want %q", warning, tt.warning)
			}
			if tt.err == "" {
				if err != nil || v.String() != tt.version {
					t.Errorf("got %v, %v", v, err)
				}
				return
			}
			want := "checking the Buildpack API of acme/java: " + tt.err
			if err == nil || err.Error() != want || fail.CodeOf(err) != fail.BuildpackAPI {
				t.Errorf("got %v (code %d), want %q", err, fail.CodeOf(err), want)
			}
		})
	}
}

func TestFeatureIn(t *testing.T) {
	range8to10 := api.Feature{Since: parse(t, "0.8"), Until: parse(t, "0.10")}
	for version, want := range map[string]bool{"0.7": false, "0.8": true, "0.9": true, "0.10": false, "1.0": false} {
		if got := range8to10.In(parse(t, version)); got != want {
			t.Errorf("%s: %t, want %t", version, got, want)
		}
	}
	if !api.ProcessExecEnv.In(parse(t, "1.0")) || api.ProcessExecEnv.In(parse(t, "0.14")) {
		t.Error("a Feature without Until must hold for every version from Since on")
	}
}

func parse(t *testing.T, s string) api.Version {
	t.Helper()
	v, err := api.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func cmpInt(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

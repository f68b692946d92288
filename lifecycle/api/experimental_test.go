package api_test

import (
	"testing"

	"github.com/baseplan/baseplan/lifecycle/api"
)

// TestExperimentalMode: platform.md, "Experimental Features".
func TestExperimentalMode(t *testing.T) {
	for _, tt := range []struct {
		mode           api.ExperimentalMode
		warns, refuses bool
	}{
		{"", false, true}, {"error", false, true}, {"warn", true, false}, {"silent", false, false},
	} {
		warning, err := tt.mode.Allow("this")
		if (warning != "") != tt.warns || (err != nil) != tt.refuses {
			t.Errorf("%q: warning %q, error %v", tt.mode, warning, err)
		}
	}
}

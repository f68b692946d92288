package extensions

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/sbom"
)

// TestFindingsAreJoined names everything that has an effect, and calls all of them a package
// manager's work only if each one is.
func TestFindingsAreJoined(t *testing.T) {
	install := managerEffect("apt-get install: tree is not installed")
	install.lacks, install.adds = []string{"tree"}, []added{{sbom.Deb, "tree"}}
	enable := managerEffect("dnf module: enables a module")
	env := imageEffect("the image has no A")
	for _, tt := range []struct {
		name string
		in   []finding
		want finding
	}{
		{"none", []finding{noEffect("a"), noEffect(""), noEffect("a"), noEffect("b")}, finding{reason: "a; b"}},
		{"install", []finding{noEffect("a"), install}, install},
		{"two managers", []finding{install, enable}, finding{effect: true, managed: true, adds: install.adds,
			reason: "apt-get install: tree is not installed; dnf module: enables a module"}},
		{"manager and more", []finding{install, effect("cp is not understood"), noEffect("a")}, finding{effect: true, adds: install.adds,
			reason: "apt-get install: tree is not installed; cp is not understood"}},
		{"manager and image", []finding{install, env}, finding{effect: true, depends: true, adds: install.adds,
			reason: "apt-get install: tree is not installed; the image has no A"}},
		{"image and more", []finding{env, effect("cp is not understood")}, finding{effect: true,
			reason: "the image has no A; cp is not understood"}},
	} {
		if diff := cmp.Diff(tt.want, join(tt.in...), cmp.AllowUnexported(finding{}, added{})); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

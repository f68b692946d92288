package extensions

import (
	"testing"

	"github.com/baseplan/baseplan/sbom"
)

// A command that prints its version and writes something besides has an effect:
// from Go 1.23 on, go version begins counters below /root/.config/go/telemetry.
func TestPrintingAVersionMayHaveAnEffect(t *testing.T) {
	base := bases(t)["debian"]
	base.Set = set(append(debian(t), sbom.Package{
		Type: sbom.Deb, Name: "golang-1.24-go", Version: "1.24.4-1", Arch: "amd64", Known: sbom.Files, Files: []string{"/usr/bin/go"},
	})...)
	v := Check(onBase(t, "USER root", "RUN go version", reset), base, nil, ByEffect)
	if v.Outcome != Apply {
		t.Errorf("the verdict is %s: %v", v.Outcome, v.Reasons)
	}
	if v := Check(onBase(t, "USER root", "RUN command -v go", reset), base, nil, ByEffect); v.Outcome != NoEffect {
		t.Errorf("the image has no go: %v", v.Reasons)
	}
}

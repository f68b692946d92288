package attach

import (
	"testing"

	"github.com/baseplan/baseplan/sbom"
)

func TestDisagreements(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	for f, data := range fixtures(t) {
		w.refer(w.subjectDesc(false), f.MediaType(), f.MediaType(), data, nil)
	}
	r := must(new(Finder).FindAll(shortCtx(t), w.subject()))(t)
	all := r.Disagreements()
	if len(all) != 2 { // the Syft document is of Alpine, the other two of CentOS
		t.Fatalf("%d disagreements, want 2", len(all))
	}
	for _, d := range all {
		if d.A.Document.Format != sbom.Syft || len(d.OnlyA) == 0 || len(d.OnlyB) == 0 {
			t.Errorf("%s against %s: %v, %v", d.A.Document.Format, d.B.Document.Format, d.OnlyA, d.OnlyB)
		}
	}
	a := &sbom.Document{Packages: []sbom.Package{{Type: sbom.RPM, Name: "bash", Version: "0:4.2-1"}, {Type: "npm", Name: "left-pad"}}}
	b := &sbom.Document{Packages: []sbom.Package{{Type: sbom.RPM, Name: "bash", Version: "4.2-1"}}}
	if x, y := Differ(a, b); len(x)+len(y) > 0 {
		t.Errorf("got %v, %v: an epoch of 0 is none, and npm is no operating system's", x, y)
	}
}

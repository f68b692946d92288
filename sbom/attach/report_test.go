package attach

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/sbom"
)

func TestReport(t *testing.T) {
	created := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	want := Report{
		Version: sbom.FileVersion, Image: "registry.example/run:noble", Digest: "sha256:01",
		SBOM:     &Source{Carrier: Referrer, Format: sbom.CycloneDX, Reference: "registry.example/run@sha256:02", Packages: 132, Signature: Signature{SignedBy: "SHA256:abc"}, Created: &created},
		Searched: []Searched{{Layer, Stale, "sha256:03", "layer sha256:03 is followed by 2 others"}, {Referrer, Found, "", ""}},
	}
	data := must(want.Encode())(t)
	golden := `version = "1.0"
image = "registry.example/run:noble"
digest = "sha256:01"

[sbom]
carrier = "referrer"
format = "cyclonedx"
reference = "registry.example/run@sha256:02"
packages = 132
signed-by = "SHA256:abc"
created = 2026-11-01T00:00:00Z

[[searched]]
carrier = "layer"
result = "stale"
digest = "sha256:03"
detail = "layer sha256:03 is followed by 2 others"

[[searched]]
carrier = "referrer"
result = "found"
`
	if diff := cmp.Diff(golden, string(data)); diff != "" {
		t.Errorf("encoded (-want +got):\n%s", diff)
	}
	got := must(DecodeReport(data, "run-image.toml"))(t)
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeReport(t *testing.T) {
	for text, want := range map[string]string{
		"version = \"1.7\"\nnew = true\n[sbom]\nnew = 1\n": "",
		"version = \"2.0\"\n":                              "not supported",
		"image = \"x\"\n":                                  "missing: want",
		"version = \"1.0\n":                                "run-image.toml, line 1",
		"version = \"latest\"":                             "is not a version",
		"version = 1\n":                                    "run-image.toml",
		"version = \"1.0\"\nsearched = 3\n":                "run-image.toml",
	} {
		_, err := DecodeReport([]byte(text), "run-image.toml")
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestResultReport(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	r := must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	if report := r.Report("run:1", w.digest.String()); report.SBOM != nil || len(report.Searched) != len(r.Searched) {
		t.Errorf("got %+v", report)
	}
	if err := r.Missing("run:1"); !errors.Is(err, ErrNoSBOM) {
		t.Errorf("got %v", err)
	}
	w.refer(w.subjectDesc(false), sbom.CycloneDX.MediaType(), sbom.CycloneDX.MediaType(), fixtures(t)[sbom.CycloneDX], nil)
	r = must(new(Finder).Find(shortCtx(t), w.subject()))(t)
	report := r.Report("run:1", w.digest.String())
	if report.SBOM == nil || report.SBOM.Carrier != Referrer || report.SBOM.Format != sbom.CycloneDX || report.SBOM.Packages == 0 || r.Missing("run:1") != nil {
		t.Errorf("got %+v", report.SBOM)
	}
	must(DecodeReport(must(report.Encode())(t), "run-image.toml"))(t)
}

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

package base_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
)

// TestAnalyzed checks what a detector believes of what the analyzer left, that it says why not, and that it leaves
// the report as it is.
func TestAnalyzed(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	declaration := `{"version":"1.0","provides":[{"name":"libcurl","evidence":["pkg:deb/debian/curl"]}]}`
	for _, tt := range []struct {
		name      string
		change    func(*base.Analyzed)
		why, log  string
		set, libs bool
	}{
		{name: "whole", change: func(*base.Analyzed) {}, set: true, libs: true},
		{name: "no run image", change: func(a *base.Analyzed) { a.RunImage = nil }, why: "recorded no run image"},
		{name: "off", change: func(a *base.Analyzed) { a.Policy.RunSBOM = platform.Off }},
		{name: "unreadable report", change: func(a *base.Analyzed) { a.Report, a.Err = nil, errors.New("line 1") }, why: "cannot be read", log: "ignoring run-image.toml: line 1"},
		{name: "not pulled yet", change: func(a *base.Analyzed) { a.Report, a.RunImage.Reference = nil, "r.example/run:1" }, why: base.NotInDaemon},
		{name: "another lifecycle's analyzer", change: func(a *base.Analyzed) { a.Report = nil }, why: "another lifecycle's"},
		{name: "another image", change: func(a *base.Analyzed) { a.Report.Digest = strings.Replace(digest, "0", "1", 1) }, why: "describes another image"},
		{name: "a report without a digest", change: func(a *base.Analyzed) { a.Report.Digest, a.RunImage.Reference = "", "r.example/run:1" }, why: "describes another image"},
		{name: "no SBOM", change: func(a *base.Analyzed) { a.Report.SBOM = nil }, why: "neither found"},
		{name: "unsigned SBOM", change: restrict, why: "not trusted", log: "ignoring the run image's SBOM (referrer)"},
		{name: "unsigned declaration", change: func(a *base.Analyzed) {
			restrict(a)
			a.Report.SBOM.Carrier = attach.Generated
		}, set: true, log: "ignoring the run image's declaration (r.example/run@sha256:2)"},
		{name: "lost SBOM", change: func(a *base.Analyzed) {
			a.SBOM = func(sbom.Format) (*sbom.Document, error) { return nil, errors.New("no such file") }
		}, why: "copy of its SBOM", log: "ignoring the run image's SBOM: no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			a := base.Analyzed{
				RunImage: &platform.RunImage{Reference: "r.example/run@" + digest, Image: "r.example/run:1"},
				Report: &platform.RunImageReport{
					Digest: digest, SBOM: &platform.SBOMSource{Carrier: attach.Referrer, Format: sbom.Syft},
					Declaration: &platform.Declared{Reference: "r.example/run@sha256:2", Data: declaration},
				},
				SBOM: func(sbom.Format) (*sbom.Document, error) {
					return &sbom.Document{Packages: []sbom.Package{{Name: "curl", Version: "8", Type: "deb", PURL: "pkg:deb/debian/curl@8"}}}, nil
				},
				Log: slog.New(slog.NewTextHandler(&log, nil)),
			}
			tt.change(&a)
			var before platform.RunImageReport
			if a.Report != nil {
				before = *a.Report
			}
			run := a.Image()
			if (run.Set != nil) != tt.set || run.Set.Answer("libcurl", "").Met != tt.libs {
				t.Errorf("inventory %t, declared name %+v", run.Set != nil, run.Set.Answer("libcurl", ""))
			}
			if !strings.Contains(run.Why, tt.why) || (run.Why == "") != (tt.why == "") {
				t.Errorf("the reason is %q, want %q", run.Why, tt.why)
			}
			if !strings.Contains(log.String(), tt.log) || (log.Len() == 0) != (tt.log == "") {
				t.Errorf("logged %q, want %q", log.String(), tt.log)
			}
			if a.Report != nil {
				if diff := cmp.Diff(before, *a.Report); diff != "" {
					t.Errorf("the report was changed: %s", diff)
				}
			}
		})
	}
}

// restrict trusts signers only.
func restrict(a *base.Analyzed) {
	a.Trust.Identities = []attach.Identity{{Issuer: "https://issuer.example", Subject: "me"}}
}

package extensions

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/sbom"
)

// Dockerfiles from the field, each on an image that has everything that it
// installs: what keeps it from being left out, if anything.
func TestRealDockerfiles(t *testing.T) {
	all := bases(t)
	full := all["alpine"]
	for _, name := range []string{"vim", "cowsay", "curl", "bash", "ca-certificates"} {
		p := sbom.Package{Type: sbom.APK, Name: name, Version: "1-r0", Known: sbom.Virtual, Provides: []sbom.VirtualPackage{{Name: "cmd:" + name}}}
		full.Set = set(append(full.Set.Document().Packages, p)...)
	}
	all["alpine with everything"] = full
	paketo := all["ubi"]
	own := *paketo.Config
	own.User = "1002:1000"
	paketo.Config = &own
	for _, name := range []string{"openssl-devel", "java-17-openjdk-devel", "nss_wrapper"} {
		paketo.Set = set(append(paketo.Set.Document().Packages, sbom.Package{Type: sbom.RPM, Name: name, Version: "1-1.el9", Known: sbom.Virtual})...)
	}
	all["ubi with everything"] = paketo

	for name, want := range map[string]struct {
		on      string
		outcome Outcome
		lines   []int // with an effect
	}{
		"samples-vim.build":     {"alpine with everything", NoEffect, nil},
		"samples-cowsay.run":    {"alpine with everything", NoEffect, nil},
		"samples-curl.run":      {"debian", Switch, nil},
		"ubi-nodejs-old.build":  {"ubi with everything", Apply, []int{9}}, // a module stream is enabled
		"ubi-nodejs.build":      {"ubi with everything", NoEffect, nil},   // the user is the builder's own
		"ubi-nodejs-old.run":    {"ubi", Switch, nil},
		"ubi-java.build":        {"ubi with everything", Apply, []int{8}}, // writes a file
		"ubi-java.run":          {"ubi", Switch, nil},
		"acceptance-tree.build": {"debian", Apply, []int{4, 6, 8}}, // ends as root, copies, sets a variable
		"acceptance-tree.run":   {"debian", NoEffect, nil},
		"acceptance-curl.build": {"debian", Apply, []int{4}},     // ends as root
		"acceptance-curl.run":   {"debian", Apply, []int{6, 10}}, // copies, writes a file (which is not kept, but who knows)
		"rfc-0105.run":          {"debian", NoEffect, nil},
		"rfc-0105-sh.run":       {"debian", Apply, []int{4}}, // a script from the network
		"rfcs-301.run":          {"debian", Apply, []int{4, 5, 6}},
		"pack-new.build":        {"debian", NoEffect, nil},
		"pack-new.run":          {"debian", NoEffect, nil},
		"poc-cert.run":          {"debian", Apply, []int{4, 6, 7, 8}},           // ends as root, makes a certificate
		"poc-curl.run":          {"debian", Apply, []int{4, 6}},                 // ends as root, writes a file
		"pack-2164.run":         {"alpine with everything", Apply, []int{2, 5}}, // on the image it switches to
		"reference-runapt.run":  {"debian", NoEffect, nil},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join("testdata", "real", name+".Dockerfile"))
			if err != nil {
				t.Fatal(err)
			}
			image := ImageKind(strings.TrimPrefix(filepath.Ext(name), "."))
			base, none := all[want.on], Base{Reference: "run"}
			d := parse(t, image, string(content))
			v := Check(d, base, func(string) *Base { return &base }, ByPlan)
			if v.Outcome != want.outcome {
				t.Errorf("want %s, got %s: %v", want.outcome, v.Outcome, v.Reasons)
			}
			if diff := cmp.Diff(want.lines, effects(v)); diff != "" {
				t.Errorf("lines with an effect (-want +got):\n%s%v", diff, v.Instructions)
			}
			installs := strings.Contains(string(content), "install") || strings.Contains(string(content), "apk")
			if v := Check(d, none, nil, ByPlan); installs && v.Outcome != Pending {
				t.Errorf("without an inventory: want pending, got %s", v.Outcome)
			}
		})
	}
}

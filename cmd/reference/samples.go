package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
)

// settingsSample is an example of an operator's file.
const settingsSample = `version = "1.0"

[policy]
run-sbom = "auto"
proof = "plan"
keys = ["/cnb/keys/publisher.pub"]
select = "auto"
catalog = "registry.example/run-images"
extend-in-creator = "never"

[[provides]]
name = "jre"
packages = ["pkg:deb/*/openjdk-{version}-jre-headless"]
prefer = true

[[provides]]
name = "node"
packages = []
`

// declarationSample is an example of a publisher's file.
const declarationSample = `{"version": "1.0", "provides": [
  {"name": "posix-shell", "evidence": ["pkg:deb/debian/dash", "file:/bin/sh"]},
  {"name": "jre", "version": "17.0.12", "evidence": ["pkg:deb/debian/openjdk-17-jre-headless"]}]}
`

// promiseSample is an example of a publisher's file.
const promiseSample = `version = "1.0"

[[provides]]
name = "curl"

[[provides]]
name = "jre"
constraint = ">= 17"
`

// checkSamples decodes the handwritten samples as the phases do.
func checkSamples() error {
	if _, err := platform.DecodeSettings([]byte(settingsSample), "the sample of baseplan.toml"); err != nil {
		return err
	}
	if _, err := platform.DecodePromise([]byte(promiseSample), "the sample of names.toml"); err != nil {
		return err
	}
	_, err := provides.DecodeDeclarationFile([]byte(declarationSample), "the sample of a declaration")
	return err
}

// resolved returns the samples of resolution.toml and run-image.provides.toml, from the demo.
func resolved(root string) (resolution, names string, err error) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	image := registry.Push("run:curl", lifecycletest.Debian("curl"))
	demo := filepath.Join(root, "testdata", "demo")
	run := func(args ...string) (string, error) {
		var out, errs bytes.Buffer
		if code := cli.Run(context.Background(), append(args, "--output", "toml"), &cli.Console{Out: &out, Err: &errs}); code != cli.Enough {
			return "", fmt.Errorf("running baseplan %s: exit code %d: %s", args[0], code, &errs)
		}
		return strings.ReplaceAll(out.String(), registry.Name, "registry.example"), nil
	}
	resolution, err = run(
		"resolve", "--run-image", image, "--order", filepath.Join(demo, "order.toml"),
		"--plans", filepath.Join(demo, "plans"), "--generated", filepath.Join(demo, "generated"))
	if err != nil {
		return "", "", err
	}
	if names, err = run("provides", image); err != nil {
		return "", "", err
	}
	tables := strings.SplitAfter(names, "[[provides]]")
	for _, table := range tables[1:] {
		if strings.HasPrefix(table, "\nname = \"curl\"") {
			return resolution, tables[0] + strings.TrimSuffix(table, "\n[[provides]]"), nil
		}
	}
	return "", "", fmt.Errorf("%s does not provide curl", image)
}

// digestSample is not the digest of any image.
const digestSample = "sha256:6c0e5a1f4b0b2c3d"

func reportSample() (string, error) {
	created := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	data, err := platform.RunImageReport{
		Image: "registry.example/run:curl", Digest: digestSample,
		SBOM: &platform.SBOMSource{
			Carrier: attach.Referrer, Format: sbom.CycloneDX, Reference: "registry.example/run@sha256:91e3d6b2", Packages: 105,
			Signature: attach.Signature{SignedBy: "SHA256:Jx6iT0"}, Created: &created,
		},
		Searched:    []platform.Searched{{Carrier: attach.Referrer, Result: attach.Found, Digest: "sha256:91e3d6b2"}},
		Declaration: &platform.Declared{Reference: "label " + attach.ProvidesLabel, Data: `{"version": "1.0", "provides": []}`},
		Config:      &extensions.Config{User: "1000:1000", WorkingDir: "/workspace", Env: []string{"PATH=/usr/bin:/bin"}},
	}.Encode()
	return string(data), err
}

func catalogSample() (string, error) {
	entry := func(tag, digest, version string) catalog.Entry {
		return catalog.Entry{
			Image: catalog.Image{
				Name: "registry.example/run:" + tag, Digest: "sha256:" + strings.Repeat(digest, 64), OS: "linux", Arch: "amd64", Distro: "debian", Release: "12", Size: 48_000_000, Packages: 105,
			},
			Part: provides.Part{Architecture: "amd64", Packages: []sbom.Package{
				{Type: sbom.Deb, Name: "curl", Version: version, Arch: "amd64", PURL: "pkg:deb/debian/curl@" + version + "?arch=amd64", Files: []string{"/usr/bin/curl"}},
				{Type: sbom.Deb, Name: "mawk", Version: "1.3.4", Arch: "amd64", PURL: "pkg:deb/debian/mawk@1.3.4?arch=amd64", Provides: []sbom.VirtualPackage{{Name: "awk"}}, Files: []string{"/usr/bin/mawk"}},
			}},
		}
	}
	data, err := catalog.Encode([]catalog.Entry{entry("1", "a", "7.88.1-10"), entry("2", "b", "7.88.1-12")})
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = json.Indent(&b, data, "", "  ")
	return b.String(), err
}

// metricsSample returns the metrics of a detector with this resolution.toml.
func metricsSample(resolution string) (string, error) {
	r, err := platform.DecodeResolution([]byte(resolution), "the sample of resolution.toml")
	if err != nil {
		return "", err
	}
	p := platform.PhaseMetrics{Phase: platform.Detect.String(), Seconds: 0.125}
	p.Resolved(r)
	data, err := platform.Metrics{Version: "1.0.0", Phases: []platform.PhaseMetrics{p}}.EncodeAs("metrics.jsonl")
	return string(data), err
}

func labelSample() (string, error) {
	return platform.EncodeLabel(platform.Requirements{Version: sbom.FileVersion, Requirements: []platform.RunImageRequirement{
		{Name: "curl", Constraint: ">= 7", Rule: string(provides.Deb), Evidence: []string{"pkg:deb/debian/curl"}, RequiredBy: "acme/app"},
		{Name: "libgd3", Evidence: []string{"pkg:deb/debian/libgd3"}, ProvedByEffect: "acme/php-gd"},
	}})
}

// explainedSample returns the label for a build with this resolution.toml.
func explainedSample(resolution string) (string, error) {
	r, err := platform.DecodeResolution([]byte(resolution), "the sample of resolution.toml")
	if err != nil {
		return "", err
	}
	return r.Explanation(platform.Group{
		Buildpacks: []platform.Module{{ID: "acme/app", Version: "1.2.3"}}, Extensions: []platform.Module{{ID: "acme/curl", Version: "0.1.0"}},
	}).Encode()
}

func writtenSample() (string, error) {
	data, err := (&platform.Report{
		Image:    platform.ReportImage{Tags: []string{"registry.example/app:1"}, Digest: digestSample, ManifestSize: 1234},
		RunImage: &platform.ReportRunImage{Inventory: string(attach.Referrer), SkippedExtensions: []string{"acme/curl"}},
	}).Encode()
	return string(data), err
}

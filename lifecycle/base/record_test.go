package base_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
	_ "github.com/baseplan/baseplan/testdata/seed"
)

// TestResolutionIsTheFormat writes what docs/reference/files.md shows, reads it again, and
// writes the same bytes.
func TestResolutionIsTheFormat(t *testing.T) {
	app := resolver.Module{Kind: resolver.Buildpack, ID: "acme/app", Version: "1.2.3"}
	curl := resolver.Module{Kind: resolver.Extension, ID: "acme/curl", Version: "0.1.0"}
	j := base.Judgement{Resolution: &resolver.Resolution{Requirements: []resolver.Requirement{{
		Name: "curl", By: app, Version: ">= 7", Contexts: []resolver.Context{resolver.Launch}, Providers: []resolver.Module{curl},
		Run: provides.Answer{Met: true, By: []provides.Provide{{Rule: provides.Deb, Evidence: []provides.Evidence{{Pattern: "pkg:deb/debian/curl"}}}}},
	}}}, GroupVerdict: extensions.GroupVerdict{RunImage: "registry.example/run:noble", Verdicts: []extensions.Verdict{{
		Dockerfile: &extensions.Dockerfile{Extension: curl, Image: extensions.Run, Path: "generated/acme_curl/run.Dockerfile"},
		Outcome:    extensions.NoEffect, Reasons: []string{"no instruction would change the image"},
		Instructions: []extensions.Instruction{{Line: 4, Reason: "apt-get install: curl is installed"}},
	}}},
		Policy:  platform.Policy{RunSBOM: platform.Auto, Proof: extensions.ByPlan},
		Run:     base.Image{Reference: reference.Parse("registry.example/run:noble"), Digest: "sha256:0123", Carrier: attach.Referrer},
		Mapping: []provides.Mapping{{Name: "jre", Packages: []string{"pkg:deb/*/openjdk-*-jre-headless"}}},
	}
	r := j.Record()
	want := `version = "1.0"

[policy]
run-sbom = "auto"
proof = "plan"

[run-image]
image = "registry.example/run:noble"
digest = "sha256:0123"
inventory = "referrer"

[[requirements]]
name = "curl"
required-by = "acme/app@1.2.3"
version = ">= 7"
contexts = ["launch"]
met-by = ["run-image", "acme/curl@0.1.0"]
rule = "deb"
evidence = ["pkg:deb/debian/curl"]
[requirements.by]
kind = "buildpack"
id = "acme/app"
version = "1.2.3"

[[requirements.providers]]
kind = "extension"
id = "acme/curl"
version = "0.1.0"

[[verdicts]]
extension = "acme/curl"
image = "run"
dockerfile = "generated/acme_curl/run.Dockerfile"
verdict = "no-effect"
reasons = ["no instruction would change the image"]

[[verdicts.instructions]]
line = 4
effect = false
reason = "apt-get install: curl is installed"

[[mapping]]
name = "jre"
packages = ["pkg:deb/*/openjdk-*-jre-headless"]

[result]
run-image = "registry.example/run:noble"
extend-run = false
extend-build = false
`
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	again, err := platform.DecodeResolution(append(data, "\n[future]\nkey = 1\n"...), "resolution.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&r, again); diff != "" {
		t.Errorf("read again: -want +got:\n%s", diff)
	}
}

// names are what requirements ask for, packages what images may hold.
var names = []string{"curl", "tree", "jre", "run-image", "tls-runtime"}

// setOf returns what an image provides that holds some packages.
func setOf(packages ...string) *provides.Set {
	doc := &sbom.Document{Distro: sbom.Distro{ID: "debian", Version: "12"}}
	for _, name := range packages {
		doc.Packages = append(doc.Packages, sbom.Package{Type: sbom.Deb, Name: name, Version: "8.0-1", PURL: "pkg:deb/debian/" + name + "@8.0-1", Known: sbom.Presence})
	}
	set, _ := provides.From(doc, nil, nil)
	return set
}

func drawSet(t *rapid.T) *provides.Set {
	if rapid.Bool().Draw(t, "unknown") {
		return nil
	}
	return setOf(rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 3, rapid.ID).Draw(t, "packages")...)
}

// drawModule draws modules whose texts collide: of either kind, with the same id and version, or named as an image.
func drawModule(t *rapid.T) resolver.Module {
	return resolver.Module{
		Kind:    rapid.SampledFrom([]resolver.Kind{resolver.Buildpack, resolver.Extension}).Draw(t, "kind"),
		ID:      rapid.SampledFrom([]string{"acme/app", "acme/curl", "run-image", "a@b"}).Draw(t, "id"),
		Version: rapid.SampledFrom([]string{"", "1", "1@2"}).Draw(t, "version"),
	}
}

func drawRequirement(t *rapid.T) resolver.Requirement {
	req := resolver.Requirement{
		Name: rapid.SampledFrom(names).Draw(t, "name"), By: drawModule(t),
		Version:   rapid.SampledFrom([]string{"", ">= 7", ">= 9"}).Draw(t, "constraint"),
		Contexts:  rapid.SampledFrom([][]resolver.Context{nil, {resolver.Build}, {resolver.Launch}, {resolver.Build, resolver.Launch}}).Draw(t, "contexts"),
		Asks:      rapid.SampledFrom([][]string{nil, {"packages"}}).Draw(t, "asks"),
		Providers: rapid.SliceOfNDistinct(rapid.Custom(drawModule), 0, 3, rapid.ID).Draw(t, "providers"),
	}
	if len(req.Providers) == 0 {
		req.Providers = nil
	}
	return req
}

// drawQuestion draws a question whose Dockerfiles install, switch, or do more.
func drawQuestion(t *rapid.T) base.Question {
	reqs := rapid.SliceOfN(rapid.Custom(drawRequirement), 0, 4).Draw(t, "requirements")
	q := base.Question{
		Resolution: &resolver.Resolution{Requirements: reqs},
		Run:        base.Image{Reference: reference.Parse("registry.example/run:1"), Digest: "sha256:01", Set: drawSet(t)},
		Build:      base.Image{Set: drawSet(t)},
		Policy:     platform.Policy{Proof: rapid.SampledFrom(append(extensions.Proofs(), "")).Draw(t, "proof")},
	}
	if q.Run.Set != nil {
		q.Run.Carrier = attach.Referrer
	}
	other := drawSet(t)
	q.Lookup = func(_ context.Context, name reference.Reference) (base.Image, error) {
		return base.Image{Reference: name, Set: other}, nil
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "dockerfiles") {
		m := resolver.Module{Kind: resolver.Extension, ID: rapid.SampledFrom([]string{"acme/app", "acme/curl", "run-image"}).Draw(t, "extension"), Version: "1"}
		kind := rapid.SampledFrom([]extensions.ImageKind{extensions.Run, extensions.Build}).Draw(t, "image")
		text := rapid.SampledFrom([]string{
			"ARG base_image\nFROM ${base_image}\nUSER root\nRUN apt-get install -y curl\nARG user_id\nUSER ${user_id}\n",
			"ARG base_image\nFROM ${base_image}\nUSER root\nRUN apt-get install -y tree && echo x > /etc/x\nARG user_id\nUSER ${user_id}\n",
			"FROM registry.example/run:2\n",
		}).Draw(t, "text")
		if kind == extensions.Build {
			text = strings.ReplaceAll(text, "FROM registry.example/run:2", "ARG base_image\nFROM ${base_image}")
		}
		d, err := extensions.Parse(fmt.Sprintf("generated/%d/%s.Dockerfile", i, kind), []byte(text), kind)
		if err != nil {
			t.Fatal(err)
		}
		d.Extension = m
		q.Dockerfiles = append(q.Dockerfiles, d)
	}
	return q
}

func judge(t *rapid.T, q base.Question) *base.Judgement {
	j, err := base.Judge(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestRecordRoundTrip: what another process reads of a judgement says the same as the judgement itself, is written as
// the same bytes, rechecks every image alike, and proves no Dockerfile more.
func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuestion(t)
		j := judge(t, q)
		data, err := j.Record().Encode()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := platform.DecodeResolution(data, "resolution.toml")
		if err != nil {
			t.Fatal(err)
		}
		read := base.FromRecord(decoded)
		again, err := read.Record().Encode()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(data), string(again)); diff != "" {
			t.Errorf("written again: -want +got:\n%s", diff)
		}
		if j.Promised() != read.Promised() || j.Open() != read.Open() {
			t.Errorf("promised %t and %t, open %t and %t", j.Promised(), read.Promised(), j.Open(), read.Open())
		}
		for _, final := range []base.Image{{Reference: reference.Parse("final")}, {Reference: reference.Parse("final"), Set: drawSet(t)}, {Reference: reference.Parse("final"), Set: drawSet(t), Extended: true}} {
			if want, got := fmt.Sprint(j.Recheck(final)), fmt.Sprint(read.Recheck(final)); want != got {
				t.Errorf("rechecked:\n%s\nread again:\n%s", want, got)
			}
		}
		q.Resolution = read.Resolution
		if diff := cmp.Diff(j.Record(), judge(t, q).Record()); diff != "" {
			t.Errorf("judged by the record: -want +got:\n%s", diff)
		}
	})
}

// TestJudgeKeepsItsInputs: a question can be asked twice, and has the same answer.
func TestJudgeKeepsItsInputs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuestion(t)
		before := fmt.Sprintf("%+v", *q.Resolution)
		first := judge(t, q).Record()
		if after := fmt.Sprintf("%+v", *q.Resolution); after != before {
			t.Errorf("the resolution was\n%s\nand is\n%s", before, after)
		}
		if diff := cmp.Diff(first, judge(t, q).Record()); diff != "" {
			t.Errorf("asked again: -want +got:\n%s", diff)
		}
	})
}

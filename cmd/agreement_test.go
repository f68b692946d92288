package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/scan"
	_ "github.com/baseplan/baseplan/testdata/seed"
)

// A trial is one build whose base images are asked about in four ways.
type trial struct {
	Run      string      // repository and tag of the run image
	Build    string      // of the build image
	Requires []string    // names, at launch
	Exts     []extension // at most one for each name
	RunSBOM  platform.RunSBOM
	Proof    extensions.Proof
	Always   []string // names whose extension has to be applied always
	AtBuild  bool     // the names are required at build, too
}

// An extension generates a Dockerfile for the run image, and one for the build image if Build is not empty.
type extension struct{ Provides, Dockerfile, Build string }

// files returns the extension's Dockerfiles by name.
func (e extension) files(host string) map[string]string {
	pkg := map[string]string{"courier": "curl"}[e.Provides]
	if pkg == "" {
		pkg = e.Provides
	}
	files := map[string]string{}
	for name, text := range map[string]string{"run.Dockerfile": e.Dockerfile, "build.Dockerfile": e.Build} {
		if text != "" {
			files[name] = strings.NewReplacer("NAME", pkg, "HOST", host).Replace(text)
		}
	}
	return files
}

const (
	installs  = "ARG base_image\nFROM ${base_image}\nUSER root\nRUN apt-get update && apt-get install -y NAME\nARG user_id\nUSER ${user_id}\n"
	more      = "ARG base_image\nFROM ${base_image}\nUSER root\nRUN apt-get install -y NAME && echo x > /etc/x\nARG user_id\nUSER ${user_id}\n"
	switches  = "FROM HOST/run:curl\n"
	away      = "FROM HOST/run:plain\n"
	described = "FROM HOST/run:described\n"
	both      = "FROM HOST/run:tools\nUSER root\nRUN apt-get install -y NAME\nARG user_id\nUSER ${user_id}\n"
)

func drawTrial(t *rapid.T) trial {
	names := []string{"curl", "tree", "courier"}
	x := trial{
		Run:      rapid.SampledFrom([]string{"run:plain", "run:curl", "run:tools", "run:tools", "run:attached", "run:attached", "run:declares", "run:declares"}).Draw(t, "run"),
		Build:    rapid.SampledFrom([]string{"build:plain", "build:tools"}).Draw(t, "build"),
		Requires: rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 2, rapid.ID).Draw(t, "requires"),
		RunSBOM:  rapid.SampledFrom([]platform.RunSBOM{platform.Auto, platform.Generate, platform.Generate, platform.Attached, platform.Off}).Draw(t, "run-sbom"),
		Proof:    rapid.SampledFrom(extensions.Proofs()).Draw(t, "proof"),
	}
	x.AtBuild = rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "at build")
	x.Always = rapid.SampledFrom([][]string{nil, nil, {"curl"}, names[:2]}).Draw(t, "always")
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 2, rapid.ID).Draw(t, "extensions") {
		x.Exts = append(x.Exts, extension{name, rapid.SampledFrom([]string{installs, installs, more, switches, away, both}).Draw(t, "dockerfile"), rapid.SampledFrom([]string{"", installs, more}).Draw(t, "build dockerfile")})
	}
	return x
}

// An answer is what one way says of a trial.
type answer struct {
	Failed   bool              // no group was detected, or the policy wants an SBOM that is not there
	Verdicts map[string]string // by Dockerfile
	RunImage string
	Extend   bool
	Broken   bool // what was counted on is missing after a switch
}

// TestAllWaysGiveTheSameVerdicts: the creator, the five phases, baseplan resolve and baseplan prune say the same of the same
// group, Dockerfiles, inventories and policy, each with what it can reach.
func TestAllWaysGiveTheSameVerdicts(t *testing.T) {
	host := lifecycletest.Registry()
	t.Cleanup(host.Close)
	tools := lifecycletest.Debian("curl", "tree")
	for name, img := range map[string]v1.Image{
		"run:plain": lifecycletest.Debian(), "run:curl": lifecycletest.Debian("curl"), "run:tools": tools,
		"run:attached": lifecycletest.Labelled(tools, map[string]string{"attached": "yes"}), "run:described": lifecycletest.Labelled(tools, map[string]string{"attached": "too"}),
		"run:declares": lifecycletest.Labelled(tools, map[string]string{attach.ProvidesLabel: `{"version": "1.0", "provides": [{"name": "courier", "evidence": ["pkg:deb/debian/curl"]}]}`}),
		"build:plain":  lifecycletest.Labelled(lifecycletest.Debian(), map[string]string{"build": "yes"}), "build:tools": lifecycletest.Labelled(tools, map[string]string{"build": "yes"}),
	} {
		host.Push(name, img)
	}
	for _, name := range []string{"run:attached", "run:described", "run:declares", "build:plain", "build:tools"} {
		runCLI(t, cli.Enough, "sbom", "attach", host.Name+"/"+name)
	}
	scans := t.TempDir()
	seen := map[string]int{}
	trials := []trial{
		{"run:attached", "build:plain", []string{"curl", "tree"}, []extension{{"curl", away, ""}}, platform.Auto, extensions.ByEffect, nil, false},
		{"run:tools", "build:tools", []string{"curl", "tree"}, []extension{{"curl", switches, ""}}, platform.Generate, extensions.Strict, nil, false},
		{"run:tools", "build:tools", []string{"curl"}, []extension{{"curl", both, ""}}, platform.Generate, extensions.Installs, nil, false},                                                 // from the image that it is
		{"run:attached", "build:plain", []string{"curl"}, []extension{{"curl", both, ""}}, platform.Attached, extensions.ByEffect, nil, false},                                              // to one that lacks an SBOM
		{"run:attached", "build:plain", []string{"curl", "tree", "libcurl4"}, []extension{{"curl", away, ""}, {"tree", described, ""}}, platform.Attached, extensions.ByEffect, nil, false}, // by way of one that lacks it
		{"run:tools", "build:tools", []string{"tree"}, []extension{{"curl", away, more}}, platform.Generate, extensions.Strict, []string{"curl"}, true},                                     // whose build half only the build image has
		{"run:tools", "build:tools", []string{"curl"}, []extension{{"curl", switches, ""}}, platform.Auto, extensions.ByPlan, nil, false},                                                   // that is not known yet
	}
	for n := range 75 {
		trials = append(trials, rapid.Custom(drawTrial).Example(n))
	}
	for n, x := range trials {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b := &bed{t: t, trial: x, host: host.Name, dir: t.TempDir(), scans: scans}
			b.write()
			creator := b.phases(true)
			seen[fmt.Sprintf("failed %t, broken %t, extend %t", creator.Failed, creator.Broken, creator.Extend)]++
			if !b.late() {
				b.same("five phases", creator, b.phases(false))
			}
			b.same("baseplan resolve", creator, b.resolve())
			b.prune(creator)
		})
	}
	if len(seen) < 4 {
		t.Errorf("the trials end in %d ways: %v", len(seen), seen)
	}
}

// A bed is one trial on disk.
type bed struct {
	t *testing.T
	trial
	host, dir, scans string
}

func (b *bed) path(name string) string { return filepath.Join(b.dir, name) }

// late reports whether the creator generates an inventory for detection, which five phases cannot: without it the
// group fails.
func (b *bed) late() bool {
	provided := func(name string) bool {
		return slices.ContainsFunc(b.Exts, func(e extension) bool { return e.Provides == name })
	}
	lacking := slices.ContainsFunc(b.Requires, func(name string) bool { return !provided(name) })
	return b.RunSBOM == platform.Auto && b.Run != "run:attached" && lacking
}

func (b *bed) same(who string, want, got answer) {
	b.t.Helper()
	if want.Failed && got.Failed {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("%+v: -creator +%s:\n%s", b.trial, who, diff)
	}
}

// write writes the modules, the order, what bin/detect finds, and the policy.
func (b *bed) write() {
	var requires, order strings.Builder
	for _, name := range b.Requires {
		fmt.Fprintf(&requires, "[[requires]]\nname = %q\n[requires.metadata]\nlaunch = true\nbuild = %t\n", name, b.AtBuild)
	}
	plan := requires.String()
	lifecycletest.Module{ID: "acme/app", Version: "1", Files: map[string]string{
		"bin/detect": "#!/bin/sh\ncat >\"$CNB_BUILD_PLAN_PATH\" <<'END'\n" + plan + "END\n", "bin/build": "#!/bin/sh\n",
	}}.Write(b.t, b.path("buildpacks"))
	b.file("plans/acme_app.toml", plan)
	order.WriteString("[[order]]\n[[order.group]]\nid = \"acme/app\"\nversion = \"1\"\n")
	for i, e := range b.Exts {
		if i == 0 {
			order.WriteString("[[order-extensions]]\n")
		}
		id := "acme/" + e.Provides
		provides := fmt.Sprintf("[[provides]]\nname = %q\n", e.Provides)
		generate := "#!/bin/sh\n"
		for name, text := range e.files(b.host) {
			generate += "cat >\"$CNB_OUTPUT_DIR/" + name + "\" <<'END'\n" + text + "END\n"
		}
		var always string
		if slices.Contains(b.Always, e.Provides) {
			always = "[metadata.baseplan]\nalways-apply = true\n"
		}
		lifecycletest.Module{Extension: true, ID: id, Version: "1", TOML: always, Files: map[string]string{
			"bin/detect":   "#!/bin/sh\ncat >\"$CNB_BUILD_PLAN_PATH\" <<'END'\n" + provides + "END\n",
			"bin/generate": generate,
		}}.Write(b.t, b.path("extensions"))
		b.file("plans/acme_"+e.Provides+".toml", provides)
		fmt.Fprintf(&order, "[[order-extensions.group]]\nid = %q\nversion = \"1\"\noptional = true\n", id)
	}
	b.file("order.toml", order.String())
	b.file("baseplan.toml", fmt.Sprintf("version = \"1.0\"\n[policy]\nrun-sbom = %q\nproof = %q\n", b.RunSBOM, b.Proof))
}

func (b *bed) file(name, content string) {
	b.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(b.path(name)), 0o755), os.WriteFile(b.path(name), []byte(content), 0o644)); err != nil {
		b.t.Fatal(err)
	}
}

// phases runs the phases up to the one that gives the last verdicts: with a connection the detector, as in the
// creator, else the restorer.
func (b *bed) phases(connected bool) answer {
	policy := platform.Policy{RunSBOM: b.RunSBOM, Proof: b.Proof}
	opener := &image.Opener{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}
	var reader *base.Reader
	if b.RunSBOM != platform.Off {
		reader = &base.Reader{Images: opener, Finder: &attach.Finder{}, Policy: b.RunSBOM, Scan: b.scan, Cache: b.scans + "/run-image"}
	}
	version, err := api.Parse("0.15")
	b.must(err)
	c := lifecycle.Creator{Analyzer: lifecycle.Analyzer{
		API: version, Images: &image.Writer{Opener: opener}, Names: []reference.Reference{reference.Parse(b.host + "/app:1")}, RunImage: reference.Parse(b.host + "/" + b.Run),
		Layers: "/layers", Root: b.dir, Reader: reader,
	}}
	generated := b.path(map[bool]string{true: "creator", false: "five"}[connected] + "/generated")
	b.must(os.MkdirAll(filepath.Dir(generated), 0o755))
	order, err := platform.ReadFile(b.path("order.toml"), resolver.DecodeOrder)
	b.must(err)
	host := buildpack.Host{App: b.dir, Platform: b.dir, Environ: []string{"PATH=/usr/bin:/bin"}}
	c.Detector = lifecycle.Detector{
		API: version, Host: host, Experimental: "silent", Policy: policy, Order: *order,
		Store: buildpack.Store{Buildpacks: b.path("buildpacks"), Extensions: b.path("extensions")},
	}
	c.Generator = lifecycle.Generator{API: version, Host: host, Generated: generated, Policy: policy}
	c.Generator.BuildInventory = func(ctx context.Context) (base.Image, error) {
		return reader.Other().ReadReference(ctx, reference.Parse(b.host+"/"+b.Build))
	}
	if connected {
		return b.created(c)
	}
	analysis, err := c.Analyzer.Run(b.t.Context())
	if errors.Is(err, attach.ErrNoSBOM) {
		return answer{Failed: true}
	}
	b.must(err)
	d, g := c.Detector, c.Generator
	d.Host.Target, g.Host.Target = analysis.Analyzed.RunImage.Target, analysis.Analyzed.RunImage.Target
	d.RunImage, g.Analyzed = analysis.RunImage, analysis.Analyzed
	g.Detection, err = d.Run(b.t.Context())
	if fail.CodeOf(err) == fail.Detect {
		return answer{Failed: true}
	}
	b.must(err)
	made, err := g.Run(b.t.Context())
	if errors.Is(err, attach.ErrNoSBOM) {
		return answer{Failed: true}
	}
	b.must(err)
	return b.restored(opener, reader, made, analysis)
}

// created runs a creator up to the verdicts.
func (b *bed) created(c lifecycle.Creator) answer {
	var made *lifecycle.Generation
	enough := errors.New("that is enough")
	c.End = func(phase platform.Phase, x *lifecycle.Creation) error {
		if phase != platform.Detect {
			return nil
		}
		made = x.Generation
		return enough
	}
	_, err := c.Run(b.t.Context())
	if errors.Is(err, attach.ErrNoSBOM) || fail.CodeOf(err) == fail.Detect {
		return answer{Failed: true}
	}
	if !errors.Is(err, enough) {
		b.t.Fatal(err)
	}
	return b.answer(made.Judged.Record(), made.Analyzed.RunImage, made.Judged.RecheckSwitch() != nil)
}

// restored completes what the detector left open, as another process does.
func (b *bed) restored(opener *image.Opener, reader *base.Reader, made *lifecycle.Generation, analysis *lifecycle.Analysis) answer {
	record := made.Judged.Record()
	if made.Resolution != nil {
		data, err := made.Resolution.Encode()
		b.must(err)
		made.Resolution, err = platform.DecodeResolution(data, "resolution.toml")
		b.must(err)
	}
	version, err := api.Parse("0.15")
	b.must(err)
	r := lifecycle.BaseRestorer{
		API: version, Images: opener, Analyzed: made.Analyzed, Group: made.Group, Generated: b.path("five/generated"), Resolution: made.Resolution,
		Policy: platform.Policy{RunSBOM: b.RunSBOM}, Reader: reader, Searched: analysis.RunImage.Report,
	}
	bases, err := r.Run(b.t.Context())
	if errors.Is(err, attach.ErrNoSBOM) {
		return answer{Failed: true}
	}
	if err != nil {
		if !strings.Contains(err.Error(), "but the run image is now") {
			b.t.Fatal(err)
		}
		return answer{Broken: true}
	}
	if bases.Resolution != nil {
		record = *bases.Resolution
	}
	return b.answer(record, bases.Analyzed.RunImage, false)
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) scan(ctx context.Context, img *image.Image) (*sbom.Document, error) {
	return scan.Image(ctx, img.Image, scan.Options{})
}

func (b *bed) answer(r platform.Resolution, run *platform.RunImage, broken bool) answer {
	if broken {
		return answer{Broken: true} // the build ends there
	}
	out := answer{Verdicts: map[string]string{}, RunImage: r.Result.RunImage, Extend: r.Result.ExtendRun}
	for _, v := range r.Verdicts {
		verdict := v.Verdict
		if spared(verdict) { // the reason may be another: the restorer cannot undo a switch
			verdict = "skipped"
		}
		out.Verdicts[v.Extension+"/"+v.Image] = verdict
	}
	if run != nil && run.Extend != out.Extend {
		b.t.Errorf("analyzed.toml has extend = %t, resolution.toml %t", run.Extend, out.Extend)
	}
	return out
}

// spared reports whether a Dockerfile with a verdict is left out.
func spared(verdict string) bool {
	return slices.Contains([]string{string(extensions.NoEffect), string(extensions.Satisfied), string(extensions.Superseded)}, verdict)
}

// resolve asks baseplan resolve, with the Dockerfiles of the creator as a detector leaves them.
func (b *bed) resolve() answer {
	args := []string{
		"resolve", "--run-image", b.host + "/" + b.Run, "--build-image", b.host + "/" + b.Build, "--order", b.path("order.toml"), "--plans", b.path("plans"),
		"--extensions", b.path("extensions"), "--baseplan", b.path("baseplan.toml"), "--output", "json",
	}
	if _, err := os.Stat(b.path("creator/generated")); err == nil {
		args = append(args, "--generated", b.path("creator/generated"))
	}
	var out, errs bytes.Buffer
	code := cli.Run(b.t.Context(), args, &cli.Console{Out: &out, Err: &errs})
	if code == cli.Failure && strings.Contains(errs.String(), "no usable SBOM") || code == cli.NotEnough && strings.Contains(errs.String(), "no group of") {
		return answer{Failed: true}
	}
	var document struct {
		Broken     []string            `json:"broken"`
		Resolution platform.Resolution `json:"resolution"`
	}
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		b.t.Fatalf("exit %d: %v: %s", code, err, errs.String())
	}
	return b.answer(document.Resolution, nil, len(document.Broken) > 0)
}

// prune asks baseplan prune, which does not know the plan: with the proof by effect it says what the creator says,
// else it takes out no Dockerfile that the creator applies.
func (b *bed) prune(creator answer) {
	if creator.Failed || creator.Broken || len(b.Exts) == 0 {
		return
	}
	layers := b.path("layers")
	var group platform.Group
	analyzed := platform.Analyzed{RunImage: &platform.RunImage{Reference: b.host + "/" + b.Run, Image: b.host + "/" + b.Run}}
	group.Buildpacks = []platform.Module{{ID: "acme/app", Version: "1", API: "0.10"}}
	for _, e := range b.Exts {
		if _, ok := creator.Verdicts["acme/"+e.Provides+"/run"]; !ok {
			continue // the plan dropped it
		}
		group.Extensions = append(group.Extensions, platform.Module{ID: "acme/" + e.Provides, Version: "1", API: "0.10"})
		files := e.files(b.host)
		for name, text := range files {
			b.file("layers/generated/acme_"+e.Provides+"/"+name, text)
		}
		text := files["run.Dockerfile"]
		if ref, ok := strings.CutPrefix(strings.SplitN(text, "\n", 2)[0], "FROM "); ok {
			analyzed.RunImage = &platform.RunImage{Reference: ref, Image: ref}
		}
		analyzed.RunImage.Extend = analyzed.RunImage.Extend || strings.Contains(text, "RUN")
	}
	if len(group.Extensions) == 0 {
		return
	}
	for name, file := range map[string]interface{ Encode() ([]byte, error) }{"group.toml": &group, "analyzed.toml": &analyzed} {
		data, err := file.Encode()
		b.must(err)
		b.file("layers/"+name, string(data))
	}
	var out, errs bytes.Buffer
	code := cli.Run(b.t.Context(), []string{"prune", layers, "--build-image", b.host + "/" + b.Build, "--extensions", b.path("extensions"), "--baseplan", b.path("baseplan.toml")}, &cli.Console{Out: &out, Err: &errs})
	if code != cli.Enough {
		b.t.Fatalf("%+v: baseplan prune: exit %d: %s", b.trial, code, errs.String())
	}
	for of, verdict := range creator.Verdicts {
		id, kind := path.Split(of)
		_, err := os.Stat(filepath.Join(layers, "generated", strings.ReplaceAll(path.Clean(id), "/", "_"), kind+".Dockerfile.ignore"))
		out := err == nil
		spared := verdict == "skipped"
		exact := b.Proof == extensions.ByEffect && b.RunSBOM != platform.Off
		if verdict != string(extensions.Switch) && (out && !spared || exact && out != spared) {
			b.t.Errorf("%+v: prune takes out the Dockerfile of %s: %t, its verdict is %s", b.trial, of, out, verdict)
		}
	}
}

func runCLI(t *testing.T, want int, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Run(t.Context(), args, &cli.Console{Out: &out, Err: &errs}); code != want {
		t.Fatalf("baseplan %q: exit %d, want %d: %s", args, code, want, errs.String())
	}
}

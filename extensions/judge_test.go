package extensions

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom"
)

// group builds a case from a line: an extension a word, "image:requires:instructions[:FROM]".
//
//	r:curl:copy        a run.Dockerfile of an extension that is to provide curl, and copies a file
//	r:-:install:x      one that is to provide nothing, and installs curl in image x
//	b:gd:-             a build.Dockerfile of an extension that is to provide gd, and does nothing
//
// The run image has curl, image x has curl and zlib, the build image tree; nothing is known of image u.
// The proof is ByPlan.
func group(t testing.TB, line string) Case {
	t.Helper()
	c := Case{
		Resolution: &resolver.Resolution{}, Proof: ByPlan,
		Run: known("run", "curl"), Build: known("build", "tree"),
		Lookup: func(reference string) *Base {
			if reference != "x" {
				return nil
			}
			b := known("x", "curl", "zlib")
			return &b
		},
	}
	for i, word := range strings.Fields(line) {
		parts := append(strings.Split(word, ":"), "", "")
		image := map[string]ImageKind{"r": Run, "b": Build}[parts[0]]
		content := "ARG base_image\nFROM ${base_image}\n"
		if parts[3] != "" {
			content = "FROM " + parts[3] + "\n"
		}
		for what := range strings.SplitSeq(parts[2], "+") {
			content += map[string]string{"copy": "COPY x /\n", "installgd": "USER root\nRUN apt-get install -y curl gd\nARG user_id\nUSER ${user_id}\n", "install": "USER root\nRUN apt-get install -y curl\nARG user_id\nUSER ${user_id}\n", "": ""}[strings.Trim(what, "-!")]
		}
		d := parse(t, image, content)
		d.AlwaysApply = strings.Contains(parts[2], "!")
		d.Extension = resolver.Module{Kind: resolver.Extension, ID: fmt.Sprintf("e/%d", i), Version: "1"}
		d.Path = fmt.Sprintf("generated/e_%d/%s.Dockerfile", i, image)
		c.Dockerfiles = append(c.Dockerfiles, d)
		if parts[1] != "-" {
			c.Resolution.Requirements = append(c.Resolution.Requirements, resolver.Requirement{
				Name: parts[1], By: resolver.Module{Kind: resolver.Buildpack, ID: "acme/app"}, Providers: []resolver.Module{d.Extension},
			})
		}
	}
	return c
}

func known(reference string, packages ...string) Base {
	var all []sbom.Package
	for _, name := range packages {
		all = append(all, sbom.Package{Type: sbom.Deb, Name: name, Version: "1.2-3", Arch: "amd64", PURL: "pkg:deb/debian/" + name + "@1.2-3", Known: sbom.Virtual})
	}
	return Base{Reference: reference, Set: set(all...), Config: &Config{User: "1000"}}
}

func outcomes(r GroupVerdict) string {
	var all []string
	for _, v := range r.Verdicts {
		all = append(all, string(v.Outcome))
	}
	return strings.Join(all, " ")
}

// Every pair of outcomes that can meet in one image, in either order, and what
// keeps the others apart.
func TestJudge(t *testing.T) {
	unknown := func(c *Case) { c.Run.Set, c.Build.Set = nil, nil }
	with := func(p Proof) func(*Case) { return func(c *Case) { c.Proof = p } }
	off := func(c *Case) { c.Off = true }
	for _, c := range []struct {
		name, group string
		change      func(*Case)
		want        string
		image       string // of the run image; empty: run
		extend      bool
	}{
		// alone
		{"nothing", "", nil, "", "", false},
		{"satisfied", "r:curl:copy", nil, "satisfied", "", false},
		{"satisfied before no-effect", "r:curl:install", nil, "satisfied", "", false},
		{"no-effect", "r:-:install", nil, "no-effect", "", false},
		{"no-effect though unmet", "r:gd:install", nil, "no-effect", "", false},
		{"empty", "r:-:-", nil, "no-effect", "", false},
		{"switch", "r:-:-:x", nil, "switch", "x", false},
		{"switch to unknown", "r:-:-:u", nil, "switch", "u", false},
		{"pending", "r:curl:copy", unknown, "pending", "", true},
		{"no-effect needs no inventory", "r:curl:-", unknown, "no-effect", "", false},
		{"apply", "r:gd:copy", nil, "apply", "", true},
		{"always-apply", "r:curl:install!", nil, "apply", "", true},
		{"always-apply though unknown", "r:curl:install!", unknown, "apply", "", true},

		// switches
		{"switch that is needless", "r:curl:-:x", nil, "satisfied", "", false},
		{"needless but always-apply", "r:curl:!:x", nil, "switch", "x", false},
		{"switch with an install that is there", "r:-:install:x", nil, "switch", "x", false},
		{"switch whose rest the new image satisfies", "r:zlib:copy:x", nil, "switch", "x", false},
		{"switch with a rest", "r:gd:copy:x", nil, "apply", "x", true},
		{"switch with a rest, to unknown", "r:gd:copy:u", nil, "pending", "u", true},
		{"needless switch behind a switch", "r:gd:-:x r:zlib:-:u", nil, "switch satisfied", "x", false},
		{"switch behind what would be needless without it", "r:gd:-:u r:curl:-:x", nil, "superseded switch", "x", false},

		{"unnecessary switch, then a Dockerfile with an effect", "r:curl:-:x r:curl:copy r:gd:copy", nil, "switch apply apply", "x", true},

		// pairs, the first one superseded
		{"superseded superseded", "r:curl:copy r:gd:copy r:-:-:x", nil, "superseded superseded switch", "x", false},
		{"superseded satisfied", "r:gd:copy r:-:-:x r:zlib:copy", nil, "superseded switch satisfied", "x", false},
		{"superseded no-effect", "r:gd:copy r:-:-:x r:-:install", nil, "superseded switch no-effect", "x", false},
		{"superseded switch", "r:-:install r:-:-:x", nil, "superseded switch", "x", false},
		{"superseded pending", "r:gd:copy r:-:-:u r:curl:copy", nil, "superseded switch pending", "u", true},
		{"superseded apply", "r:curl:copy r:-:-:x r:gd:copy", nil, "superseded switch apply", "x", true},
		{"two switches", "r:-:-:u r:-:-:x", nil, "superseded switch", "x", false},
		{"not superseded by a needless switch", "r:gd:copy r:curl:-:x", nil, "apply satisfied", "", true},

		// the first one satisfied (behind it no switch can stand, nor pending)
		{"satisfied satisfied", "r:curl:copy r:curl:copy", nil, "satisfied satisfied", "", false},
		{"satisfied no-effect", "r:curl:copy r:-:install", nil, "satisfied no-effect", "", false},
		{"satisfied apply", "r:curl:install r:gd:copy", nil, "apply apply", "", true},
		{"satisfied switch", "r:curl:copy r:gd:-:x", nil, "superseded switch", "x", false},

		// the first one without effect: with pending or apply it goes along
		{"no-effect satisfied", "r:-:install r:curl:copy", nil, "no-effect satisfied", "", false},
		{"no-effect no-effect", "r:-:install r:gd:install", nil, "no-effect no-effect", "", false},
		{"no-effect switch", "r:-:install r:gd:-:x", nil, "superseded switch", "x", false},
		{"no-effect pending", "r:-:- r:curl:copy", unknown, "pending pending", "", true},
		{"no-effect apply", "r:-:install r:gd:copy", nil, "apply apply", "", true},

		// the first one a switch
		{"switch satisfied", "r:-:-:x r:zlib:copy", nil, "switch satisfied", "x", false},
		{"switch no-effect", "r:-:-:x r:-:install", nil, "switch no-effect", "x", false},
		{"switch pending", "r:-:-:u r:curl:install", nil, "switch pending", "u", true},
		{"switch apply", "r:-:-:x r:gd:copy", nil, "switch apply", "x", true},
		{"switch with a rest without effect goes along", "r:-:install:x r:gd:copy", nil, "apply apply", "x", true},
		{"switch with a satisfied rest goes along", "r:zlib:copy:x r:gd:copy", nil, "apply apply", "x", true},

		// the first one pending or apply
		{"pending pending", "r:curl:copy r:gd:install", unknown, "pending pending", "", true},
		{"pending no-effect", "r:curl:copy r:-:-", unknown, "pending pending", "", true},
		{"pending apply", "r:curl:copy r:gd:copy!", unknown, "pending apply", "", true},
		{"pending switch", "r:curl:copy r:gd:-:x", unknown, "superseded switch", "x", false},
		{"apply satisfied", "r:gd:copy r:curl:install", nil, "apply apply", "", true},
		{"apply no-effect", "r:gd:copy r:-:install", nil, "apply apply", "", true},
		{"apply pending", "r:gd:copy! r:curl:copy", unknown, "apply pending", "", true},
		{"apply apply", "r:gd:copy r:gd:copy", nil, "apply apply", "", true},
		{"apply switch", "r:gd:copy r:-:-:x", nil, "superseded switch", "x", false},
		{"apply no-effect pending", "r:gd:copy! r:-:- r:curl:copy", unknown, "apply apply pending", "", true},

		// a switch that is needless, until something behind it has to be applied
		{"needless switch, then apply", "r:curl:-:x r:gd:copy", nil, "switch apply", "x", true},
		{"needless switch, then enough on its image", "r:curl:-:x r:zlib:copy", nil, "switch satisfied", "x", false},
		{"needless switch, then apply on an unknown image", "r:curl:-:u r:gd:copy", nil, "switch pending", "u", true},
		{"unnecessary switch that also installs, then apply", "r:curl:install:x r:gd:copy", nil, "apply apply", "x", true},
		{"Dockerfiles before the switch are superseded", "r:curl:copy r:curl:-:x r:gd:copy", nil, "superseded switch apply", "x", true},
		{"what goes along behind the switch", "r:gd:copy r:curl:-:x r:curl:install", nil, "superseded switch satisfied", "x", false},
		{"the last of two needless switches", "r:curl:-:u r:curl:-:x r:gd:copy", nil, "superseded switch apply", "x", true},
		{"only the first of two needless switches", "r:curl:-:x r:gd:copy r:curl:-:x", nil, "switch apply satisfied", "x", true},
		{"the second one is not needless on the image of the first", "r:curl:-:u r:gd:copy r:curl:-:x", nil, "superseded superseded switch", "x", false},
		{"a needless switch behind a made one", "r:zlib:-:x r:curl:-:u r:gd:copy", nil, "superseded switch pending", "u", true},

		// installs
		{"installs only installed packages", "r:curl:install", with(Installs), "satisfied", "", false},
		{"installs: more than that", "r:curl:install+copy", with(Installs), "apply", "", true},
		{"installs: is the default", "r:curl:install+copy", with(""), "apply", "", true},
		{"installs: does nothing", "r:curl:-", with(""), "satisfied", "", false},
		{"installs: a further package", "r:curl:installgd", with(""), "apply", "", true},
		{"installs: no name is met", "r:gd:install", with(""), "no-effect", "", false},
		{"installs: a needless switch", "r:curl:-:x", with(""), "satisfied", "", false},
		{"installs: a switch with a rest is none", "r:curl:install:x", with(""), "switch", "x", false},
		{"installs: on the new image", "r:zlib:-:x r:zlib:copy", with(""), "switch apply", "x", true},
		{"installs: pending", "r:curl:copy", func(c *Case) { unknown(c); c.Proof = "" }, "pending", "", true},
		{"installs, satisfied-by = name", "r:curl:copy", func(c *Case) { c.Proof = ""; c.Dockerfiles[0].SatisfiedBy = ByName }, "satisfied", "", false},
		{"the operator sets another proof", "r:curl:copy", func(c *Case) { c.Proof = Installs; c.Dockerfiles[0].SatisfiedBy = ByName }, "apply", "", true},
		{"the operator sets it for this extension", "r:curl:copy", func(c *Case) { c.Proof, c.Proofs = Strict, map[string]Proof{"e/0": ByPlan} }, "satisfied", "", false},
		{"the operator sets it for another extension", "r:curl:copy", func(c *Case) { c.Proof, c.Proofs = "", map[string]Proof{"e/1": ByPlan} }, "apply", "", true},
		{"the operator is stricter with this one", "r:curl:copy", func(c *Case) {
			c.Proofs = map[string]Proof{"e/0": ByEffect}
			c.Dockerfiles[0].SatisfiedBy = ByName
		}, "apply", "", true},
		{"always-apply wins", "r:curl:install!", func(c *Case) {
			c.Proofs = map[string]Proof{"e/0": ByPlan}
			c.Dockerfiles[0].SatisfiedBy = ByName
		}, "apply", "", true},

		// proofs
		{"effect: not by plan", "r:curl:copy", with(ByEffect), "apply", "", true},
		{"effect: by effect", "r:curl:install", with(ByEffect), "no-effect", "", false},
		{"effect: no switch is needless", "r:curl:-:x", with(ByEffect), "switch", "x", false},
		{"strict: not by plan alone", "r:curl:copy", with(Strict), "apply", "", true},
		{"strict: not by effect alone", "r:-:-", with(Strict), "apply", "", true},
		{"strict: not unpinned", "r:curl:install", with(Strict), "apply", "", true},
		{"strict: both", "r:curl:-", with(Strict), "satisfied", "", false},
		{"strict: no switch is needless", "r:curl:-:x", with(Strict), "switch", "x", false},
		{"a proof that is not known is strict", "r:curl:copy r:-:-", with("sloppy"), "apply apply", "", true},
		{"strict: pending", "r:curl:-", func(c *Case) { unknown(c); c.Proof = Strict }, "pending", "", true},

		// inventories off
		{"off", "r:curl:copy r:-:install r:-:-", off, "apply apply apply", "", true},
		{"off: switch", "r:curl:copy r:curl:-:x", off, "superseded switch", "x", false},
		{"off: switch with a rest", "r:curl:install:x", off, "apply", "x", true},
		{"off: no pending", "r:curl:copy", func(c *Case) { unknown(c); c.Off = true }, "apply", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			trial := group(t, c.group)
			if c.change != nil {
				c.change(&trial)
			}
			got := Judge(trial)
			if c.image == "" {
				c.image = "run"
			}
			if outcomes(got) != c.want || got.RunImage != c.image || got.ExtendRun != c.extend || got.ExtendBuild || got.Switched != (c.image != "run") {
				t.Errorf("want %s, image %s, extend %v; got %s, image %s, extend %v", c.want, c.image, c.extend, outcomes(got), got.RunImage, got.ExtendRun)
			}
		})
	}
}

// The two images are judged apart: any outcome of one can stand beside any of the other.
func TestRunAndBuildImagesAreJudgedSeparately(t *testing.T) {
	run := map[Outcome]string{Superseded: "r:gd:copy r:-:-:x", Satisfied: "r:curl:copy", NoEffect: "r:-:install", Switch: "r:gd:-:x", Apply: "r:gd:copy", Pending: "r:gd:copy:u"}
	build := map[Outcome]string{Satisfied: "b:tree:copy", NoEffect: "b:-:-", Apply: "b:gd:copy", Pending: "b:gd:copy"}
	for r, runs := range run {
		for b, builds := range build {
			for _, buildFirst := range []bool{true, false} {
				line := builds + " " + runs
				if !buildFirst {
					line = runs + " " + builds
				}
				c := group(t, line)
				if b == Pending {
					c.Build.Set = nil
				}
				got := Judge(c)
				for _, v := range got.Verdicts {
					if v.Dockerfile.Image == Build && v.Outcome != b || v.Dockerfile.Image == Run && v.Outcome != r && v.Outcome != Switch {
						t.Errorf("%s: want %s and %s, got %s", line, b, r, outcomes(got))
					}
				}
				if got.ExtendBuild != b.Left() || got.ExtendRun != r.Left() {
					t.Errorf("%s: extend run %v, build %v", line, got.ExtendRun, got.ExtendBuild)
				}
			}
		}
	}
}

func TestProofByPlanDependsOnTheContext(t *testing.T) {
	launch, build, both := []resolver.Context{resolver.Launch}, []resolver.Context{resolver.Build}, []resolver.Context{resolver.Build, resolver.Launch}
	type required struct {
		name     string
		contexts []resolver.Context
	}
	for _, c := range []struct {
		name, group string
		required    []required
		want        string
	}{
		{"launch", "r:-:copy b:-:copy", []required{{"curl", launch}}, "satisfied apply"},
		{"build", "r:-:copy b:-:copy", []required{{"tree", build}}, "apply satisfied"},
		{"build, which the run image has", "r:-:copy b:-:copy", []required{{"curl", build}}, "apply apply"},
		{"both flags", "r:-:copy b:-:copy", []required{{"curl", both}}, "satisfied apply"},
		{"no flag", "r:-:copy b:-:copy", []required{{"curl", nil}}, "satisfied apply"},
		{"one a context", "r:-:copy b:-:copy", []required{{"curl", launch}, {"tree", build}}, "satisfied satisfied"},
		{"all of a context", "r:-:copy b:-:copy", []required{{"curl", launch}, {"gd", launch}}, "apply apply"},
		{"none", "r:-:copy b:-:copy", nil, "apply apply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			trial := group(t, c.group)
			for _, d := range trial.Dockerfiles {
				d.Extension.ID = "e/both"
			}
			for _, r := range c.required {
				trial.Resolution.Requirements = append(trial.Resolution.Requirements,
					resolver.Requirement{Name: r.name, Contexts: r.contexts, Providers: []resolver.Module{trial.Dockerfiles[0].Extension}})
			}
			if got := outcomes(Judge(trial)); got != c.want {
				t.Errorf("want %s, got %s", c.want, got)
			}
		})
	}
}

func TestProofByPlanDependsOnVersionAndProvider(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*resolver.Requirement)
		want   string
	}{
		{"version that fits", func(r *resolver.Requirement) { r.Version = ">= 1" }, "satisfied"},
		{"version that does not", func(r *resolver.Requirement) { r.Version = ">= 2" }, "apply"},
		{"version that is not understood", func(r *resolver.Requirement) { r.Version = "newest" }, "apply"},
		{"another extension", func(r *resolver.Requirement) { r.Providers[0].ID = "e/other" }, "apply"},
		{"a buildpack of that id", func(r *resolver.Requirement) { r.Providers[0].Kind = resolver.Buildpack }, "apply"},
		{"another version of the extension", func(r *resolver.Requirement) { r.Providers[0].Version = "2" }, "apply"},
		{"consumed by the base image", func(r *resolver.Requirement) { r.Consumed = true }, "apply"},
		{"a buildpack beside it", func(r *resolver.Requirement) {
			r.Providers = append([]resolver.Module{{Kind: resolver.Buildpack, ID: "b"}}, r.Providers...)
		}, "satisfied"},
	} {
		trial := group(t, "r:curl:copy")
		c.change(&trial.Resolution.Requirements[0])
		if got := outcomes(Judge(trial)); got != c.want {
			t.Errorf("%s: want %s, got %s", c.name, c.want, got)
		}
	}
	trial := group(t, "r:curl:install r:curl:copy")
	trial.Resolution = nil
	if got := outcomes(Judge(trial)); got != "apply apply" {
		t.Errorf("without a plan: %s", got)
	}
}

func TestReasonsAndReliances(t *testing.T) {
	c := group(t, "b:tree:copy r:curl:copy r:-:install r:gd:-")
	c.Resolution.Requirements[1].Version = ">= 1"
	got := Judge(c)
	var reasons [][]string
	for _, v := range got.Verdicts {
		reasons = append(reasons, v.Reasons)
	}
	wantReasons := [][]string{
		{"tree, required by acme/app at build, is provided by tree 1.2-3"},
		{"curl, required by acme/app at launch, is provided by curl 1.2-3"},
		{"no instruction would change the image", "unpinned installs do not look for newer versions: curl 1.2-3 is already installed"},
		{"no instruction would change the image"},
	}
	if diff := cmp.Diff(wantReasons, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	app, ext := resolver.Module{Kind: resolver.Buildpack, ID: "acme/app"}, func(i int) resolver.Module { return c.Dockerfiles[i].Extension }
	want := []Reliance{
		{Image: Build, Name: "tree", Rule: provides.Deb, Evidence: []string{"pkg:deb/debian/tree"}, RequiredBy: app, Extension: ext(0)},
		{Image: Run, Name: "curl", Constraint: ">= 1", Rule: provides.Deb, Evidence: []string{"pkg:deb/debian/curl"}, RequiredBy: app, Extension: ext(1)},
		{Image: Run, Name: "curl", Rule: provides.Deb, Evidence: []string{"pkg:deb/debian/curl"}, Extension: ext(2)},
	}
	if diff := cmp.Diff(want, got.Relies); diff != "" {
		t.Errorf("reliances (-want +got):\n%s", diff)
	}

	left := Judge(group(t, "r:gd:copy r:-:install"))
	wantReasons = [][]string{
		{"gd, required by acme/app at launch, is not met: the image has no gd", "line 3: puts files into the image"},
		{"has no effect by itself, but is applied together with: e/0"},
	}
	if diff := cmp.Diff(wantReasons, [][]string{left.Verdicts[0].Reasons, left.Verdicts[1].Reasons}); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if left.Relies != nil {
		t.Errorf("what is applied relies on nothing, not on %v", left.Relies)
	}
}

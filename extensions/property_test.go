package extensions

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"

	"github.com/baseplan/baseplan/sbom"
)

// effectful are instructions that change any image.
var effectful = []string{
	"COPY x /", "ADD x /", "ENV NEW=1", "LABEL new=1", "WORKDIR /elsewhere", "CMD x", "VOLUME /v", "EXPOSE 1", "ONBUILD RUN true",
	"RUN touch /x", "RUN apt-get install -y libgd3", "RUN apt-get upgrade -y", "RUN true > /x", "RUN false || touch /x", "RUN true && touch /x", "RUN true &", "RUN PATH=/x", "RUN for x in a; do touch /$x; done", "RUN ! true", "RUN false", "RUN cat /x", "RUN --mount=type=cache,target=/x true",
	"RUN if true; then touch /x; fi", "RUN if curl --version; then true; else touch /x; fi", "RUN apt-get update || touch /x", "RUN X=/etc; rm -rf $X", "RUN cat /etc/passwd > /x", "RUN rm -rf /etc", "RUN echo `id`", "RUN [\"touch\", \"/x\"]", "LABEL io.buildpacks.rebasable=false", "ARG LD_PRELOAD=/x",
}

func harmlessDockerfile(t *rapid.T) []string {
	var debian []string
	for _, c := range harmlessLines {
		// SHELL changes how the lines behind it are read: under pipefail a pipe may fail.
		if c.on == "debian" && !strings.HasPrefix(c.line, "SHELL") {
			debian = append(debian, c.line)
		}
	}
	lines := rapid.SliceOfN(rapid.SampledFrom(debian), 0, 5).Draw(t, "harmless")
	return append(append([]string{"USER root"}, lines...), reset)
}

// A Dockerfile of harmless instructions has no effect, whatever their order;
// with one more that has an effect, anywhere, it has one.
func TestOneInstructionWithAnEffectGivesAnEffect(t *testing.T) {
	base := bases(t)["debian"]
	rapid.Check(t, func(r *rapid.T) {
		lines := harmlessDockerfile(r)
		if v := Check(onBase(t, lines...), base, nil, ByPlan); v.Outcome != NoEffect {
			r.Fatalf("%q: %s %v", lines, v.Outcome, v.Reasons)
		}
		added := rapid.SampledFrom(effectful).Draw(r, "added")
		at := rapid.IntRange(0, len(lines)).Draw(r, "at")
		lines = slices.Insert(lines, at, added)
		if v := Check(onBase(t, lines...), base, nil, ByPlan); v.Outcome != Apply {
			r.Fatalf("%q: %s %v", lines, v.Outcome, v.Reasons)
		}
	})
}

// A package less in the image never turns an effect into none.
func TestRemovingAPackageNeverRemovesAnEffect(t *testing.T) {
	base := bases(t)["debian"]
	rapid.Check(t, func(r *rapid.T) {
		d := onBase(t, harmlessDockerfile(r)...)
		less := base
		gone := rapid.SampledFrom([]string{"curl", "tree", "apt", "libstdc++6"}).Draw(r, "gone")
		less.Set = set(slices.DeleteFunc(slices.Clone(base.Set.Document().Packages), func(p sbom.Package) bool { return p.Name == gone })...)
		before, after := Check(d, base, nil, ByPlan), Check(d, less, nil, ByPlan)
		for i, in := range before.Instructions {
			if named := strings.Contains(in.Reason, ": "+gone+" ") || strings.Contains(in.Reason, ", "+gone+" ") || strings.Contains(in.Reason, " of "+gone+" "); named != after.Instructions[i].Effect {
				r.Fatalf("without %s: %v", gone, after.Instructions[i])
			}
		}
	})
}

// What must hold of the verdicts on any group.
func TestJudgeInvariants(t *testing.T) {
	words := []string{
		"r:curl:copy", "r:gd:copy", "r:-:install", "r:-:-", "r:gd:install", "r:curl:-:x", "r:gd:-:x", "r:-:-:u", "r:zlib:copy:x", "r:-:install:x", "r:gd:copy:u",
		"r:curl:install:x", "r:curl:-:u", "r:curl:installgd", "r:curl:install+copy", "r:curl:install",
		"r:curl:install!", "r:zlib:copy", "b:tree:copy", "b:gd:copy", "b:-:-", "b:-:-!",
	}
	rapid.Check(t, func(r *rapid.T) {
		c := group(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 6).Draw(r, "group"), " "))
		c.Proof = rapid.SampledFrom([]Proof{"", ByPlan, Installs, ByEffect, Strict}).Draw(r, "proof")
		c.Off = rapid.Bool().Draw(r, "off") && rapid.Bool().Draw(r, "really off")
		if rapid.Bool().Draw(r, "run unknown") {
			c.Run.Set = nil
		}
		got := Judge(c)
		if diff := cmp.Diff(got, Judge(c), cmp.AllowUnexported(Verdict{}), cmpopts.IgnoreTypes(&Dockerfile{})); diff != "" {
			r.Fatalf("judged twice: %s", diff)
		}
		for _, image := range []ImageKind{Run, Build} {
			if why := broken(c, got, image); why != "" {
				r.Fatalf("%s image: %s: %s", image, why, outcomes(got))
			}
		}
	})
}

// A stricter proof leaves no less to apply, where no switch supersedes anything.
func TestStricterProofNeverSkipsMore(t *testing.T) {
	words := []string{"r:curl:copy", "r:gd:copy", "r:-:install", "r:-:-", "r:gd:install", "r:curl:install", "r:curl:installgd", "r:curl:install+copy", "r:curl:-", "b:tree:copy", "b:tree:-", "b:-:install"}
	rapid.Check(t, func(r *rapid.T) {
		c := group(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 5).Draw(r, "group"), " "))
		c.Built = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		age := rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(r, "age")
		var laxer GroupVerdict
		for i, p := range Proofs() {
			c.Proof, c.MaxAge = p, 0
			got := Judge(c)
			for k, v := range got.Verdicts {
				if i > 0 && laxer.Verdicts[k].Outcome.Left() && !v.Outcome.Left() {
					r.Fatalf("%s skips what a laxer proof does not: %s, %s", p, outcomes(laxer), outcomes(got))
				}
			}
			c.MaxAge = age
			for k, v := range Judge(c).Verdicts {
				if got.Verdicts[k].Outcome.Left() && !v.Outcome.Left() {
					r.Fatalf("%s skips more with a greatest age", p)
				}
			}
			laxer = got
		}
	})
}

// broken says what does not hold of the verdicts on an image's Dockerfiles.
func broken(c Case, r GroupVerdict, image ImageKind) string {
	var left, noEffect, switched, needless bool
	for i, v := range r.Verdicts {
		if v.Dockerfile != c.Dockerfiles[i] || len(v.Reasons) == 0 {
			return "a verdict of another Dockerfile, or without a reason"
		}
		if v.Dockerfile.Image != image {
			continue
		}
		left = left || v.Outcome.Left()
		noEffect = noEffect || v.Outcome == NoEffect || v.Outcome == Satisfied && v.Dockerfile.SwitchTo == ""
		needless = needless || v.Outcome == Satisfied && v.Dockerfile.SwitchTo != ""
		switch {
		case needless && v.Outcome.Left():
			return "left to apply behind a switch that was not made"
		case v.Outcome.Left() && len(v.relies) > 0:
			return "relies on something though it is applied"
		case v.Outcome == Superseded && switched, v.SwitchTo != "" && switched:
			return "superseded, or a switch, behind the switch"
		case v.SwitchTo != "" && v.SwitchTo != r.RunImage:
			return "a switch to another image than the result's"
		case v.Dockerfile.AlwaysApply && v.Outcome != Apply && v.Outcome != Superseded && !(v.Outcome == Switch && v.Dockerfile.OnlySwitches()):
			return "always-apply is not heeded"
		case c.Off && v.Outcome != Switch && v.Outcome != Superseded && v.Outcome != Apply:
			return "more than switches with inventories off"
		case v.Outcome == Satisfied && c.Proof == ByEffect, c.Proof == Strict && v.Outcome == NoEffect:
			return "the proof is not enough"
		case image == Build && (v.Outcome == Switch || v.Outcome == Superseded):
			return "a build image switched"
		}
		switched = switched || v.SwitchTo != ""
	}
	extend := r.ExtendRun
	if image == Build {
		extend = r.ExtendBuild
	}
	switch {
	case left && noEffect:
		return "not all, and not nothing"
	case left != extend:
		return "extend does not say what is left"
	case image == Run && !switched && r.RunImage != c.Run.Reference:
		return "another run image without a switch"
	}
	return ""
}

func FuzzJudge(f *testing.F) {
	for _, c := range harmlessLines {
		f.Add("ARG base_image\nFROM ${base_image}\nUSER root\n" + c.line + "\n" + reset)
	}
	for _, line := range effectful {
		f.Add("FROM x\n# check=skip=all\n" + line)
	}
	bases := bases(f)
	f.Fuzz(func(t *testing.T, content string) {
		for _, image := range []ImageKind{Run, Build} {
			d, err := Parse("fuzz", []byte(content), image, Arg{"a", "b c"})
			if err != nil {
				continue
			}
			for _, name := range slices.Sorted(maps.Keys(bases)) {
				base := bases[name]
				r := Judge(Case{Dockerfiles: []*Dockerfile{d, d}, Run: base, Build: base})
				if r.ExtendRun && r.ExtendBuild {
					t.Fatal("both images from one")
				}
			}
			v := Check(d, Base{}, nil, ByPlan)
			for i, cmd := range d.commands {
				switch cmd.(type) {
				case *instructions.ArgCommand, *instructions.UserCommand, *instructions.RunCommand, *instructions.LabelCommand:
				default:
					if !v.Instructions[i].Effect {
						t.Fatalf("no effect of %s on an image of which nothing is known", cmd.Name())
					}
				}
			}
		}
	})
}

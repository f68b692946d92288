package extensions

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"pgregory.net/rapid"

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
		if c.on == "debian" {
			debian = append(debian, c.line)
		}
	}
	lines := rapid.SliceOfN(rapid.SampledFrom(debian), 0, 5).Draw(t, "harmless")
	return append(append([]string{"USER root"}, lines...), reset)
}

// A Dockerfile of harmless instructions has no effect, whatever their order;
// with one more that has an effect, anywhere, it has one.
func TestOneEffectIsEnough(t *testing.T) {
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
func TestFewerPackagesNeverHelp(t *testing.T) {
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
		"r:curl:install!", "r:zlib:copy", "b:tree:copy", "b:gd:copy", "b:-:-", "b:-:-!",
	}
	rapid.Check(t, func(r *rapid.T) {
		c := group(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 6).Draw(r, "group"), " "))
		c.Proof = rapid.SampledFrom([]Proof{ByPlan, ByEffect, Strict}).Draw(r, "proof")
		c.Off = rapid.Bool().Draw(r, "off") && rapid.Bool().Draw(r, "really off")
		if rapid.Bool().Draw(r, "run unknown") {
			c.Run.Set = nil
		}
		got := Judge(c)
		if diff := cmp.Diff(got, Judge(c), cmp.AllowUnexported(Verdict{}), cmpopts.IgnoreTypes(&Dockerfile{})); diff != "" {
			r.Fatalf("judged twice: %s", diff)
		}
		for _, image := range []Image{Run, Build} {
			if why := broken(c, got, image); why != "" {
				r.Fatalf("%s image: %s: %s", image, why, outcomes(got))
			}
		}
	})
}

// broken says what does not hold of the verdicts on an image's Dockerfiles.
func broken(c Case, r Result, image Image) string {
	var left, noEffect, switched bool
	for i, v := range r.Verdicts {
		if v.Dockerfile != c.Dockerfiles[i] || len(v.Reasons) == 0 {
			return "a verdict of another Dockerfile, or without a reason"
		}
		if v.Dockerfile.Image != image {
			continue
		}
		left = left || v.Outcome.Left()
		noEffect = noEffect || v.Outcome == NoEffect
		switch {
		case v.Outcome == Superseded && switched, v.SwitchTo != "" && switched:
			return "superseded, or a switch, behind the switch"
		case v.SwitchTo != "" && v.SwitchTo != r.RunImage:
			return "a switch to another image than the result's"
		case v.Dockerfile.AlwaysApply && v.Outcome != Apply && v.Outcome != Superseded && !(v.Outcome == Switch && v.Dockerfile.OnlySwitches()):
			return "always-apply is not heeded"
		case c.Off && v.Outcome != Switch && v.Outcome != Superseded && v.Outcome != Apply:
			return "more than switches with inventories off"
		case c.Proof != ByPlan && v.Outcome == Satisfied && c.Proof == ByEffect, c.Proof == Strict && v.Outcome == NoEffect:
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
		for _, image := range []Image{Run, Build} {
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

package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver/advise"
)

// TestAdvisedNames names packages by the mapping of a build, by what other builds had or installed, or not at all.
func TestAdvisedNames(t *testing.T) {
	h := &history{families: map[string]family{}, learned: map[string]string{}, additions: map[string]*addition{}}
	lacking := func(base string, mapping []provides.Mapping, names ...string) foundBuild {
		r := &platform.Resolution{Mapping: mapping, RunImage: platform.ResolvedImage{Image: base}, Result: platform.Result{RunImage: base, ExtendRun: true}}
		for i := 0; i < len(names); i += 2 {
			r.Requirements = append(r.Requirements, platform.Requirement{Name: names[i], Version: names[i+1], Contexts: []string{"launch"}, MetBy: []string{"acme/" + names[i] + "@1"}})
			r.Verdicts = append(r.Verdicts, platform.Verdict{Extension: "acme/" + names[i], Image: "run", Verdict: "apply"})
		}
		return foundBuild{Resolution: r}
	}
	had := &platform.Resolution{RunImage: platform.ResolvedImage{Image: "noble"}, Requirements: []platform.Requirement{
		{Name: "gd", MetBy: []string{"run-image"}, Evidence: []string{"pkg:deb/ubuntu/libgd3"}},
	}}
	installed := lacking("noble", nil, "tree", "")
	installed.Verdicts[0].Instructions = []platform.Instruction{{Line: 3, Effect: true, Manager: true, Reason: "apt-get install: tree is not installed", Lacks: []string{"tree=2.1"}}}
	for _, r := range []foundBuild{
		{Resolution: had}, installed, lacking("noble", nil, "jre", ">= 17", "gd", "", "tree", ">= 2", "agent", ">= 1"), lacking("noble", nil, "jre", "17", "agent", ""),
		lacking("noble", []provides.Mapping{{Name: "agent", Packages: []string{"pkg:deb/corp-agent"}}, {Name: "jre"}}, "agent", "", "jre", ""), lacking("elsewhere", nil, "jre", ">= 17"),
	} {
		h.add(r, 2)
	}
	got := map[string][]string{}
	for _, b := range h.named() {
		if b.Count != 2 {
			t.Errorf("%v: count %d", b.Lacks, b.Count)
		}
		for _, a := range h.added(advise.NewImage{Base: b.Base, Packages: b.Lacks}) {
			got[b.Base] = append(got[b.Base], a.String())
		}
	}
	const jre, agent = "openjdk-17-jre-headless (as jre 17, jre >= 17)", "agent (no package is known)"
	want := map[string][]string{
		"noble":     {"tree=2.1", jre, "libgd3 (as gd)", "tree (>= 2)", agent, jre, agent, "corp-agent (as agent)", "jre (no package is known)"},
		"elsewhere": {"jre (no package is known)"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestListedIn(t *testing.T) {
	got, err := listedIn("# all\nregistry.example/a 3\n\n advise_test.go # a file\nregistry.example/b:*\n")
	want := []listedBuild{{name: "registry.example/a", image: true, count: 3}, {name: "advise_test.go", count: 1}, {name: "registry.example/b:*", image: true, count: 1}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(listedBuild{})); diff != "" || err != nil {
		t.Errorf("%v: -want +got:\n%s", err, diff)
	}
	for _, text := range []string{"a 0", "a -1", "a x", "a 1 2", "a 1000001", "a 99999999999999999999"} {
		if _, err := listedIn(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

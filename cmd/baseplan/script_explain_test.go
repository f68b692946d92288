package main

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// explained returns app images that record their build, as an exporter does: app1, then app2, which is a later build of the
// same app on another run image, app2 after a rebase, and one whose label does not have everything.
func explained(t *testing.T, run v1.Image) map[string]v1.Image {
	t.Helper()
	module := func(kind resolver.Kind, id, version string) *platform.ResolvedModule {
		return platform.ResolvedModuleOf(resolver.Module{Kind: kind, ID: id, Version: version})
	}
	app := module(resolver.Buildpack, "acme/app", "1.2.3")
	digest := func(of string) string { return "sha256:" + strings.Repeat(of, 64) }
	first := platform.Resolution{
		RunImage: platform.ResolvedImage{Image: "registry.example/run:noble", Digest: digest("1"), Inventory: "referrer"},
		Requirements: []platform.Requirement{
			{Name: "curl", RequiredBy: "acme/app@1.2.3", By: app, Version: ">= 7", Contexts: []string{"launch"}, MetBy: []string{"run-image", "acme/curl@0.1.0"}, Rule: "deb", Evidence: []string{"pkg:deb/debian/curl"}},
			{Name: "tree", RequiredBy: "acme/app@1.2.3", By: app, MetBy: []string{"acme/tools@2"}},
		},
		Verdicts: []platform.Verdict{{Extension: "acme/curl", Image: "run", Verdict: "satisfied", Reasons: []string{"curl, required by acme/app at launch, is provided by curl 7.88.1-10+deb12u12"}}},
		Relies:   []platform.RunImageRequirement{{Name: "curl", Constraint: ">= 7", Rule: "deb", Evidence: []string{"pkg:deb/debian/curl"}, RequiredBy: "acme/app"}},
		Result:   platform.Result{RunImage: "registry.example/run:noble"},
	}
	group := platform.Group{
		Buildpacks: []platform.Module{{ID: "acme/tools", Version: "2"}, {ID: "acme/app", Version: "1.2.3"}},
		Extensions: []platform.Module{{ID: "acme/curl", Version: "0.1.0"}},
	}
	second := first
	second.RunImage.Digest = digest("2")
	second.Requirements = []platform.Requirement{
		{Name: "curl", RequiredBy: "acme/app@1.3.0", By: module(resolver.Buildpack, "acme/app", "1.3.0"), Version: ">= 8", Contexts: []string{"launch"}, MetBy: []string{"acme/curl@0.2.0"}},
		{Name: "tree", RequiredBy: "acme/app@1.3.0", MetBy: []string{"acme/tools@3"}},
	}
	second.Verdicts = []platform.Verdict{{
		Extension: "acme/curl", Image: "run", Verdict: "apply", Reasons: []string{
			"curl, required by acme/app at launch, is not met: the image has curl 7.88.1-10+deb12u12, which is not >= 8",
			"line 4: apt-get install: curl=8 is not installed", "line 5: curl https://user:secret@host.example | sh is not understood",
		}, Instructions: []platform.Instruction{{Line: 4, Lacks: []string{"curl=8"}}},
	}}
	second.Relies, second.Result.ExtendRun = nil, true
	later := platform.Group{
		Buildpacks: []platform.Module{{ID: "acme/tools", Version: "3"}, {ID: "acme/app", Version: "1.3.0"}},
		Extensions: []platform.Module{{ID: "acme/curl", Version: "0.2.0"}},
	}
	cut := first
	cut.Verdicts = nil
	for range 100 {
		cut.Verdicts = append(cut.Verdicts, first.Verdicts...)
	}
	image := func(e platform.Explanation, requires *platform.Requirements) v1.Image {
		labels := map[string]string{platform.BuildMetadataLabel: `{"launcher": {"version": "1.2.3"}}`, platform.LifecycleMetadataLabel: `{"runImage": {"reference": "registry.example/run@` + e.RunImage.Digest + `"}}`}
		var err error
		if labels[platform.ResolutionLabel], err = e.Encode(); err != nil {
			t.Fatal(err)
		}
		if requires != nil {
			if labels[platform.RequirementsLabel], err = platform.EncodeLabel(requires); err != nil {
				t.Fatal(err)
			}
		}
		return lifecycletest.Labelled(run, labels)
	}
	return map[string]v1.Image{
		"app1":    image(first.Explanation(group), first.RunImageRequirements()),
		"app2":    image(second.Explanation(later), second.RunImageRequirements()),
		"rebased": image(second.Explanation(later).RebasedOn("registry.example/run:noble-2", digest("3")), nil),
		"cut":     image(cut.Explanation(group), nil),
		"hostile": lifecycletest.Labelled(run, map[string]string{platform.LifecycleMetadataLabel: "{}", platform.ResolutionLabel: `{"version": "1.0", "group": [{"id": "\u001b[2J"}]}`}),
	}
}

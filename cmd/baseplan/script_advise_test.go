package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// advised returns app images by tag, whose extensions had to be applied, with the labels that an exporter writes.
func advised(t *testing.T) map[string]v1.Image {
	t.Helper()
	build := func(tag, distro, base string, requires ...string) v1.Image {
		r := platform.Resolution{
			RunImage: platform.ResolvedImage{Image: base, Digest: "sha256:" + strings.Repeat("1", 64), Inventory: "generated"},
			Result:   platform.Result{RunImage: base, ExtendRun: true},
		}
		for _, text := range requires {
			name, version, _ := strings.Cut(text, " ")
			r.Requirements = append(r.Requirements, platform.Requirement{Name: name, Version: version, RequiredBy: "acme/app@1", Contexts: []string{"launch"}, MetBy: []string{"acme/" + name + "@1"}})
			r.Verdicts = append(r.Verdicts, platform.Verdict{Extension: "acme/" + name, Image: "run", Verdict: "apply", Reasons: []string{name + ", required by acme/app at launch, is not met"}})
		}
		r.Verdicts = append(r.Verdicts, platform.Verdict{Extension: "acme/also", Image: "run", Verdict: "apply", Reasons: []string{"has no effect by itself, but is applied together with: acme/" + tag}})
		label, err := r.Explanation(platform.Group{}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		return labelledApp(tag, distro, label)
	}
	always := platform.Resolution{
		RunImage: platform.ResolvedImage{Image: "registry.example/run:noble"}, Result: platform.Result{RunImage: "registry.example/run:noble", ExtendRun: true},
		Verdicts: []platform.Verdict{{Extension: "acme/ca", Image: "run", Verdict: "apply", Reasons: []string{"always-apply is set in the extension's extension.toml"}}},
	}
	label, err := always.Explanation(platform.Group{}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	lost := platform.Explanation{} // a label without reasons does not say that it is applied along
	if err := json.Unmarshal([]byte(label), &lost); err != nil {
		t.Fatal(err)
	}
	lost.Verdicts[0].Reasons, lost.Cut = nil, &platform.ExplanationCut{Reasons: 1}
	cut, err := json.Marshal(lost)
	if err != nil {
		t.Fatal(err)
	}
	var many []string
	for n := range 100 {
		many = append(many, fmt.Sprintf("library-%d >= %d", n, n))
	}
	const noble, alpine = "registry.example/run:noble", "registry.example/run:alpine"
	images := map[string]v1.Image{
		"java": build("java", "ubuntu", noble, "jre >= 17"), "shop": build("shop", "ubuntu", noble, "jre >= 17", "curl"),
		"node": build("node", "alpine", alpine, "node >= 20"), "corp": build("corp", "ubuntu", noble, "corp-agent"), "many": build("many", "ubuntu", noble, many...),
		"always": labelledApp("always", "ubuntu", label), "unlabelled": lifecycletest.Debian(),
		"cut": labelledApp("cut", "ubuntu", string(cut)),
	}
	images["latest"] = images["java"]
	images["sha256-"+strings.Repeat("2", 64)+".sig"] = lifecycletest.Scratch()
	return images
}

func labelledApp(tag, distro, label string) v1.Image {
	return lifecycletest.Labelled(lifecycletest.Scratch(), map[string]string{
		"app": tag, platform.LifecycleMetadataLabel: "{}", platform.ResolutionLabel: label, platform.DistroNameLabel: distro,
	})
}

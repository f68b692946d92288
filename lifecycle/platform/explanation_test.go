package platform_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// explained is a resolution as a detector records it, with everything that the label may show.
func explained() (*platform.Resolution, platform.Group) {
	r := &platform.Resolution{
		RunImage: platform.ResolvedImage{Image: "registry.example/run:noble", Digest: "sha256:" + strings.Repeat("a", 64), Inventory: "referrer"},
		Requirements: []platform.Requirement{{
			Name: "curl", RequiredBy: "acme/app@1.2.3", By: &platform.ResolvedModule{Kind: "buildpack", ID: "acme/app", Version: "1.2.3"},
			Version: ">= 7", Contexts: []string{"launch"}, MetBy: []string{"run-image", "acme/curl@0.1.0"}, Rule: "deb", Evidence: []string{"pkg:deb/debian/curl"},
		}},
		Verdicts: []platform.Verdict{
			{Extension: "acme/curl", Image: "run", Dockerfile: "generated/acme_curl/run.Dockerfile", Verdict: "satisfied", Reasons: []string{
				"curl, required by acme/app at launch, is provided by curl 7.88.1-10+deb12u12",
				"unpinned installs do not look for newer versions: curl 7.88.1-10+deb12u12 is already installed",
			}},
			{Extension: "acme/gd", Image: "run", Dockerfile: "generated/acme_gd/run.Dockerfile", Verdict: "apply", Reasons: []string{
				"line 4: apt-get install: libgd3=2.3 is not installed", "line 5: update-things --now is not understood",
			}, Instructions: []platform.Instruction{{Line: 4, Effect: true, Reason: "apt-get install: libgd3 is not installed", Lacks: []string{"libgd3=2.3"}}}},
		},
		Result: platform.Result{RunImage: "registry.example/run:noble", ExtendRun: true},
	}
	g := platform.Group{
		Buildpacks: []platform.Module{{ID: "acme/app", Version: "1.2.3"}},
		Extensions: []platform.Module{{ID: "acme/curl", Version: "0.1.0"}, {ID: "acme/gd", Version: "1"}},
	}
	return r, g
}

func TestExplanation(t *testing.T) {
	r, g := explained()
	got, err := r.Explanation(g).Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":"1.0","run-image":{"name":"registry.example/run:noble","digest":"sha256:` + strings.Repeat("a", 64) + `"},"inventory":"referrer",` +
		`"group":[{"id":"acme/curl","version":"0.1.0","extension":true},{"id":"acme/gd","version":"1","extension":true},{"id":"acme/app","version":"1.2.3"}],` +
		`"requirements":[{"name":"curl","version":">= 7","required-by":"acme/app@1.2.3","contexts":["launch"],"met-by":["run-image","acme/curl@0.1.0"],"evidence":["pkg:deb/debian/curl"]}],` +
		`"verdicts":[{"extension":"acme/curl","image":"run","verdict":"satisfied","reasons":[` +
		`"curl, required by acme/app at launch, is provided by curl 7.88.1-10+deb12u12",` +
		`"unpinned installs do not look for newer versions: curl 7.88.1-10+deb12u12 is already installed"]},` +
		`{"extension":"acme/gd","image":"run","verdict":"apply","reasons":["line 4: apt-get install: libgd3=2.3 is not installed","line 5: … is not understood"]}],` +
		`"result":{"run-image":"registry.example/run:noble","extend-run":true}}`
	if diff := cmp.Diff(want, strings.ReplaceAll(got, `\u003e`, ">")); diff != "" {
		t.Error(diff)
	}
	r.RunImage.Inventory = "generated"
	first, err := r.Explanation(g).Encode()
	r.RunImage.Inventory = "cache"
	if again, err1 := r.Explanation(g).Encode(); err != nil || err1 != nil || first != again {
		t.Errorf("with a cached inventory, the label is %s, not %s (%v, %v)", again, first, err, err1)
	}
}

// TestExplanationHasNoSecrets puts a secret wherever a build may have one.
func TestExplanationHasNoSecrets(t *testing.T) {
	const secret = "hunter2"
	url := "https://user:" + secret + "@host.example/x?token=" + secret
	for name, plant := range map[string]func(*platform.Resolution, *platform.Group){
		"reason, URL": func(r *platform.Resolution, _ *platform.Group) {
			r.Verdicts[1].Reasons[0] = "line 5: curl -fsSL " + url + " is not understood"
		},
		"reason, word": func(r *platform.Resolution, _ *platform.Group) {
			r.Verdicts[1].Reasons[0] = "line 5: login " + secret + " is not understood"
		},
		"reason, quoted": func(r *platform.Resolution, _ *platform.Group) {
			r.Verdicts[1].Reasons[0] = `line 5: echo "` + secret + `" is not understood`
		},
		"reason, environment": func(r *platform.Resolution, _ *platform.Group) {
			r.Verdicts[1].Reasons[0] = "line 5: the image has TOKEN=" + secret
		},
		"reason, after line": func(r *platform.Resolution, _ *platform.Group) {
			r.Verdicts[1].Reasons[0] = "line " + secret + ": line " + secret
		},
		"reason, after package": func(r *platform.Resolution, _ *platform.Group) {
			r.Verdicts[1].Reasons[0] = "line 4: curl " + secret + " is not understood"
		},
		"reason, path": func(r *platform.Resolution, _ *platform.Group) {
			r.Verdicts[1].Reasons[0] = "line 4: rm: /home/" + secret + " is not a cache"
		},
		"reason, like a requirement": func(r *platform.Resolution, _ *platform.Group) {
			r.Verdicts[1].Reasons[0] = "line 4: curl, required by acme/app at " + secret
		},
		"build arg, as a package": func(r *platform.Resolution, _ *platform.Group) {
			r.Verdicts[1].Reasons[0] = "line 4: apt-get install: " + secret + " is not installed"
			r.Verdicts[1].Instructions = []platform.Instruction{{Line: 4, Effect: true, Lacks: []string{secret}, Expanded: true}}
		},
		"build arg, as a pin": func(r *platform.Resolution, _ *platform.Group) {
			r.Verdicts[1].Reasons[0] = "line 4: apt-get install: libgd3=" + secret + " is not installed"
			r.Verdicts[1].Instructions[0].Lacks = []string{"libgd3=" + secret}
		},
		"instruction":     func(r *platform.Resolution, _ *platform.Group) { r.Verdicts[1].Instructions[0].Reason = url },
		"Dockerfile":      func(r *platform.Resolution, _ *platform.Group) { r.Verdicts[1].Dockerfile = "/home/" + secret },
		"switch":          func(r *platform.Resolution, _ *platform.Group) { r.Verdicts[1].SwitchTo = url },
		"constraint":      func(r *platform.Resolution, _ *platform.Group) { r.Requirements[0].Version = secret },
		"constraint, URL": func(r *platform.Resolution, _ *platform.Group) { r.Requirements[0].Version = url },
		"constraint, reason": func(r *platform.Resolution, _ *platform.Group) {
			r.Requirements[0].Version = ">= " + secret
			r.Verdicts[0].Reasons[0] = "curl, required by acme/app at launch, is not met: the image has curl 7.88, which is not >= " + secret
		},
		"requirement": func(r *platform.Resolution, _ *platform.Group) { r.Requirements[0].Name = url },
		"requirement, user": func(r *platform.Resolution, _ *platform.Group) {
			r.Requirements[0].Name = "user:" + secret + "@host.example/x"
		},
		"requirement, query": func(r *platform.Resolution, _ *platform.Group) {
			r.Requirements[0].Name = "pkg:deb/debian/curl?token=" + secret
		},
		"requirer": func(r *platform.Resolution, _ *platform.Group) {
			r.Requirements[0].RequiredBy, r.Requirements[0].By = url, nil
			r.Verdicts[0].Reasons[0] = "curl, required by " + url + " at launch, is provided by curl 7"
		},
		"metadata keys": func(r *platform.Resolution, _ *platform.Group) { r.Requirements[0].Asks = []string{secret} },
		"evidence": func(r *platform.Resolution, _ *platform.Group) {
			r.Requirements[0].Evidence = []string{"file:/home/" + secret}
		},
		"evidence, qualifier": func(r *platform.Resolution, _ *platform.Group) {
			r.Requirements[0].Evidence = []string{"pkg:deb/debian/curl?download_url=" + url}
		},
		"run image":       func(r *platform.Resolution, _ *platform.Group) { r.RunImage.Image = url },
		"run image, path": func(r *platform.Resolution, _ *platform.Group) { r.RunImage.Image = "oci:/home/" + secret + "/run" },
		"digest":          func(r *platform.Resolution, _ *platform.Group) { r.RunImage.Digest = secret },
		"result":          func(r *platform.Resolution, _ *platform.Group) { r.Result.RunImage = url },
		"mirror as result": func(r *platform.Resolution, _ *platform.Group) {
			r.Result.RunImage = "user:" + secret + "@mirror.example/run"
		},
		"policy": func(r *platform.Resolution, _ *platform.Group) {
			r.Policy.Keys, r.Policy.TrustedRoot = []string{secret}, secret
		},
		"homepage": func(_ *platform.Resolution, g *platform.Group) { g.Buildpacks[0].Homepage = url },
	} {
		r, g := explained()
		plant(r, &g)
		label, err := r.Explanation(g).Encode()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(label, secret) {
			t.Errorf("%s: the label is %s", name, label)
		}
		if _, err := platform.DecodeExplanation(label); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExplanationIsBounded says what is cut.
func TestExplanationIsBounded(t *testing.T) {
	for requirements, verdicts := range map[int]int{1: 200, 300: 1, 40: 10, 200: 200} {
		r, g := explained()
		one, two := r.Requirements[0], r.Verdicts[0]
		r.Requirements, r.Verdicts, g.Buildpacks = nil, nil, nil
		for i := range requirements {
			one.Name = fmt.Sprintf("name-%d", i)
			r.Requirements = append(r.Requirements, one)
			g.Buildpacks = append(g.Buildpacks, platform.Module{ID: fmt.Sprintf("acme/buildpack-%d", i), Version: "1"})
		}
		for i := range verdicts {
			two.Extension = fmt.Sprintf("acme/extension-%d", i)
			r.Verdicts = append(r.Verdicts, two)
		}
		label, err := r.Explanation(g).RebasedOn("registry.example/run:2", "sha256:"+strings.Repeat("b", 64)).Encode()
		if err != nil || len(label) > platform.MaxExplanation || len(label) < platform.MaxExplanation/2 {
			t.Errorf("%d bytes, %v", len(label), err)
		}
		e, err := platform.DecodeExplanation(label)
		if err != nil {
			t.Fatal(err)
		}
		if e.Cut == nil {
			t.Fatal("nothing is cut")
		}
		kept := 0
		for _, v := range e.Verdicts {
			kept += len(v.Reasons)
		}
		if got := kept + e.Cut.Reasons; got != 2*verdicts {
			t.Errorf("%d of %d reasons", got, 2*verdicts)
		}
		if len(e.Requirements)+e.Cut.Requirements != requirements || len(e.Verdicts)+e.Cut.Verdicts != verdicts || len(e.Group)+e.Cut.Group != requirements+2 {
			t.Errorf("%+v of %d requirements and %d verdicts", e.Cut, requirements, verdicts)
		}
	}
}

// TestExplanationRoundTrip encodes and decodes any resolution.
func TestExplanationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"curl", ">= 7", "acme/app@1", "run-image", "pkg:deb/debian/curl", "registry.example/run", "satisfied", "line 5: x is not understood"}))
		texts := rapid.SliceOfN(text, 0, 4)
		r := platform.Resolution{RunImage: platform.ResolvedImage{Image: text.Draw(t, "image"), Digest: text.Draw(t, "digest"), Inventory: text.Draw(t, "inventory")}}
		r.Result = platform.Result{RunImage: text.Draw(t, "result"), ExtendRun: rapid.Bool().Draw(t, "extend")}
		for range rapid.IntRange(0, 20).Draw(t, "requirements") {
			r.Requirements = append(r.Requirements, platform.Requirement{
				Name: text.Draw(t, "name"), Version: text.Draw(t, "version"), RequiredBy: text.Draw(t, "by"),
				Contexts: texts.Draw(t, "contexts"), MetBy: texts.Draw(t, "met"), Evidence: texts.Draw(t, "evidence"),
			})
		}
		for range rapid.IntRange(0, 20).Draw(t, "verdicts") {
			r.Verdicts = append(r.Verdicts, platform.Verdict{Extension: text.Draw(t, "extension"), Image: "run", Verdict: text.Draw(t, "verdict"), SwitchTo: text.Draw(t, "to"), Reasons: texts.Draw(t, "reasons")})
		}
		label, err := r.Explanation(platform.Group{Extensions: []platform.Module{{ID: text.Draw(t, "id"), Version: text.Draw(t, "v")}}}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		decodeAgain(t, label)
	})
}

type failing interface {
	Helper()
	Fatalf(format string, args ...any)
}

// decodeAgain decodes a label, encodes it and decodes it again.
func decodeAgain(t failing, label string) {
	t.Helper()
	if len(label) > platform.MaxExplanation {
		t.Fatalf("%d bytes", len(label))
	}
	e, err := platform.DecodeExplanation(label)
	if err != nil {
		t.Fatalf("%s: %v", label, err)
	}
	again, err := e.Encode()
	if err != nil {
		t.Fatalf("%s: %v", label, err)
	}
	back, err := platform.DecodeExplanation(again)
	if err != nil {
		t.Fatalf("%s: %v", again, err)
	}
	if diff := cmp.Diff(e, back, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(platform.Explanation{}, "Version")); diff != "" {
		t.Fatalf("%s: %s", label, diff)
	}
}

// FuzzExplanation reads a label that anybody may have written.
func FuzzExplanation(f *testing.F) {
	r, g := explained()
	label, err := r.Explanation(g).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(label)
	f.Add(`{"version":"1.9","cut":{"reasons":-1},"rebased":{"name":"x"},"new":1}`)
	f.Add(`{"version":"1.0","verdicts":[{"extension":"\u001b[2J"}]}`)
	f.Fuzz(func(t *testing.T, label string) {
		e, err := platform.DecodeExplanation(label)
		if err != nil {
			return
		}
		if text, err := e.Encode(); err == nil && len(text) == len(label) {
			decodeAgain(t, text)
		}
		r := e.Resolution()
		if _, err := r.Encode(); err != nil {
			t.Errorf("%q: %v", label, err)
		}
	})
}

func TestDecodeRequirements(t *testing.T) {
	for label, says := range map[string]string{
		`{"version": "1.0", "requirements": [{"name": "curl", "constraint": ">= 1"}]}`: "",
		`{"version": "1.0", "requirements": [{"name": "curl\u001b[2J"}]}`:              "control characters",
		`{"version": "1.0", "requirements": [{"name": "curl", "rule": "\u202e"}]}`:     "control characters",
	} {
		_, err := platform.DecodeRequirements(label)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", label, err)
		}
	}
}

func TestDecodeExplanation(t *testing.T) {
	for label, says := range map[string]string{
		``:                   "unexpected end",
		`{}`:                 "missing: want",
		`{"version": "2.0"}`: "2.0",
		`{"version": "1.0", "verdicts": [{"extension": "\u001b]0;x"}]}`: "control characters",
		`{"version": "1.0", "group": [{"id": "\u202e"}]}`:               "control characters",
		`{"version": "1.0", "x": "` + strings.Repeat("x", 8192) + `"}`:  "larger than the limit of 8192 bytes",
		`{"version": "1.0", "verdicts": {}}`:                            "cannot unmarshal",
	} {
		if _, err := platform.DecodeExplanation(label); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.80s: %v", label, err)
		}
	}
	e, err := platform.DecodeExplanation(`{"version": "1.7", "group": [{"id": "a", "extension": true, "new": 1}], "new": {}}`)
	if err != nil || !slices.Equal(e.Group, []platform.ExplainedModule{{ID: "a", Extension: true}}) {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := json.Marshal(e); err != nil {
		t.Error(err)
	}
}

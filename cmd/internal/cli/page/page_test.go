package page_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"

	"github.com/baseplan/baseplan/cmd/internal/cli/page"
	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/attach"
)

var update = flag.Bool("update", false, "write testdata/page.html")

// TestGolden holds the whole page. Look at it in a browser before it is updated.
func TestGolden(t *testing.T) {
	got := sample().HTML()
	if *update {
		if err := os.WriteFile("testdata/page.html", got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/page.html")
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPageIsSelfContained: no script, nothing from elsewhere.
func TestPageIsSelfContained(t *testing.T) {
	html := sample().HTML()
	for _, e := range elements(t, html) {
		if slices.Contains([]string{"script", "img", "iframe", "object", "embed", "form", "base", "image", "use"}, e.Name.Local) {
			t.Errorf("there is an element %s", e.Name.Local)
		}
		for _, a := range e.Attr {
			harmless := a.Name.Local == "href" && a.Value == "data:," || a.Name.Local == "marker-end" && strings.HasPrefix(a.Value, "url(#")
			if strings.HasPrefix(a.Name.Local, "on") || !harmless && slices.Contains([]string{"href", "src", "srcset", "style"}, a.Name.Local) {
				t.Errorf("%s has %s=%q", e.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
	if m := regexp.MustCompile(`url\([^#]|@import`).Find(html); m != nil {
		t.Errorf("the style sheet has %q", m)
	}
}

// TestHostile draws names that would be markup, script or control characters. What comes out has the
// same elements as with harmless names, and is well-formed.
func TestHostile(t *testing.T) {
	structure := func(p page.Page) []string {
		var names []string
		for _, e := range elements(t, p.HTML()) {
			names = append(names, e.Name.Local)
		}
		return names
	}
	harmless := strings.Repeat("x", 40)
	for _, hostile := range []string{
		`</title><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</style><script>alert(1)</script>`, `{{.Secret}}`,
		`javascript:alert(1)`, `]]><!--`, "a\x00b\x1b[31mc", "\u202Egnirts\u2066", "\xff\xfe", `&lt;b&gt;`, "`${alert(1)}`", `' onload='alert(1)`,
	} {
		hostile += strings.Repeat("x", max(0, 40-len([]rune(hostile)))) // labels break into as many lines
		hostile = string([]rune(hostile)[:40])
		if diff := gocmp.Diff(count(structure(named(harmless))), count(structure(named(hostile)))); diff != "" {
			t.Errorf("%q changes the structure: -want +got:\n%s", hostile, diff)
		}
	}
}

// count leaves the order out, and the places where texts wrap.
func count(names []string) map[string]int {
	n := map[string]int{}
	for _, name := range names {
		if name != "text" && name != "wbr" {
			n[name]++
		}
	}
	return n
}

// drawn is any plan whose requirements are met by what comes before, or by nothing.
func drawn(t *rapid.T) page.Page {
	names := rapid.StringMatching(`[a-z]{1,9}(/[a-z-]{1,40}[é世]?)?`)
	p := page.Page{Resolution: platform.Resolution{RunImage: platform.ResolvedImage{Image: names.Draw(t, "image")}}}
	providers := []string{platform.RunImageProvider, platform.BuildImageProvider}
	for i := range rapid.IntRange(0, 9).Draw(t, "modules") {
		m := resolver.Module{Kind: resolver.Buildpack, ID: names.Draw(t, "id"), Version: strconv.Itoa(i)}
		if rapid.Bool().Draw(t, "extension") {
			m.Kind = resolver.Extension
			verdict := rapid.SampledFrom([]string{"satisfied", "apply", "switch", "pending", "no-effect"}).Draw(t, "verdict")
			p.Resolution.Verdicts = append(p.Resolution.Verdicts, platform.Verdict{Extension: m.ID, Image: "run", Verdict: verdict})
		}
		p.Group, providers = append(p.Group, m), append(providers, m.String())
		for range rapid.IntRange(0, 3).Draw(t, "requirements") {
			p.Resolution.Requirements = append(p.Resolution.Requirements, platform.Requirement{
				Name: names.Draw(t, "name"), RequiredBy: m.String(),
				MetBy: rapid.SliceOfNDistinct(rapid.SampledFrom(providers), 0, 3, rapid.ID[string]).Draw(t, "met by"),
			})
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "dropped") {
		p.Dropped = append(p.Dropped, page.Dropped{Module: names.Draw(t, "dropped"), Why: "it was"})
	}
	return p
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// elements reads HTML as strictly as XML is read.
func elements(t fataler, html []byte) []xml.StartElement {
	t.Helper()
	var all []xml.StartElement
	for d := xml.NewDecoder(bytes.NewReader(html)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			all = append(all, e.Copy())
		}
	}
}

// named is a page on which every text that comes from others is the same.
func named(s string) page.Page {
	created := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	return page.Page{
		Resolution: platform.Resolution{
			Policy:       platform.Policy{RunSBOM: platform.RunSBOM(s)},
			RunImage:     platform.ResolvedImage{Image: s, Digest: s, Inventory: s},
			Requirements: []platform.Requirement{{Name: s, RequiredBy: s, Version: s, Contexts: []string{s}, MetBy: []string{s, platform.RunImageProvider}, Evidence: []string{s}}},
			Verdicts: []platform.Verdict{{
				Extension: s, Image: s, Dockerfile: s, Verdict: s, SwitchTo: s, Reasons: []string{s}, Instructions: []platform.Instruction{{Line: 1, Reason: s, Lacks: []string{s}}},
			}},
			Result: platform.Result{RunImage: s + "2"},
		},
		Group:   []resolver.Module{{Kind: resolver.Extension, ID: s}},
		Dropped: []page.Dropped{{Module: s, Why: s}}, Broken: []string{s}, Conclusion: s, Note: s, Inventory: s, Version: s, Unjudged: []string{s},
		App: page.App{Name: s, Digest: s, Version: s, Rebased: s, Created: created}, Dockerfiles: map[string][]extensions.Instruction{s: {{Line: 1, Text: s}}},
		Source:   &platform.SBOMSource{Carrier: attach.Carrier(s), Reference: s, Signature: attach.Signature{SignedBy: s}, Created: &created},
		Searched: []platform.Searched{{Carrier: attach.Carrier(s), Result: attach.Outcome(s), Detail: s}},
	}
}

// sample has something of everything that a page may show.
func sample() page.Page {
	const php, jre, app = "acme/php@8.3.1", "acme/openjdk-from-the-internet@21.0.4", "acme/app@1.2.3"
	created := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	return page.Page{
		Resolution: platform.Resolution{
			Policy:   platform.Policy{RunSBOM: platform.Auto, Proof: "plan"},
			RunImage: platform.ResolvedImage{Image: "registry.example/run:noble", Digest: "sha256:" + strings.Repeat("1f", 32), Inventory: "referrer"},
			Requirements: []platform.Requirement{
				{Name: "libgd3", RequiredBy: php, Contexts: []string{"launch"}, MetBy: []string{"acme/php-gd@0.3.0"}},
				{Name: "curl", RequiredBy: app, Version: ">= 7", Contexts: []string{"launch"}, MetBy: []string{"run-image", "acme/curl@0.1.0"}, Rule: "deb", Evidence: []string{"pkg:deb/debian/curl"}},
				{Name: "php", RequiredBy: app, Contexts: []string{"build", "launch"}, MetBy: []string{php}},
				{Name: "jre", RequiredBy: app, Version: "21", Contexts: []string{"launch"}, MetBy: []string{jre}},
				{Name: "jre", RequiredBy: jre, Version: "21", MetBy: []string{jre}},
				{Name: "ca-certificates", RequiredBy: app, MetBy: []string{"run-image"}, Evidence: []string{"pkg:deb/debian/ca-certificates", "file:/etc/ssl/certs"}},
				{Name: "toolchain", RequiredBy: app, Contexts: []string{"build"}, MetBy: []string{"build-image"}},
			},
			Verdicts: []platform.Verdict{
				{Extension: "acme/curl", Image: "run", Dockerfile: "generated/acme_curl/run.Dockerfile", Verdict: "satisfied",
					Reasons: []string{"curl, required by acme/app at launch, is provided by curl 7.88.1-10+deb12u12"}},
				{Extension: "acme/php-gd", Image: "run", Dockerfile: "generated/acme_php-gd/run.Dockerfile", Verdict: "apply", AlwaysApply: true,
					Reasons: []string{"line 4: apt-get install: libgd3 is not installed"},
					Instructions: []platform.Instruction{
						{Line: 3, Reason: "another USER follows"}, {Line: 4, Effect: true, Reason: "apt-get install: libgd3 is not installed", Lacks: []string{"libgd3"}},
					}},
				{Extension: "acme/ubi", Image: "run", Dockerfile: "generated/acme_ubi/run.Dockerfile", Verdict: "switch", SwitchTo: "registry.example/run:noble-full"},
			},
			Result: platform.Result{RunImage: "registry.example/run:noble-full", ExtendRun: true},
		},
		Group: []resolver.Module{
			{Kind: resolver.Extension, ID: "acme/curl", Version: "0.1.0"}, {Kind: resolver.Extension, ID: "acme/php-gd", Version: "0.3.0"},
			{Kind: resolver.Extension, ID: "acme/ubi", Version: "1.0.0"}, {Kind: resolver.Buildpack, ID: "acme/php", Version: "8.3.1"},
			{Kind: resolver.Buildpack, ID: "acme/openjdk-from-the-internet", Version: "21.0.4"}, {Kind: resolver.Buildpack, ID: "acme/app", Version: "1.2.3"},
		},
		Dockerfiles: map[string][]extensions.Instruction{
			"generated/acme_curl/run.Dockerfile":   {{Line: 3, Text: "RUN apt-get update &&\\\n    apt-get install -y curl"}},
			"generated/acme_php-gd/run.Dockerfile": {{Line: 3, Text: "USER root"}, {Line: 4, Text: "RUN apt-get install -y libgd3"}, {Line: 5, Text: "USER ${user_id}"}},
		},
		Version: "1.2.3", Made: time.Date(2026, 11, 29, 16, 30, 0, 0, time.UTC),
		Dropped:    []page.Dropped{{Module: "acme/watch@0.0.1", Why: "provides watch, which nothing requires"}},
		Broken:     []string{"acme/app requires ca-certificates, which registry.example/run:noble met, but it has no ca-certificates"},
		Conclusion: "The run image is not enough: still to be applied: acme/php-gd@0.3.0 (run image).",
		Inventory:  "referrer, cyclonedx, from registry.example/run@sha256:3333",
		Source: &platform.SBOMSource{
			Carrier: "referrer", Format: "cyclonedx", Reference: "registry.example/run@sha256:" + strings.Repeat("3c", 32), Packages: 132, Signature: attach.Signature{SignedBy: "SHA256:abc"}, Created: &created,
		},
		Searched: []platform.Searched{{Carrier: "referrer", Result: "found"}, {Carrier: "layer", Result: "stale", Detail: "layer sha256:4444 is followed by 2 others"}},
	}
}

// samples are the pages that TestBrowser looks at.
func samples() map[string]page.Page {
	return map[string]page.Page{"small": sample(), "10+5": plan(10, 5), "40+10": plan(40, 10)}
}

// plan is a page for a group of so many buildpacks and extensions, of which some are skipped.
func plan(buildpacks, exts int) page.Page {
	names := []string{"curl", "libgd3", "ca-certificates", "openssl", "libpq5", "imagemagick-6-common", "git", "libonig5", "fontconfig", "tzdata"}
	kinds := []string{"openjdk-from-the-internet", "node-engine", "php-distribution", "go", "apache-tomcat-with-everything", "yarn", "nginx"}
	p := sample()
	p.Group, p.Dropped, p.Broken, p.Resolution.Requirements, p.Resolution.Verdicts, p.Resolution.Result = nil, p.Dropped[:1], nil, nil, nil, platform.Result{ExtendRun: true, RunImage: p.Resolution.RunImage.Image}
	for i := range exts {
		m := resolver.Module{Kind: resolver.Extension, ID: "acme/" + names[i%len(names)], Version: fmt.Sprintf("0.%d.0", i)}
		v := platform.Verdict{Extension: m.ID, Image: "run", Dockerfile: "generated/acme_" + names[i%len(names)] + "/run.Dockerfile", Verdict: "satisfied", Reasons: []string{names[i%len(names)] + ", required by acme/app at launch, is provided by the run image"}}
		if i%5 > 1 {
			v.Verdict, v.Reasons = "apply", []string{"line 4: apt-get install: " + names[i%len(names)] + " is not installed"}
			v.Instructions = []platform.Instruction{{Line: 3, Reason: "another USER follows"}, {Line: 4, Effect: true, Lacks: names[i%len(names) : i%len(names)+1], Reason: "apt-get install: not installed"}}
		}
		p.Dockerfiles[v.Dockerfile] = []extensions.Instruction{{Line: 3, Text: "USER root"}, {Line: 4, Text: "RUN apt-get update && apt-get install -y --no-install-recommends " + names[i%len(names)] + " &&\\\n    rm -rf /var/lib/apt/lists/*"}}
		p.Group, p.Resolution.Verdicts = append(p.Group, m), append(p.Resolution.Verdicts, v)
	}
	var before []string
	for i := range buildpacks {
		m := resolver.Module{Kind: resolver.Buildpack, ID: "acme/" + kinds[i%len(kinds)], Version: fmt.Sprintf("%d.0.%d", i, i*7)}
		p.Group = append(p.Group, m)
		need := func(name string, by ...string) {
			p.Resolution.Requirements = append(p.Resolution.Requirements, platform.Requirement{Name: name, RequiredBy: m.String(), Contexts: []string{"launch"}, MetBy: by})
		}
		for k := range 1 + i%2 {
			n := (i*3 + k*2) % len(names)
			switch {
			case n < exts && n%5 > 1:
				need(names[n], p.Group[n].String())
			case n < exts:
				need(names[n], platform.RunImageProvider, p.Group[n].String())
			default:
				need(names[n], platform.RunImageProvider)
			}
		}
		if len(before) > 0 && i%3 != 0 {
			need(kinds[(i-1)%len(kinds)]+fmt.Sprint(i), before[i-1])
		}
		before = append(before, m.String())
	}
	p.Conclusion = "The run image was not enough; applied: acme/ca-certificates@0.2.0 (run image)."
	p.App = page.App{Name: "registry.example/app", Digest: "sha256:" + strings.Repeat("5e", 32), Version: "1.2.2", Created: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)}
	return p
}

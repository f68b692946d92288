package page_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/cmd/internal/cli/page"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// TestHeadline: the first line is the answer.
func TestHeadline(t *testing.T) {
	verdict := func(id, image, outcome string, lacks ...string) platform.Verdict {
		return platform.Verdict{Extension: id, Image: image, Verdict: outcome, Instructions: []platform.Instruction{{Line: 3, Lacks: lacks}}}
	}
	judged := func(result platform.Result, verdicts ...platform.Verdict) page.Page {
		return page.Page{Resolution: platform.Resolution{Result: result, Verdicts: verdicts}}
	}
	enough, full := platform.Result{RunImage: "run"}, platform.Result{RunImage: "full"}
	extend := platform.Result{RunImage: "run", ExtendRun: true}
	broken := judged(full, verdict("a", "run", "switch"))
	broken.Broken = []string{"curl"}
	explained := judged(extend, verdict("a", "run", "apply"))
	explained.App.Name = "app"
	unjudged := judged(enough)
	unjudged.Group, unjudged.Unjudged = []resolver.Module{{Kind: resolver.Extension, ID: "a"}}, []string{"a"}
	for want, p := range map[string]page.Page{
		"No extensions; run image run is enough":                      judged(enough),
		"1 of 1 extension skipped; run image run is enough":           judged(enough, verdict("a", "run", "satisfied")),
		"0 of 1 extension skipped; run image run lacks a, b, c and d": judged(extend, verdict("a", "run", "apply", "a", "b", "c", "d")),
		"1 of 2 extensions skipped; run image run lacks curl and git": judged(extend, verdict("a", "run", "no-effect"), verdict("b", "run", "apply", "curl", "git", "curl")),

		"0 of 1 extension skipped; run image run lacks a, b, c and 2 more packages":  judged(extend, verdict("a", "run", "apply", "a", "b", "c", "d", "e")),
		"0 of 1 extension skipped; run image run is not enough":                      judged(extend, verdict("a", "build", "apply", "gcc"), verdict("a", "run", "apply")),
		"0 of 1 extension skipped; the build image lacks gcc":                        judged(platform.Result{RunImage: "run", ExtendBuild: true}, verdict("a", "build", "apply", "gcc"), verdict("a", "run", "satisfied")),
		"0 of 1 extension skipped; whether run image run is enough is not known yet": judged(extend, verdict("a", "run", "pending")),
		"0 of 1 extension skipped; run image full, after a switch, is enough":        judged(full, verdict("a", "run", "switch")),
		"0 of 1 extension skipped; run image full is not enough":                     broken,
		"0 of 1 extension skipped; run image run was not enough":                     explained,
		"0 of 1 extension skipped; whether run image run is enough is not known":     unjudged,
	} {
		p.Resolution.RunImage.Image = "run"
		var html struct {
			Title string `xml:"head>title"`
			H1    struct {
				Class string `xml:"class,attr"`
				Text  string `xml:",chardata"`
			} `xml:"body>main>h1"`
		}
		if err := xml.Unmarshal(p.HTML(), &html); err != nil {
			t.Fatal(err)
		}
		if html.H1.Text != want || html.Title != want {
			t.Errorf("%q, %q, want %q", html.H1.Text, html.Title, want)
		}
		if enough := strings.HasSuffix(want, "is enough"); (html.H1.Class == "enough") != enough {
			t.Errorf("%q has class %q", want, html.H1.Class)
		}
	}
}

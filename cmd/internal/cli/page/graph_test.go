package page_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/cmd/internal/cli/page"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// TestGraphs draws any plan: the same every time, every node within the drawing and none upon another, the edges of
// the plan and no others, none across a box, and no word broken.
func TestGraphs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		html := p.HTML()
		if !bytes.Equal(html, p.HTML()) {
			t.Fatal("not the same twice")
		}
		for _, name := range []string{"wide", "medium"} {
			checkGraph(t, p, svg(t, html, name))
		}
	})
}

// TestSampleGraphs checks the graphs that TestBrowser looks at.
func TestSampleGraphs(t *testing.T) {
	for name, p := range samples() {
		t.Run(name, func(t *testing.T) {
			for _, drawing := range []string{"wide", "medium"} {
				checkGraph(t, p, svg(t, p.HTML(), drawing))
			}
		})
	}
}

// A picture is the SVG of a graph.
type picture struct {
	Width  float64 `xml:"width,attr"`
	Height float64 `xml:"height,attr"`
	Groups []struct {
		Title string `xml:"title"`
		Rect  rect   `xml:"rect"`
		Paths []struct {
			D string `xml:"d,attr"`
		} `xml:"path"`
		Texts []struct {
			Class string  `xml:"class,attr"`
			X     float64 `xml:"x,attr"`
			Y     float64 `xml:"y,attr"`
			Text  string  `xml:",chardata"`
		} `xml:"text"`
	} `xml:"g"`
}

type rect struct {
	X float64 `xml:"x,attr"`
	Y float64 `xml:"y,attr"`
	W float64 `xml:"width,attr"`
	H float64 `xml:"height,attr"`
}

func (r rect) right() float64  { return r.X + r.W }
func (r rect) bottom() float64 { return r.Y + r.H }

// svg returns the graph with that name.
func svg(t fataler, html []byte, name string) picture {
	_, after, found := bytes.Cut(html, []byte(`class="`+name+`"`))
	body, _, _ := bytes.Cut(after, []byte("</svg>"))
	var p picture
	if err := xml.Unmarshal(fmt.Appendf(nil, "<svg %s</svg>", body), &p); err != nil || !found {
		t.Fatalf("graph %s: found %t, %v", name, found, err)
	}
	return p
}

func checkGraph(t fataler, p page.Page, pic picture) {
	t.Helper()
	checkBoxes(t, p, pic)
	checkEdges(t, p, pic)
	for _, g := range pic.Groups {
		var lines []string
		for _, text := range g.Texts {
			lines = append(lines, text.Text)
			if half := width(text.Text) / 2; text.X-half < g.Rect.X || text.X+half > g.Rect.right() || text.Y-10 < g.Rect.Y || text.Y+4 > g.Rect.bottom() {
				t.Fatalf("%q does not fit its box %+v", text.Text, g.Rect)
			}
		}
		checkLines(t, g.Title, lines)
	}
}

// width is that of a text in pixels, or more: DejaVu Sans Mono is among the widest fonts of its kind.
func width(s string) (w float64) {
	for _, r := range s {
		if w += 7.6; r >= 0x2E80 {
			w += 7.6
		}
	}
	return w
}

// checkLines checks that lines end where no word breaks.
func checkLines(t fataler, title string, lines []string) {
	t.Helper()
	rest := title
	for i, line := range lines {
		after, found := strings.CutPrefix(rest, line)
		if !found {
			t.Fatalf("%q is in the lines %q", title, lines)
		}
		rest = strings.TrimPrefix(strings.TrimPrefix(after, ","), " ")
		digest := strings.Contains(title, "sha256:") && (strings.HasSuffix(line, ":") || len(line) >= 16)
		if i < len(lines)-1 && rest == after && !strings.ContainsAny(line[len(line)-1:], "/,-") && !strings.HasPrefix(rest, "@") && !digest {
			t.Fatalf("a word of %q is broken: %q", title, lines)
		}
	}
	if rest != "" {
		t.Fatalf("%q is not in the lines %q of %q", rest, lines, title)
	}
}

func checkBoxes(t fataler, p page.Page, pic picture) {
	t.Helper()
	var titles []string
	for i, g := range pic.Groups {
		titles = append(titles, g.Title)
		a := g.Rect
		if a.X < 0 || a.Y < 0 || a.right() > pic.Width || a.bottom() > pic.Height {
			t.Fatalf("%+v is not within %v×%v", a, pic.Width, pic.Height)
		}
		for _, other := range pic.Groups[:i] {
			if b := other.Rect; a.X < b.right() && b.X < a.right() && a.Y < b.bottom() && b.Y < a.bottom() {
				t.Fatalf("%+v is upon %+v", a, b)
			}
		}
	}
	names := []string{p.Resolution.RunImage.Image}
	for _, m := range p.Group {
		names = append(names, m.String())
	}
	for _, d := range p.Dropped {
		names = append(names, d.Module)
	}
	for _, name := range names {
		if !slices.ContainsFunc(titles, func(title string) bool { return strings.HasPrefix(title, name) }) {
			t.Fatalf("%s is not in the graph", name)
		}
	}
}

// checkEdges follows the edges: each leads from the right side of a box to the left side of another, through no box
// and to no point of another edge, and together they are the plan.
func checkEdges(t fataler, p page.Page, pic picture) {
	t.Helper()
	got, ends := map[string]bool{}, map[[2]float64]bool{}
	for _, g := range pic.Groups {
		for _, path := range g.Paths {
			curve := points(t, path.D)
			first, last := curve[0], curve[len(curve)-1]
			if ends[first] || ends[last] {
				t.Fatalf("two edges end at the same point: %s", path.D)
			}
			ends[first], ends[last] = true, true
			if first[0] != g.Rect.right() || first[1] <= g.Rect.Y || first[1] >= g.Rect.bottom() {
				t.Fatalf("%s does not begin at its box %+v", path.D, g.Rect)
			}
			to := ""
			for _, other := range pic.Groups {
				r := other.Rect
				if last[0] == r.X && last[1] > r.Y && last[1] < r.bottom() {
					to = other.Title
				}
				for _, at := range curve[1 : len(curve)-1] {
					if at[0] > r.X && at[0] < r.right() && at[1] > r.Y && at[1] < r.bottom() {
						t.Fatalf("%s crosses the box of %s", path.D, other.Title)
					}
				}
			}
			got[g.Title+" → "+to] = true
		}
	}
	if diff := gocmp.Diff(edges(p, pic), got); diff != "" {
		t.Fatalf("edges: -plan +drawn:\n%s", diff)
	}
}

// edges are those of the plan, by the titles of the boxes.
func edges(p page.Page, pic picture) map[string]bool {
	var columns []float64
	for _, g := range pic.Groups {
		columns = append(columns, g.Rect.X)
	}
	slices.Sort(columns)
	columns = slices.Compact(columns)
	column := func(x int, name string) string { // the box in that column, with exactly this text or with a note
		for _, match := range []func(string) bool{
			func(title string) bool { return title == name }, func(title string) bool { return strings.HasPrefix(title, name+", ") },
		} {
			for _, g := range pic.Groups {
				if g.Rect.X == columns[x] && match(g.Title) {
					return g.Title
				}
			}
		}
		return "nothing"
	}
	want := map[string]bool{}
	for _, r := range p.Resolution.Requirements {
		text := strings.TrimSpace(r.Name + " " + r.Version)
		if contexts := strings.Join(r.Contexts, ", "); contexts != "" {
			text += ", " + contexts
		}
		name := column(1, text)
		want[name+" → "+column(2, r.RequiredBy)] = true
		for _, by := range r.MetBy {
			switch by {
			case platform.RunImageProvider:
				by = p.Resolution.RunImage.Image
				if final := p.Resolution.Result.RunImage; final != "" && final != by {
					by += " → " + final
				}
			case platform.BuildImageProvider:
				by = "build image"
			}
			want[column(0, by)+" → "+name] = true
		}
	}
	return want
}

// points are those of a path of cubic curves, "M1 2C3 4 5 6 7 8".
func points(t fataler, path string) (all [][2]float64) {
	var x0, y0, x1, y1, x2, y2, x3, y3 float64
	if n, err := fmt.Sscanf(path, "M%f %fC%f %f %f %f %f %f", &x0, &y0, &x1, &y1, &x2, &y2, &x3, &y3); n != 8 {
		t.Fatalf("path %q: %v", path, err)
	}
	const steps = 64
	for i := range steps + 1 {
		b := float64(i) / steps
		a := 1 - b
		all = append(all, [2]float64{a*a*a*x0 + 3*a*a*b*x1 + 3*a*b*b*x2 + b*b*b*x3, a*a*a*y0 + 3*a*a*b*y1 + 3*a*b*b*y2 + b*b*b*y3})
	}
	return all
}

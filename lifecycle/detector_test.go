package lifecycle_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

func version(t testing.TB, v string) api.Version {
	t.Helper()
	parsed, err := api.Parse(v)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A record is what a phase logged, by level.
type record struct{ bytes.Buffer }

func (r *record) log(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(&r.Buffer, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// observed is a detection that was observed elsewhere; see resolver/testdata/README.md.
type observed struct {
	Case       int
	Order      [][]observedElement
	Extensions [][]observedElement `json:"order-extensions"`
	Plans      map[string]observedPlan
	DetectExit map[string]int `json:"detect-exit"`
	Want       observedOutcome
}

type observedElement struct {
	ID       string
	Optional bool
}

type observedSection struct{ Provides, Requires []string }

type observedPlan struct {
	observedSection
	Or []observedSection
}

type observedOutcome struct {
	Exit       int             `json:"exit"`
	Group      []string        `json:"group"`
	Extensions []string        `json:"group-extensions"`
	Plan       []observedEntry `json:"plan"`
}

type observedEntry struct {
	Name      string
	Providers []string
	Requires  int
}

// TestObservedDetections runs the detections with real bin/detect executables.
func TestObservedDetections(t *testing.T) {
	file, err := os.Open("../resolver/testdata/resolution.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	cases := 0
	for ; lines.Scan(); cases++ {
		var o observed
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint(o.Case), func(t *testing.T) {
			dir := o.write(t)
			t.Parallel() // not before: a file that is being written while another test forks cannot be executed
			if diff := gocmp.Diff(o.Want, o.run(t, dir)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if lines.Err() != nil || cases != 402 {
		t.Errorf("read %d cases, want 402: %v", cases, lines.Err())
	}
}

// write writes the modules and returns their directory.
func (o observed) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for id := range o.Plans {
		m := lifecycletest.Module{ID: id, Version: "1", Extension: strings.HasPrefix(id, "e")}
		m.Files = map[string]string{
			"plan.toml":  o.plan(id),
			"bin/detect": fmt.Sprintf("#!/bin/sh\n[ ! -e %s/%s ] || exit 99\n: > %[1]s/%[2]s\n. /dev/null\nwhile read -r line; do echo \"$line\"; done < \"${0%%/bin/detect}/plan.toml\" > \"$2\"\nexit %[3]d\n", dir, id+".ran", o.DetectExit[id]),
			"bin/build":  "#!/bin/sh\n",
		}
		m.Write(t, filepath.Join(dir, map[bool]string{true: "extensions", false: "buildpacks"}[m.Extension]))
	}
	return dir
}

func (o observed) run(t *testing.T, dir string) observedOutcome {
	t.Helper()
	host := buildpack.Host{App: dir, Platform: filepath.Join(dir, "platform")}
	d := lifecycle.Detector{
		API: version(t, "0.13"), Host: host,
		Store: buildpack.Store{Buildpacks: filepath.Join(dir, "buildpacks"), Extensions: filepath.Join(dir, "extensions")},
		Order: resolver.OrderFile{Order: o.order(resolver.Buildpack, o.Order), Extensions: o.order(resolver.Extension, o.Extensions)},
	}
	found, err := d.Run(t.Context())
	if err != nil {
		return observedOutcome{Exit: int(fail.CodeOf(err))}
	}
	g := lifecycle.Generator{API: d.API, Host: host, Detection: found, Generated: filepath.Join(dir, "generated"), Policy: platform.Policy{RunSBOM: platform.Off}}
	made, err := g.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return outcomeOf(made)
}

func (o observed) plan(id string) string {
	var b strings.Builder
	section := func(prefix string, s observedSection) {
		for _, name := range s.Provides {
			fmt.Fprintf(&b, "[[%sprovides]]\nname = %q\n", prefix, name)
		}
		for _, name := range s.Requires {
			fmt.Fprintf(&b, "[[%srequires]]\nname = %q\n", prefix, name)
		}
	}
	p := o.Plans[id]
	section("", p.observedSection)
	for _, or := range p.Or {
		b.WriteString("[[or]]\n")
		section("or.", or)
	}
	return b.String()
}

func (o observed) order(kind resolver.Kind, groups [][]observedElement) resolver.Order {
	var order resolver.Order
	for _, g := range groups {
		var group resolver.Group
		for _, e := range g {
			group = append(group, resolver.Element{Module: resolver.Module{Kind: kind, ID: e.ID, Version: "1"}, Optional: e.Optional})
		}
		order = append(order, group)
	}
	return order
}

func outcomeOf(g *lifecycle.Generation) observedOutcome {
	o := observedOutcome{Group: []string{}, Extensions: []string{}, Plan: []observedEntry{}}
	for _, m := range g.Group.Buildpacks {
		o.Group = append(o.Group, m.ID)
	}
	for _, m := range g.Group.Extensions {
		o.Extensions = append(o.Extensions, m.ID)
	}
	for _, e := range g.Plan.Entries {
		entry := observedEntry{Name: e.Name, Requires: len(e.Requires)}
		for _, m := range e.Providers {
			entry.Providers = append(entry.Providers, m.ID)
		}
		o.Plan = append(o.Plan, entry)
	}
	slices.SortFunc(o.Plan, func(a, b observedEntry) int { return cmp.Compare(a.Name, b.Name) })
	return o
}

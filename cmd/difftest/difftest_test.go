//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of docs/compatibility.md")

func TestKnownKindsAreDocumented(t *testing.T) {
	const path, end = "../../docs/compatibility.md", "<!-- end -->\n"
	page, err := os.ReadFile(path)
	check(t, err)
	want, kinds := string(page), 0
	for begin, data := range map[string][]byte{"<!-- known kinds -->\n": knownTOML, "<!-- known kinds of a daemon -->\n": daemonTOML} {
		known, err := parseExpected(data, begin)
		check(t, err)
		kinds += len(known.Kinds)
		before, rest, found := strings.Cut(want, begin)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("%s lacks %q or %q", path, begin, end)
		}
		want = before + begin + known.markdown() + end + after
	}
	if kinds > 60 {
		t.Errorf("%d kinds of difference are known: that is more than anyone reads", kinds)
	}
	if *update {
		check(t, os.WriteFile(path, []byte(want), 0o644))
	} else if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("%s is not that of known.toml and daemon.toml: run this test with -update (-want +got)\n%s", path, diff)
	}
}

// Every kind of known.toml and daemon.toml says which values it is about, at least on one side.
func TestKnownKindsAreNarrow(t *testing.T) {
	for file, data := range map[string][]byte{"known.toml": knownTOML, "daemon.toml": daemonTOML} {
		known, err := parseExpected(data, file)
		check(t, err)
		for _, k := range known.Kinds {
			if k.A == "" && k.B == "" {
				t.Errorf("%s: %s may have any values", file, k.Path)
			}
			if k.Clause != "" && !strings.Contains(k.Clause, ": ") {
				t.Errorf("%s: %s: clause %q without its text", file, k.Path, k.Clause)
			}
		}
	}
}

func TestParseExpectedRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"[[kind]]\npath = 'x'\n":                        "no reason",
		"[[kind]]\npath = '('\nreason = 'r'\n":          "missing closing",
		"[[kind]]\npath = 'x'\nreson = 'r'\n":           "did you mean",
		"[[kind]]\npath = 'x'\na = '['\nreason = 'r'\n": "missing closing",
	} {
		if _, err := parseExpected([]byte(text), "known.toml"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}

func TestKind(t *testing.T) {
	for path, want := range map[string]string{
		"b1.toml@analyzer.analyzed.image":                                "toml@.analyzed.image",
		"b2.restored.io.acme.bp1/b-layer.toml.metadata.n.x[1]":           "restored.BP/LAYER.toml.metadata.n.x[]",
		"b2.dump.acme_bp-0.build.env":                                    "dump.BP.build.env",
		"b1.launch.proc task-1 u1 u 2.out":                               "launch.proc.out",
		"b1.cache.committed/sha256:" + strings.Repeat("0a", 32) + ".tar": "cache.committed/SHA.tar",
		"rebase.code": "rebase.code",
	} {
		if got := (Difference{Path: path}).Kind(); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestCompare(t *testing.T) {
	a := observation(t, `{"same": 1, "int": 1, "list": [1, {"x": 2}], "text": ["a", "b"], "mixed": ["a", "b"], "only": true, "type": "1"}`)
	b := observation(t, `{"same": 1, "int": 1.0, "list": [1, {"x": 3}], "text": ["a", "c"], "mixed": [null, "b"], "type": 1}`)
	var got []string
	for _, d := range compare(a, b) {
		left, right := d.short()
		got = append(got, d.Path+" "+left+" "+right)
	}
	want := []string{`int 1 1.0`, `list[1].x 2 3`, `mixed[0] "a" null`, `only true "(absent)"`, `text ["b"] ["c"]`, `type "1" 1`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A replay fails if anything unlisted differs, and if something listed does not.
func TestReport(t *testing.T) {
	failed := `{"b1": {"codes": {"analyzer": 0, "detector": 20}, "x": 1}}`
	passed := `{"b1": {"codes": {"analyzer": 0, "detector": 0}, "x": 1}}`
	for _, tt := range []struct{ name, known, a, b, want string }{
		{"equal", "", passed, passed, ""},
		{"unknown", "", passed, strings.Replace(passed, "1}}", "2}}", 1), "1 kinds of difference are unexpected"},
		{"known", "[[kind]]\npath = 'x'\na = '1'\nb = '2'\nreason = 'r'\n", passed, strings.Replace(passed, "1}}", "2}}", 1), ""},
		{"known with another value", "[[kind]]\npath = 'x'\na = '1'\nb = '2'\nreason = 'r'\n", passed, strings.Replace(passed, "1}}", "3}}", 1), "unexpected"},
		{"known for failures", "[[kind]]\npath = 'x'\nfailed = true\nreason = 'r'\n", failed, strings.Replace(failed, "1}}", "3}}", 1), ""},
		{"known for failures only", "[[kind]]\npath = 'x'\nfailed = true\nreason = 'r'\n", passed, strings.Replace(passed, "1}}", "3}}", 1), "unexpected"},
		{"gone", "[[kind]]\npath = 'x'\nreason = 'r'\n", passed, passed, `no longer occur, so remove them: ["x"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			known, err := parseExpected([]byte(tt.known), "known.toml")
			check(t, err)
			r := &report{out: &bytes.Buffer{}, expected: known, whole: true}
			r.add(&Case{PlatformAPI: "0.12"}, observation(t, tt.a), observation(t, tt.b))
			if err := r.end(); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestWholeBuild(t *testing.T) {
	phases := observation(t, `{"codes": {"analyzer": 0, "detector": 20}, "toml@analyzer": 1, "toml@detector": 2, "restored": {}, "dump": 3}`)
	creator := observation(t, `{"codes": {"creator": 20}, "toml@creator": 2, "dump": 3}`)
	wholeBuild(phases)
	wholeBuild(creator)
	want := observation(t, `{"exit": 20, "toml": 2, "dump": 3}`)
	if diff := cmp.Diff([]any{want, want}, []any{phases, creator}); diff != "" {
		t.Error(diff)
	}
}

// A seed is always the same case, and its files can be written.
func TestRandom(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(40) {
		c := Random(seed)
		first, err := json.Marshal(c)
		check(t, err)
		again, err := json.Marshal(Random(seed))
		check(t, err)
		if !bytes.Equal(first, again) {
			t.Fatalf("seed %d makes two cases:\n%s\n%s", seed, first, again)
		}
		seen[string(first)] = true
		if seed >= 5 {
			continue
		}
		read := &Case{}
		dec := json.NewDecoder(bytes.NewReader(first))
		dec.UseNumber()
		check(t, dec.Decode(read))
		dir, second := t.TempDir(), t.TempDir()
		check(t, c.write(dir))
		check(t, read.write(second))
		if diff := cmp.Diff(names(dir), names(second)); diff != "" {
			t.Errorf("seed %d: a case that was recorded has other files: %s", seed, diff)
		}
	}
	if len(seen) < 40 {
		t.Errorf("40 seeds make %d cases", len(seen))
	}
}

// names are the files of a folder and the TOML in them.
func names(dir string) map[string]any {
	out := map[string]any{}
	for path, v := range listing(dir, func(string) bool { return true }) {
		if filepath.Ext(path) != ".toml" && v != "dir" {
			v = "file" // scripts have the folder's name in them
		}
		out[path] = v
	}
	return out
}

func TestRecordedCasesAreRead(t *testing.T) {
	all, err := readRecords("../../testdata/builds/observed.jsonl.zst", nil)
	check(t, err)
	if len(all) != 120 {
		t.Fatalf("%d cases, want 120", len(all))
	}
	for _, r := range all {
		if len(r.Case.Buildpacks) == 0 || len(r.Case.Order) == 0 || len(r.Result) == 0 {
			t.Errorf("seed %d is not whole", r.Case.Seed)
		}
	}
	some, err := readRecords("../../testdata/builds/observed.jsonl.zst", seeds{1003, 1116})
	if err != nil || len(some) != 2 {
		t.Errorf("two seeds: %d cases, %v", len(some), err)
	}
}

func TestSeeds(t *testing.T) {
	var s seeds
	check(t, s.Set("3,7-9"))
	if diff := cmp.Diff(seeds{3, 7, 8, 9}, s); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "x", "1-", "-1"} {
		if err := s.Set(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func observation(t *testing.T, data string) map[string]any {
	t.Helper()
	v, err := readJSON([]byte(data))
	check(t, err)
	return v.(map[string]any)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

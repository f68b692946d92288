package tomlfile_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// hostile are files of 8 MiB that the parser alone takes from seconds to hours for.
func hostile() map[string]func() string {
	fill := func(s string) string { return strings.Repeat(s, (tomlfile.MaxSize-64)/len(s)) }
	count := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < tomlfile.MaxSize-64; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	const n = tomlfile.MaxSize
	return map[string]func() string{
		"nested inline tables":  func() string { return strings.Repeat("{a=", n/5) + "1" + strings.Repeat("}", n/5) },
		"nested arrays":         func() string { return "a=" + strings.Repeat("[", n/2-2) + strings.Repeat("]", n/2-2) },
		"arrays and tables":     func() string { return "a=" + strings.Repeat("[{a=", n/6-2) + "1" + strings.Repeat("}]", n/6-2) },
		"a dotted key":          func() string { return fill("a.") + "a=1" },
		"a quoted dotted key":   func() string { return fill("'.'.") + "a=1" },
		"dotted keys in tables": func() string { return "a=[" + fill("{a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p=1},") + "]" },
		"a header":              func() string { return "[" + fill("a.") + "a]" },
		"headers":               func() string { return count("[a.b.c.d.e.f.g.h.i.k%d]\n") },
		"arrays of tables":      func() string { return fill("[[a.b.c.d.e.f.g.h]]\nx=1\n") },
		"keys in a long table":  func() string { return "[" + strings.Repeat("k", n/2) + "]\n" + count("k%d=1\n")[:n/2-16] },
		"keys in a long inline": func() string {
			return "a={" + strings.Repeat("k", n/2) + "={" + strings.TrimSuffix(strings.Repeat("a=1,", n/8-8), ",") + "}}"
		},
		"keys":                    func() string { return count("k%d=1\n") },
		"inline tables":           func() string { return "a=[" + fill("{a=1},") + "]" },
		"empty inline tables":     func() string { return "a=[" + fill("{},") + "]" },
		"numbers":                 func() string { return "a=[" + fill("1,") + "]" },
		"empty arrays":            func() string { return "a=[" + fill("[],") + "]" },
		"dates":                   func() string { return "a=[" + fill("15:04,") + "]" },
		"comments":                func() string { return fill("#\n") },
		"comments in an array":    func() string { return "a=[" + fill("#\n") + "]" },
		"a long string":           func() string { return `a="` + fill("x") + `"` },
		"escapes":                 func() string { return `a="` + fill(`\u0041`) + `"` },
		"escaped lines":           func() string { return `a="""` + fill("\\\n") + `"""` },
		"quotes":                  func() string { return `a="""` + fill(`""x`) + `"""` },
		"a long number":           func() string { return "a=" + fill("1") },
		"underscores":             func() string { return "a=" + fill("1_") + "1" },
		"a long key":              func() string { return fill("k") + "=1" },
		"lines":                   func() string { return fill("\n") },
		"deep tables, repeatedly": func() string { return "a=[" + fill(strings.Repeat("{a=", 30)+"1"+strings.Repeat("}", 30)+",") + "]" },
		"deep arrays, repeatedly": func() string { return "a=[" + fill(strings.Repeat("[", 60)+strings.Repeat("]", 60)+",") + "]" },
	}
}

// BenchmarkHostile holds the bounds: each takes less than a second.
func BenchmarkHostile(b *testing.B) {
	for name, document := range hostile() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			data := document()
			for b.Loop() {
				var v map[string]any
				_ = tomlfile.Decode([]byte(data), "f", &v)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	deep := func(opening, closing string, n int) string {
		return strings.Repeat(opening, n) + "1" + strings.Repeat(closing, n)
	}
	for _, tt := range []struct{ name, data, want string }{
		{"nested inline tables", "\nx=1\na=" + deep("{a=", "}", 10000), "reading build.toml, line 3: nested more than 64 levels deep"},
		{"nested arrays", "a=" + deep("[\n", "]", 10000), "line 64: nested more than 64"},
		{"arrays and tables by turns", "a=" + deep("[{a=", "}]", 10000), "line 1: nested more than 64"},
		{"a dotted key", strings.Repeat("a.", 10000) + "a=1", "line 1: nested more than 64"},
		{"a dotted key with dots in quotes", strings.Repeat("\".\".", 10000) + "a=1", "line 1: nested more than 64"},
		{"a dotted key below a header", "[" + strings.Repeat("a.", 40) + "a]\n" + strings.Repeat("a.", 40) + "a=1", "line 2: nested more than 64"},
		{"a dotted key in an inline table", "b={" + strings.Repeat("a.", 70) + "a=1}", "line 1: nested more than 64"},
		{"a header", "\n[[" + strings.Repeat("a.", 10000) + "a]]", "line 2: nested more than 64"},
		{"what strings seem to close", "a=[" + strings.Repeat("[\"]\",']',\"\"\"]\"\"\"\"\",'''\n]''',", 70), "line 63: nested more than 64"},
		{"many keys", strings.Repeat("[[a]]\nb=1\n", 300_000), "too many keys and values for one file"},
		{"many values", "a=[" + strings.Repeat("1,\n", 2_600_000) + "]", "too many keys and values for one file"},
		{"size", strings.Repeat("#", tomlfile.MaxSize+1), "larger than the limit of 8 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v map[string]any
			err := tomlfile.Decode([]byte(tt.data), "build.toml", &v)
			if err == nil || !strings.HasPrefix(err.Error(), "reading build.toml") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestHostile: what costs the parser more than a second is refused before it is parsed.
func TestHostile(t *testing.T) {
	all := hostile()
	for _, name := range []string{
		"nested arrays", "arrays and tables", "a dotted key", "a quoted dotted key", "dotted keys in tables", "a header", "headers",
		"arrays of tables", "keys in a long table", "keys in a long inline", "keys", "inline tables", "empty inline tables", "dates",
		"deep tables, repeatedly", "comments",
	} {
		var v map[string]any
		err := tomlfile.Decode([]byte(all[name]()), "f", &v)
		if err == nil || !strings.Contains(err.Error(), "nested more than") && !strings.Contains(err.Error(), "too many keys") {
			t.Errorf("%s: %v, want a bound", name, err)
		}
	}
}

// TestWithinBounds: what buildpacks write is read as the library reads it.
func TestWithinBounds(t *testing.T) {
	var plan strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&plan, "[[entries]]\n[[entries.providers]]\nid = \"p%d\"\nversion = \"1\"\n[[entries.requires]]\nname = \"r\"\n[entries.requires.metadata]\nbuild = true\nversion = \"1.%d\"\n", i, i)
	}
	for name, data := range map[string]string{
		"a plan of 10,000 entries": plan.String(),
		"64 levels":                "a=" + strings.Repeat("[", 63) + strings.Repeat("]", 63),
		"lists of many":            "a=[" + strings.TrimSuffix(strings.Repeat("'x',\n", 100_000), ",\n") + "]",
	} {
		var got, want map[string]any
		if err := tomlfile.Decode([]byte(data), "f", &got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := toml.Decode(data, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read in another way", name)
		}
	}
}

func TestErrorsNameFileAndLine(t *testing.T) {
	var v struct {
		Policy struct {
			Select string `toml:"select"`
		} `toml:"policy"`
	}
	for data, want := range map[string]string{
		"\na b = 1":                 `reading f, line 2: expected '.' or '=', but got 'b' instead`,
		"[policy]\n\nselect = true": `reading f, line 3: key "policy.select": incompatible types: TOML value has type bool; destination has type string`,
	} {
		if err := tomlfile.Decode([]byte(data), "f", &v); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", data, err, want)
		}
	}
}

type settings struct {
	Version string `toml:"version"`
	Policy  struct {
		RunSBOM string         `toml:"run-sbom"`
		Any     map[string]any `toml:"any"`
	} `toml:"policy"`
	Provides []struct {
		Name     string   `toml:"name"`
		Packages []string `toml:"packages"`
	} `toml:"provides"`
}

func TestStrict(t *testing.T) {
	for _, tt := range []struct{ data, want string }{
		{"version = '1.0'\n[policy]\nrun-sbom = 'auto'\n[policy.any.thing]\nx = 1\n[[provides]]\nname = 'a'\npackages = []", ""},
		{"version = '1.0'\n[polcy]\nrun-sbom = 'auto'", `reading f, line 2: unknown key "polcy": did you mean "policy"?`},
		{"# x\n[policy]\nrun_sbom = 'auto'", `reading f, line 3: unknown key "policy.run_sbom": did you mean "policy.run-sbom"?`},
		{"policy.run-sbmo = 'auto'", `line 1: unknown key "policy.run-sbmo": did you mean "policy.run-sbom"?`},
		{"policy = {run-sbom = 'a', \n Run-SBOM = 'b'}", `line 2: unknown key "policy.Run-SBOM": did you mean "policy.run-sbom"?`},
		{"[[provides]]\nname = 'a'\nversion = '1'", `line 3: unknown key "provides.version": the keys here are name`},
		{"run-sbom = 'auto'", `line 1: unknown key "run-sbom": did you mean "policy.run-sbom"?`},
		{"[[provides]]\nname = 'a'\n[[provides]]\nname = 'b'\npackage = ['x']", `line 5: unknown key "provides.package": did you mean "provides.packages"?`},
		{"x = '''\n\"\"\"\n[a]\n'''", `line 1: unknown key "x": the keys here are version, policy, provides`},
		{"version = '''\n[a]\n'''\nprovides = [\n{name = 'a'}, # [b]\n{nmae = \"]\\\"}\"}]", `line 6: unknown key "provides.nmae": did you mean "provides.name"?`},
	} {
		var s settings
		err := tomlfile.DecodeStrict([]byte(tt.data), "f", &s)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.data, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.data, err, tt.want)
		}
	}
	var s settings
	if err := tomlfile.DecodeStrict([]byte("foreign = 1\n[policy]\nrun-sbm = ''"), "f", &s, "provides"); err != nil {
		t.Errorf("a key outside the table: %v", err)
	}
	if err := tomlfile.DecodeStrict([]byte("foreign = 1\n[policy]\nrun-sbm = ''"), "f", &s, "policy"); err == nil {
		t.Error("a key in the table is not refused")
	}
}

func TestVersioned(t *testing.T) {
	check := func(v string) error {
		if v != "1" {
			return errors.New("no")
		}
		return nil
	}
	for data, want := range map[string]string{
		"version = '1'\n":           "",
		"version = '2'\n":           `reading f: key "version": no`,
		"version = '2'\npolicy = 1": `reading f: key "version": no`,
		"version = '1'\npolicy = 1": `reading f, line 2: key "policy": `,
		"policy = 1":                `reading f: key "version": no`,
		"version = ":                "reading f, line 1: unexpected EOF",
	} {
		var s settings
		err := tomlfile.DecodeVersioned([]byte(data), "f", &s, &s.Version, check)
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && !strings.HasPrefix(got, want) {
			t.Errorf("%q: %v, want %s", data, err, want)
		}
	}
}

// FuzzDecode: a valid file within the bounds is read as the library reads it, and the lines of its keys are found.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"a.b = [1, {c = '''x'''}]\n[d.\"e\"]\n# [\n", "a=\"\"\"\\\"\"\"\"\"\"\n[b]", "a=''\nb=\"\"\n'' = {}", "a={b=1,}\n", "a=[\n# ]\n1]\n[[x]]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want map[string]any
		err := tomlfile.Decode(data, "f", &got)
		meta, libErr := toml.Decode(string(data), &want)
		if (err == nil) != (libErr == nil) && !strings.Contains(err.Error(), "nested more than") {
			t.Fatalf("%v, the library: %v", err, libErr)
		}
		if err != nil || len(meta.Keys()) == 0 {
			return
		}
		lines := tomlfile.Lines(data)
		if len(lines) != len(meta.Keys()) {
			t.Fatalf("found %d keys, the library %d: %v", len(lines), len(meta.Keys()), meta.Keys())
		}
	})
}

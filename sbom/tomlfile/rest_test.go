package tomlfile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

type known struct {
	Name string           `toml:"name"`
	Free map[string]any   `toml:"free,omitempty"`
	Sub  *knownSub        `toml:"sub,omitempty"`
	List []knownInList    `toml:"list,omitempty"`
	Any  []map[string]any `toml:"any,omitempty"`
}

type knownSub struct {
	X int `toml:"x"`
}

type knownInList struct {
	A string `toml:"a"`
}

// What a struct does not know of a file is there again after it was written.
func TestRestIsKept(t *testing.T) {
	for name, tt := range map[string]struct {
		in     string
		change func(*known)
		want   string
	}{
		"nothing unknown":            {in: "name = 'n'", want: "name = 'n'"},
		"a key":                      {in: "name = 'n'\nmore = 1", want: "name = 'n'\nmore = 1"},
		"a table":                    {in: "name = 'n'\n[more]\nx = 1", want: "name = 'n'\n[more]\nx = 1"},
		"a key in a known table":     {in: "name = 'n'\n[sub]\nx = 1\ny = 2", want: "name = 'n'\n[sub]\nx = 1\ny = 2"},
		"a key of a table that goes": {in: "name = 'n'\n[sub]\nx = 1\ny = 2", change: func(k *known) { k.Sub = nil }, want: "name = 'n'\n[sub]\ny = 2"},
		"what is there wins":         {in: "name = 'n'\n[sub]\nx = 1\ny = 2", change: func(k *known) { k.Sub.X = 3 }, want: "name = 'n'\n[sub]\nx = 3\ny = 2"},
		"keys of elements":           {in: "name = 'n'\n[[list]]\na = '1'\n[[list]]\na = '2'\nb = 'x'", want: "name = 'n'\n[[list]]\na = '1'\n[[list]]\na = '2'\nb = 'x'"},
		"an array of another length": {
			in: "name = 'n'\n[[list]]\na = '1'\nb = 'x'\n[[list]]\na = '2'", change: func(k *known) { k.List = append(k.List, k.List[0]) },
			want: "name = 'n'\n[[list]]\na = '1'\n[[list]]\na = '2'\n[[list]]\na = '1'",
		},
		"a shorter array": {
			in: "name = 'n'\n[[list]]\na = '1'\nb = 'x'\n[[list]]\na = '2'\nb = 'y'", change: func(k *known) { k.List = k.List[:1] },
			want: "name = 'n'\n[[list]]\na = '1'",
		},
		"inline tables":                  {in: "name = 'n'\nmore = [{x = 1}, {x = [{y = 2}]}]", want: "name = 'n'\n[[more]]\nx = 1\n[[more]]\n[[more.x]]\ny = 2"},
		"inline tables in tables":        {in: "name = 'n'\n[[more]]\nx = [{y = 2}]", want: "name = 'n'\n[[more]]\n[[more.x]]\ny = 2"},
		"an empty array":                 {in: "name = 'n'\nmore = []", want: "name = 'n'\nmore = []"},
		"an array of both kinds":         {in: "name = 'n'\nmore = [1, 'x', [2]]", want: "name = 'n'\nmore = [1, 'x', [2]]"},
		"an array of a table and others": {in: "name = 'n'\nmore = [1, {x = 1}]", want: "name = 'n'\nmore = [1, {x = 1}]"},
		"below what holds anything":      {in: "name = 'n'\n[free.x]\ny = 1", want: "name = 'n'\n[free.x]\ny = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			var k known
			rest, err := tomlfile.DecodeRest([]byte(tt.in), "f", &k, func(key []string) bool { return key[0] == "free" })
			if err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(&k)
			}
			written, err := tomlfile.EncodeWith(k, "f", rest)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(table(t, tt.want), table(t, string(written))); diff != "" {
				t.Errorf("(-want +got)\n%s\n%s", diff, written)
			}
		})
	}
	if rest, err := tomlfile.DecodeRest([]byte("name = 1"), "f", &known{}, func([]string) bool { return false }); err == nil || rest != nil {
		t.Errorf("a file that cannot be read: %v, %v", rest, err)
	}
	if _, err := tomlfile.EncodeWith(map[string]any{"f": func() {}}, "f", tomlfile.Rest{"x": 1}); err == nil {
		t.Error("a value that cannot be written is written")
	}
}

func table(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := tomlfile.Decode([]byte(text), "f", &v); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return v
}

func TestRestTake(t *testing.T) {
	const text = "name = 'n'\ntop = 1\n[more]\nx = 1\ny = 2\n[deep.er]\nz = 3\n[[list]]\na = '1'\n[[list]]\na = '2'\nb = 'x'\nc = 'y'"
	for _, tt := range []struct {
		name string
		way  []any
		want any
		left string
	}{
		{"a key", []any{"top"}, int64(1), "[more]\nx = 1\ny = 2\n[deep.er]\nz = 3\n[[list]]\n[[list]]\nb = 'x'\nc = 'y'"},
		{"a key of a table", []any{"more", "x"}, int64(1), "top = 1\n[more]\ny = 2\n[deep.er]\nz = 3\n[[list]]\n[[list]]\nb = 'x'\nc = 'y'"},
		{"the last key of a table", []any{"deep", "er", "z"}, int64(3), "top = 1\n[more]\nx = 1\ny = 2\n[[list]]\n[[list]]\nb = 'x'\nc = 'y'"},
		{"a key of an element", []any{"list", 1, "b"}, "x", "top = 1\n[more]\nx = 1\ny = 2\n[deep.er]\nz = 3\n[[list]]\n[[list]]\nc = 'y'"},
		{"nothing there", []any{"none", "x"}, nil, "top = 1\n[more]\nx = 1\ny = 2\n[deep.er]\nz = 3\n[[list]]\n[[list]]\nb = 'x'\nc = 'y'"},
		{"an element without unknown keys", []any{"list", 0, "a"}, nil, "top = 1\n[more]\nx = 1\ny = 2\n[deep.er]\nz = 3\n[[list]]\n[[list]]\nb = 'x'\nc = 'y'"},
		{"no such element", []any{"list", 2, "a"}, nil, "top = 1\n[more]\nx = 1\ny = 2\n[deep.er]\nz = 3\n[[list]]\n[[list]]\nb = 'x'\nc = 'y'"},
		{"an element", []any{"list", 1}, nil, "top = 1\n[more]\nx = 1\ny = 2\n[deep.er]\nz = 3\n[[list]]\n[[list]]\nb = 'x'\nc = 'y'"},
		{"below a value", []any{"top", "x"}, nil, "top = 1\n[more]\nx = 1\ny = 2\n[deep.er]\nz = 3\n[[list]]\n[[list]]\nb = 'x'\nc = 'y'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var k known
			rest, err := tomlfile.DecodeRest([]byte(text), "f", &k, func([]string) bool { return false })
			if err != nil {
				t.Fatal(err)
			}
			if got := rest.Take(tt.way...); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			k.Name = ""
			k.List = []knownInList{{}, {}}
			written, err := tomlfile.EncodeWith(k, "f", rest)
			if err != nil {
				t.Fatal(err)
			}
			want := table(t, "name = ''\n"+tt.left)
			for _, element := range want["list"].([]map[string]any) {
				element["a"] = ""
			}
			if diff := cmp.Diff(want, table(t, string(written))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	var k known
	rest, err := tomlfile.DecodeRest([]byte("name = 'n'\n[[list]]\na = '1'\nb = 'x'"), "f", &k, func([]string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if got := rest.Take("list", 0, "b"); got != "x" || len(rest) != 0 {
		t.Errorf("took %v, %v is left: what is empty goes, too", got, rest)
	}
}

// A file that breaks off anywhere is an error, or valid.
func TestTruncated(t *testing.T) {
	const text = "name = \"x\\\"y\"\nsub = {x = 'a'}\n[[more]]\ny = \"\"\"a\\\n\"b\\\"\"\"\"\nz = '''\\'''"
	for n := range len(text) {
		var v map[string]any
		_ = tomlfile.Decode([]byte(text[:n]), "f", &v) // does not panic
	}
	if err := tomlfile.DecodeStrict([]byte("name = \"\"\"a\\\nb\\\"\\\n\"\"\"\nnmae = 1"), "f", &known{}); err == nil || err.Error() != `reading f, line 4: unknown key "nmae": did you mean "name"?` {
		t.Error(err)
	}
}

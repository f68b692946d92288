package platform

import (
	"strings"
	"testing"
)

func TestDecodePromise(t *testing.T) {
	p, err := DecodePromise([]byte("version = \"1.0\"\n[[provides]]\nname = \"jre\"\nconstraint = \">= 17\"\n[[provides]]\nname = \"curl\"\n"), "names.toml")
	if err != nil || len(p.Provides) != 2 || p.Provides[0] != (PromisedName{"jre", ">= 17"}) || p.Provides[1].Name != "curl" {
		t.Fatalf("got %v, %v", p, err)
	}
	for name, c := range map[string]struct{ file, want string }{
		"no version":       {"[[provides]]\nname = \"jre\"", `reading names.toml: key "version"`},
		"newer":            {"version = \"2.0\"\n[[provides]]\nname = \"jre\"", `reading names.toml: key "version"`},
		"nothing":          {`version = "1.0"`, "it has no [[provides]]"},
		"unknown table":    {"version = \"1.0\"\n[[provide]]\nname = \"jre\"", `reading names.toml, line 2: unknown key "provide": did you mean "provides"?`},
		"unknown key":      {"version = \"1.0\"\n[[provides]]\nname = \"jre\"\nconstraints = \"1\"", `unknown key "provides.constraints": did you mean "provides.constraint"?`},
		"no name":          {"version = \"1.0\"\n[[provides]]\nname = \"curl\"\n[[provides]]\nconstraint = \"1\"", `[[provides]], element 2: key "name" is missing`},
		"wrong constraint": {"version = \"1.0\"\n[[provides]]\nname = \"jre\"\nconstraint = \">> 17\"", `element 1 (jre): key "constraint"`},
		"not TOML":         {"version", "reading names.toml"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := DecodePromise([]byte(c.file), "names.toml"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func FuzzDecodePromise(f *testing.F) {
	f.Add([]byte("version = \"1.0\"\n[[provides]]\nname = \"jre\"\nconstraint = \">= 17\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := DecodePromise(data, "names.toml")
		if err == nil && (len(p.Provides) == 0 || strings.TrimSpace(p.Provides[0].Name) == "") {
			t.Errorf("accepted %+v", p)
		}
	})
}

package extensions

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/resolver"
)

func modules(ids ...string) []resolver.Module {
	var all []resolver.Module
	for _, id := range ids {
		all = append(all, resolver.Module{Kind: resolver.Extension, ID: id, Version: "1.0.0"})
	}
	return all
}

// What the reference's detector left, in both layouts, is the same to us.
func TestReadReference(t *testing.T) {
	type found struct {
		Extension, Path, SwitchTo string
		Image                     ImageKind
		Args                      []Arg
	}
	for _, c := range []struct {
		dir   string
		group []resolver.Module
		want  []found
	}{
		{"switch-extend-0.13", modules("e2e/runswitch", "e2e/runextend"), []found{
			{"e2e/runswitch", "generated/e2e_runswitch/run.Dockerfile", "registry.example/run-tools", Run, nil},
			{"e2e/runextend", "generated/e2e_runextend/run.Dockerfile", "", Run, []Arg{{"flavour", "chocolate"}}},
		}},
		{"switch-extend-0.12", modules("e2e/runswitch", "e2e/runextend"), []found{
			{"e2e/runswitch", "generated/run/e2e_runswitch/Dockerfile", "registry.example/run-tools", Run, nil},
			{"e2e/runextend", "generated/run/e2e_runextend/Dockerfile", "", Run, []Arg{{"flavour", "chocolate"}}},
		}},
		{"build-and-run-0.13", modules("e2e/tree", "e2e/runapt"), []found{
			{"e2e/tree", "generated/e2e_tree/build.Dockerfile", "", Build, nil},
			{"e2e/runapt", "generated/e2e_runapt/run.Dockerfile", "", Run, nil},
		}},
		{"build-only-0.12", modules("e2e/tree", "e2e/stamp"), []found{
			{"e2e/tree", "generated/build/e2e_tree/Dockerfile", "", Build, nil},
			{"e2e/stamp", "generated/build/e2e_stamp/Dockerfile", "", Build, []Arg{{"flavour", "vanilla"}}},
		}},
		{"build-only-0.13", nil, []found{ // in the order of folders
			{"e2e_stamp", "generated/e2e_stamp/build.Dockerfile", "", Build, []Arg{{"flavour", "vanilla"}}},
			{"e2e_tree", "generated/e2e_tree/build.Dockerfile", "", Build, nil},
		}},
		{"extend-0.12", nil, []found{
			{"e2e_runapt", "generated/run/e2e_runapt/Dockerfile", "", Run, nil},
			{"e2e_runextend", "generated/run/e2e_runextend/Dockerfile", "", Run, []Arg{{"flavour", "chocolate"}}},
		}},
	} {
		t.Run(c.dir, func(t *testing.T) {
			all, err := Read(os.DirFS("testdata/generated/"+c.dir), "generated", c.group)
			if err != nil {
				t.Fatal(err)
			}
			var got []found
			for _, d := range all {
				got = append(got, found{d.Extension.ID, d.Path, d.SwitchTo, d.Image, d.Args})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadContext(t *testing.T) {
	file := &fstest.MapFile{Data: []byte("ARG base_image\nFROM ${base_image}\n")}
	fsys := fstest.MapFS{
		"g/shared/run.Dockerfile": file, "g/shared/context/x": file,
		"g/own/run.Dockerfile": file, "g/own/build.Dockerfile": file, "g/own/context.build/x": file,
		"g/run/old/Dockerfile": file, "g/run/old/context.run/x": file,
		"g/both/run.Dockerfile": file, "g/both/context/x": file, "g/both/context.run/x": file,
		"g/ignored/run.Dockerfile.ignore": file,
	}
	all, err := Read(fsys, "g", modules("shared", "own", "old", "ignored", "absent"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range all {
		got = append(got, d.Path+" "+d.Context)
	}
	want := []string{"g/shared/run.Dockerfile g/shared/context", "g/own/build.Dockerfile g/own/context.build", "g/own/run.Dockerfile ", "g/run/old/Dockerfile g/run/old/context.run"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Read(fsys, "g", modules("both")); err == nil || !strings.Contains(err.Error(), "both context and context.run") {
		t.Errorf("two kinds of context: %v", err)
	}
	if all, err := Read(fstest.MapFS{}, "generated", nil); err != nil || all != nil {
		t.Errorf("nothing generated: %v, %v", all, err)
	}
}

func TestReadErrors(t *testing.T) {
	good := "ARG base_image\nFROM ${base_image}\n"
	for _, c := range []struct{ name, file, content, config, want string }{
		{"no FROM", "run.Dockerfile", "# nothing\nARG x\n", "", "reading g/x/run.Dockerfile: no FROM"},
		{"empty", "run.Dockerfile", "", "", "file with no instructions"},
		{"instruction in front", "run.Dockerfile", "RUN true\n" + good, "", "line 1: "},
		{"two", "run.Dockerfile", good + "FROM other\n", "", "line 3: a second FROM"},
		{"unknown instruction", "run.Dockerfile", good + "\nFROB x\n", "", "line 4: "},
		{"no ARG", "run.Dockerfile", "FROM ${base_image}\n", "", "line 1: FROM ${base_image} without ARG base_image"},
		{"part of a name", "run.Dockerfile", "ARG base_image\nFROM ${base_image}-x\n", "", "use ${base_image} alone"},
		{"build that switches", "build.Dockerfile", "FROM other\n", "", "line 1: FROM other: a build.Dockerfile must start with"},
		{"arg without value", "run.Dockerfile", "ARG tag\nFROM other:${tag}\n", "", "a build arg in it has no value"},
		{"binary", "run.Dockerfile", good + "RUN \x00", "", "line 3: NUL byte"},
		{"config", "run.Dockerfile", good, "[[run.args]", "reading g/x/extend-config.toml"},
		{"config without a name", "run.Dockerfile", good, "[[run.args]]\nvalue = \"x\"", `run.args[0]: key "name" is missing`},
	} {
		fsys := fstest.MapFS{"g/x/" + c.file: {Data: []byte(c.content)}}
		if c.config != "" {
			fsys["g/x/extend-config.toml"] = &fstest.MapFile{Data: []byte(c.config)}
		}
		if _, err := Read(fsys, "g", modules("x")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", c.name, c.want, err)
		}
	}
}

func TestParse(t *testing.T) {
	d := parse(t, Run, "ARG tag=1\nARG name=run:${tag}\nFROM registry.example/${name} AS x\n", Arg{"tag", "2"})
	if d.From != "registry.example/${name}" || d.SwitchTo != "registry.example/run:2" {
		t.Errorf("FROM %s, switch to %s", d.From, d.SwitchTo)
	}
	d = parse(t, Build, "# syntax=docker/dockerfile:1\nARG base_image=builder\nFROM $base_image\nCMD x\nRUN true\n")
	if d.SwitchTo != "" || len(d.Warnings) != 1 || d.Warnings[0] != "line 4: CMD should not be in a Dockerfile of an extension" {
		t.Errorf("switch to %q, warnings %q", d.SwitchTo, d.Warnings)
	}
}

func TestOptionsOfExtensions(t *testing.T) {
	for content, want := range map[string]Options{
		"": {}, "api = \"0.10\"\n[metadata]\nother = 1": {},
		"[metadata.baseplan]\nalways-apply = true":     {AlwaysApply: true},
		"[metadata.baseplan]\nsatisfied-by = \"name\"": {SatisfiedBy: ByName},
	} {
		if got, err := DecodeOptions([]byte(content), "extension.toml"); err != nil || got != want {
			t.Errorf("%q: %v, %v", content, got, err)
		}
	}
	for _, c := range []struct{ table, want string }{
		{`always-apply = "yes"`, `reading e/extension.toml: [metadata.baseplan]: key "always-apply": "yes": write true or false, without quotes`},
		{`always-apply = 1`, `key "always-apply": 1: write true or false`},
		{`satisfied-by = "plan"`, `key "satisfied-by": "plan": the only value is "name"; omit the key for the default`},
		{`satisfied-by = true`, `key "satisfied-by": true: the only value is "name"`},
		{`satisfied-by = ""`, `key "satisfied-by": "": the only value is "name"`},
		{`always-aply = true`, `unknown key "metadata.baseplan.always-aply": did you mean "metadata.baseplan.always-apply"?`},
	} {
		_, err := DecodeOptions([]byte("[metadata.baseplan]\n"+c.table), "e/extension.toml")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", c.table, c.want, err)
		}
	}
	if _, err := DecodeOptions([]byte("[metadata]\nbaseplan = 1"), "e/extension.toml"); err == nil || !strings.Contains(err.Error(), "reading e/extension.toml") {
		t.Errorf("no table: %v", err)
	}
	if _, err := DecodeOptions([]byte("[extension]\nfuture = 1\n[metadata.baseplan]\nalways_apply = true"), "e/extension.toml"); err == nil ||
		err.Error() != `reading e/extension.toml, line 4: unknown key "metadata.baseplan.always_apply": did you mean "metadata.baseplan.always-apply"?` {
		t.Errorf("a misspelled opt-out: %v", err)
	}
}

func TestNestedConfig(t *testing.T) {
	nested := "a = " + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	_, err := Read(fstest.MapFS{
		"generated/e/run.Dockerfile":     {Data: []byte("ARG base_image\nFROM $base_image\n")},
		"generated/e/extend-config.toml": {Data: []byte(nested)},
	}, "generated", nil)
	if err == nil || !strings.Contains(err.Error(), "extend-config.toml, line 1: nested more than 64 levels") {
		t.Errorf("%.200v", err)
	}
}

package platform

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/sbom/reference"
)

var update = flag.Bool("update", false, "write golden files anew")

// lines are what holds in some versions: PHASE and what is said of it, and the minor versions of the Platform API.
type lines map[string][]uint

// ranges are the lines with their versions, "PHASE 0.10-0.15 REST", sorted.
func (l lines) ranges() []string {
	var out []string
	for line, minors := range l {
		slices.Sort(minors)
		phase, rest, _ := strings.Cut(line, "\t")
		for len(minors) > 0 {
			n := 1
			for n < len(minors) && minors[n] == minors[n-1]+1 {
				n++
			}
			out = append(out, fmt.Sprintf("%s 0.%d-0.%d %s", phase, minors[0], minors[n-1], strings.ReplaceAll(rest, "\t", " ")))
			minors = minors[n:]
		}
	}
	slices.Sort(out)
	return out
}

// minus are the lines, and versions of lines, that other does not have.
func (l lines) minus(other lines) lines {
	out := lines{}
	for line, minors := range l {
		left := slices.DeleteFunc(slices.Clone(minors), func(m uint) bool { return slices.Contains(other[line], m) })
		if len(left) > 0 {
			out[line] = left
		}
	}
	return out
}

func (l lines) add(minor uint, fields ...string) {
	line := strings.TrimRight(strings.Join(fields, "\t"), "\t")
	if !slices.Contains(l[line], minor) {
		l[line] = append(l[line], minor)
	}
}

// each visits the rows of every phase and version.
func each(rows []input, visit func(p Phase, v api.Version, r input)) {
	for _, known := range phaseNames {
		for _, v := range api.Platform.Supported {
			for _, r := range rows {
				if r.in.has(known.phase) && r.since(v) {
					visit(known.phase, v, r)
				}
			}
		}
	}
}

func TestInputs(t *testing.T) {
	const path = "testdata/inputs.golden"
	all := lines{}
	each(table, func(p Phase, v api.Version, r input) {
		all.add(v.Minor, p.String(), cmp.Or(flagName(r), "."), cmp.Or(r.env, "."), r.def)
	})
	got := strings.Join(all.ranges(), "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
	}
}

func flagName(r input) string {
	if r.flag == "" {
		return ""
	}
	return "-" + r.flag
}

func TestInputRowsDoNotOverlap(t *testing.T) {
	seen, variables := map[string]bool{}, map[string]setter{}
	var in Inputs
	each(table, func(p Phase, v api.Version, r input) {
		name := fmt.Sprintf("%s %s ", p, v)
		if r.flag != "" && seen[name+r.flag] {
			t.Errorf("%s-%s has two rows", name, r.flag)
		}
		seen[name+r.flag] = true
		if r.env == "" {
			return
		}
		if other, again := variables[name+r.env]; again && other != r.to(&in) {
			t.Errorf("%s%s is read for two inputs", name, r.env)
		}
		variables[name+r.env] = r.to(&in)
	})
}

func TestInputRowsAreComplete(t *testing.T) {
	for _, r := range table {
		if r.in == 0 || r.help == "" || r.flag == "" && r.env == "" {
			t.Errorf("-%s %s: a row has phases, help, and a flag or a variable", r.flag, r.env)
		}
		if r.def != "" {
			if err := r.to(&Inputs{}).Set(r.def); err != nil {
				t.Errorf("-%s %s has the default %q: %v", r.flag, r.env, r.def, err)
			}
		}
		if _, isList := r.to(&Inputs{}).(*list); isList && r.def != "" {
			t.Errorf("-%s %s: what is given would be added to the default", r.flag, r.env)
		}
	}
}

// spelled are defaults that the specification puts in other words. Some depend on other inputs: then nothing is preset.
var spelled = map[string]string{
	"false": "", "2 weeks": "336h",
	"<image>": "", "derived from <image>": "", "resolved from <run>": "", "resolved from <stack>": "",
	"<layers>/order.toml if present, or /cnb/order.toml": "", // see Inputs.Orders
}

// specification reads testdata/spec-inputs.tsv. The creator's table has only what differs from the phases that it
// stands for: it takes their inputs.
func specification(t *testing.T) lines {
	t.Helper()
	data, err := os.ReadFile("testdata/spec-inputs.tsv")
	if err != nil {
		t.Fatal(err)
	}
	spec, rows := lines{}, 0
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) != 6 || strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		source, phase, name, variable, def := f[0], f[1], f[3], f[4], f[5]
		if source == "table" && name == "image" {
			continue // the argument
		}
		if other, ok := spelled[def]; ok {
			def = other
		}
		var from, to uint
		if _, err := fmt.Sscanf(f[2], "0.%d-0.%d", &from, &to); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for minor := from; minor <= to; minor++ {
			phases := []string{phase}
			if source == "table" && slices.Contains([]string{"analyzer", "detector", "restorer", "builder", "exporter"}, phase) {
				phases = append(phases, "creator")
			}
			for _, p := range phases {
				if source == "usage" {
					spec.add(minor, p, "takes", "-"+name)
				} else {
					spec.add(minor, p, cmp.Or(variable, "-"+name), def)
				}
			}
		}
	}
	if rows < 200 {
		t.Fatalf("spec-inputs.tsv has only %d rows", rows)
	}
	return spec
}

// TestSpecification compares the table with the specification's, row by row and version by version.
func TestSpecification(t *testing.T) {
	spec, ours := specification(t), lines{}
	each(specified, func(p Phase, v api.Version, r input) {
		ours.add(v.Minor, p.String(), cmp.Or(r.env, flagName(r)), r.def)
		if r.flag != "" {
			ours.add(v.Minor, p.String(), "takes", flagName(r))
		}
	})
	var got []string
	for _, line := range spec.minus(ours).ranges() {
		got = append(got, "- "+line)
	}
	for _, line := range ours.minus(spec).ranges() {
		got = append(got, "+ "+line)
	}
	slices.Sort(got)
	if diff := gocmp.Diff(listed(t), got); diff != "" {
		t.Errorf("differences from the specification (-listed +found):\n%s", diff)
	}
}

// listed are the lines of testdata/spec-differences.txt, where each block begins with its reason.
func listed(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("testdata/spec-differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		reason, rest, _ := strings.Cut(block, "\n")
		if !strings.HasPrefix(reason, "# ") || rest == "" {
			t.Errorf("%q: a block is a reason and its lines", block)
		}
		out = append(out, strings.Split(rest, "\n")...)
	}
	slices.Sort(out)
	return out
}

// values are two valid values for each kind of input, other than any default.
func values(value setter) []string {
	switch v := value.(type) {
	case boolean:
		return []string{"true", "false"}
	case number:
		return []string{"11", "12"}
	case duration:
		return []string{"1h0m0s", "2h0m0s"}
	case byteSize:
		return []string{"1073741824", "2147483648"}
	case moment:
		return []string{"100", "200"}
	case choice:
		return v.of[:2]
	case text:
		return []string{"one", "two"}
	case metricsName:
		return []string{"one.prom", "two.jsonl"}
	}
	return []string{"r.example/one", "r.example/two"}
}

// value reads an input back.
func value(of setter) string {
	switch v := of.(type) {
	case text:
		return *v.to
	case imageName:
		return v.to.String()
	case metricsName:
		return *v.to
	case registryName:
		return v.to.String()
	case imageNames:
		return reference.Join(*v.to, ",")
	case choice:
		return *v.to
	case boolean:
		return fmt.Sprint(*v.to)
	case number:
		return fmt.Sprint(*v.to)
	case duration:
		return v.to.String()
	case byteSize:
		return fmt.Sprint(*v.to)
	case moment:
		if *v.to == nil {
			return ""
		}
		return fmt.Sprint((*v.to).Unix())
	case *list:
		return strings.Join(*v.to, ",")
	}
	return "an unknown kind"
}

// TestFlagOverEnvironmentOverDefault: for every row of every phase and version, whichever way a flag is spelled.
func TestFlagOverEnvironmentOverDefault(t *testing.T) {
	var n int
	each(table, func(p Phase, v api.Version, r input) {
		if r.flag == "tag" { // TestParseInputs has it: it adds to the argument
			return
		}
		n++
		name := fmt.Sprintf("%s %s -%s %s", p, v, r.flag, r.env)
		two := values(r.to(&Inputs{}))
		for flagged := range 2 {
			for _, byEnv := range []bool{false, true} {
				if flagged == 1 && r.flag == "" || byEnv && r.env == "" {
					continue
				}
				env := map[string]string{}
				want := strings.ReplaceAll(r.def, layersPlaceholder, "/layers")
				if len(want) == 0 {
					base := Inputs{UID: -1, GID: -1}
					want = value(r.to(&base))
				} else if _, is := r.to(&Inputs{}).(duration); is {
					want = "336h0m0s"
				} else if _, is := r.to(&Inputs{}).(byteSize); is {
					want = "21474836480"
				}
				partners(r, flagged == 1 || byEnv, env)
				if byEnv {
					env[r.env], want = two[1], two[1]
				}
				spellings := [][]string{nil}
				if flagged == 1 {
					want = two[0]
					spellings = [][]string{{"-" + r.flag + "=" + two[0]}, {"--" + r.flag + "=" + two[0]}}
					if _, takesNoValue := r.to(&Inputs{}).(boolean); !takesNoValue {
						spellings = append(spellings, []string{"-" + r.flag, two[0]})
					} else {
						spellings = append(spellings, []string{"-" + r.flag})
					}
				}
				for _, args := range spellings {
					if p.intersects(Analyze | Export | Create | Rebase) {
						args = append(args, "r.example/app")
					}
					in, err := Parse(p, v, args, func(key string) string { return env[key] })
					if err != nil {
						t.Errorf("%s: %q, %v: %v", name, args, env, err)
					} else if got := value(r.to(&in)); got != want {
						t.Errorf("%s: %q, %v gives %q, want %q", name, args, env, got, want)
					}
				}
			}
		}
	})
	if n < 1000 {
		t.Errorf("only %d rows were looked at", n)
	}
}

// partners sets what an input needs beside it.
func partners(r input, given bool, env map[string]string) {
	switch {
	case !given:
	case r.flag == "layout":
		env["CNB_LAYOUT_DIR"] = "/layouts"
	case r.flag == "uid":
		env["CNB_GROUP_ID"] = "1"
	case r.flag == "gid":
		env["CNB_USER_ID"] = "1"
	}
}

func TestByteSizes(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "500M": 500 << 20, "20G": 20 << 30, "3K": 3072, "2T": 2 << 40, "9007199254740992K": 0, "-1": 0, "0": 0, "G": 0, "1MG": 0, "1.5G": 0, "20g": 0, "": 0} {
		var got int64
		if err := (byteSize{&got}).Set(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}

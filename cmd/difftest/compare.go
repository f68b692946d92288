//go:build linux

package main

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// absent is the value of a key that one side lacks.
const absent = "(absent)"

// A Difference is a path at which two observations differ.
type Difference struct {
	Path string // b1.image.labels.x
	A, B any
}

// Kind returns the path without case-specific parts: the build, the phase, names and numbers.
func (d Difference) Kind() string {
	kind := d.Path
	for _, r := range kindReplacements {
		kind = r.from.ReplaceAllString(kind, r.to)
	}
	return kind
}

var kindReplacements = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`^b[12]\.`), ""},
	{regexp.MustCompile(`toml@\w+`), "toml@"},
	{regexp.MustCompile(`sha256:[0-9a-f]{64}`), "SHA"},
	{regexp.MustCompile(`(acme[/_]|io\.acme\.)?bp-?\d+`), "BP"},
	{regexp.MustCompile(`\[\d+\]`), "[]"},
	{regexp.MustCompile(`\b(aa|b-layer|c\.layer|zz)\b`), "LAYER"},
	{regexp.MustCompile(`^launch\.proc \S+ .*\.`), "launch.proc."},
}

// compare returns the differences between a and b, sorted.
func compare(a, b any) []Difference {
	var out []Difference
	diff(a, b, "", &out)
	return out
}

func diff(a, b any, path string, out *[]Difference) {
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			diffMaps(a, b, path, out)
			return
		}
	case []any:
		if b, ok := b.([]any); ok && len(a) == len(b) && !(isText(a) && isText(b)) {
			for i := range a {
				diff(a[i], b[i], fmt.Sprintf("%s[%d]", path, i), out)
			}
			return
		}
	}
	if !reflect.DeepEqual(a, b) {
		*out = append(*out, Difference{Path: path, A: a, B: b})
	}
}

func diffMaps(a, b map[string]any, path string, out *[]Difference) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		at := key
		if path != "" {
			at = path + "." + key
		}
		left, inA := a[key]
		right, inB := b[key]
		switch {
		case !inA:
			*out = append(*out, Difference{at, absent, right})
		case !inB:
			*out = append(*out, Difference{at, left, absent})
		default:
			diff(left, right, at, out)
		}
	}
}

func isText(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool { _, ok := v.(string); return !ok })
}

// short returns both values as JSON, without the lines that both texts have.
func (d Difference) short() (a, b string) {
	left, right := d.A, d.B
	if x, ok := left.([]any); ok && isText(x) {
		if y, ok := right.([]any); ok && isText(y) {
			only := func(these, those []any) []any {
				return slices.DeleteFunc(slices.Clone(these), func(v any) bool { return slices.Contains(those, v) })
			}
			if p, q := only(x, y), only(y, x); len(p)+len(q) > 0 {
				left, right = p, q
			}
		}
	}
	return text(left), text(right)
}

func text(v any) string {
	data, err := encode(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

// codes returns only the exit codes, for cases in which another group is chosen.
func codes(result map[string]any) map[string]any {
	out := map[string]any{}
	for _, build := range []string{"b1", "b2"} {
		if o, ok := result[build].(map[string]any); ok {
			out[build] = map[string]any{"codes": o["codes"]}
		}
	}
	return out
}

// failed reports whether a phase of d's build failed.
func (d Difference) failed(result map[string]any) bool {
	build, _, _ := strings.Cut(d.Path, ".")
	o, _ := result[build].(map[string]any)
	codes, _ := o["codes"].(map[string]any)
	for _, code := range codes {
		if code != number(0) {
			return true
		}
	}
	return false
}

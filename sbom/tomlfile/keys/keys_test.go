package keys_test

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/baseplan/baseplan/testdata/seed"

	"github.com/baseplan/baseplan/sbom/tomlfile/keys"
)

func TestClosest(t *testing.T) {
	names := []string{"run-sbom", "proof", "keys", "select", "extend-in-creator"}
	for word, want := range map[string]string{
		"run-sbm": "run-sbom", "RUN_SBOM": "run-sbom", "porof": "proof", "key": "keys", "slect": "select",
		"extend-in-create": "extend-in-creator", "policy": "", "x": "", "": "", "runsbomkeys": "",
		strings.Repeat("run-sbom", 1<<20): "",
	} {
		if got, ok := keys.Closest(word, names); got != want || ok != (want != "") {
			t.Errorf("Closest(%.20q) = %q, %t, want %q", word, got, ok, want)
		}
	}
	for word, name := range map[string]string{"xbaa": "byaa", "abcdef": "bacdxy"} { // two and three letters
		if _, ok := keys.Closest(word, []string{name}); ok {
			t.Errorf("%s is close to %s", word, name)
		}
	}
	if got, _ := keys.Closest("b", []string{"a", "c"}); got != "a" {
		t.Errorf("of two that are as close: %q, want the first", got)
	}
}

// TestClosestFindsOneTypo: one letter too many, too few, wrong or swapped is always found.
func TestClosestFindsOneTypo(t *testing.T) {
	const name = "extend-in-creator"
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, len(name)-2).Draw(t, "i")
		word := rapid.SampledFrom([]string{
			name[:i] + "x" + name[i:], name[:i] + name[i+1:], name[:i] + "x" + name[i+1:], name[:i] + name[i+1:i+2] + name[i:i+1] + name[i+2:],
		}).Draw(t, "word")
		if got, _ := keys.Closest(word, []string{"select", name}); got != name {
			t.Errorf("%s: %q", word, got)
		}
	})
}

type inner struct {
	A string `toml:"a"`
}

type Named struct {
	B string `toml:"b"`
}

type settings struct {
	inner
	Named  `toml:"named"`
	hidden string    `toml:"hidden"`
	Skip   string    `toml:"-"`
	Plain  string    // by its own name
	Next   *settings `toml:"next"`
}

// The keys of a struct are those that the TOML and JSON packages read, also of one that has itself as a field.
func TestCheckFields(t *testing.T) {
	_ = settings{hidden: ""}
	const list = ": the keys here are a, named, Plain, next"
	for key, want := range map[string]string{
		"a": "", "named": "", "named.b": "", "Plain": "", "next.next.next.next.next.next.Plain": "",
		"zzzzzzzzz": `unknown key "zzzzzzzzz"` + list, "hidden": `unknown key "hidden"` + list, "Skip": `unknown key "Skip"` + list,
		"next.next.b": `unknown key "next.next.b": did you mean "next.next.a"?`,
	} {
		err := keys.Check(reflect.TypeFor[settings](), "toml", strings.Split(key, "."))
		if got := ""; err != nil && err.Error() != want || err == nil && want != got {
			t.Errorf("%s: %v, want %s", key, err, want)
		}
	}
}

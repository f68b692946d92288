package cli

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// TestPolicyKeys: `policy explain` knows every key of [policy], and every variable is one that phases read.
func TestPolicyKeys(t *testing.T) {
	fields := reflect.TypeFor[platform.Policy]()
	for i := range fields.NumField() {
		key, _, _ := strings.Cut(fields.Field(i).Tag.Get("toml"), ",")
		if key == "-" || key == "built" { // tables of their own; the time that the detector records
			continue
		}
		if !slices.ContainsFunc(policyKeys, func(k policyKey) bool { return k.name == key }) {
			t.Errorf("key %q of [policy] is not in policyKeys", key)
		}
	}
	variables := inputNames(func(r platform.InputRow) string { return r.Env }, "")
	for _, k := range policyKeys {
		if !slices.Contains(variables, k.env) {
			t.Errorf("key %q: no phase reads %s", k.name, k.env)
		}
	}
}

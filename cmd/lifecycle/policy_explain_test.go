package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	_ "github.com/baseplan/baseplan/testdata/seed"
)

// TestPolicyExplainIsWhatPhasesUse: `baseplan policy explain` says of a builder, a lifecycle image and an environment
// what the phases read from the same files and variables.
func TestPolicyExplainIsWhatPhasesUse(t *testing.T) {
	for n := range 60 {
		x := rapid.Custom(drawPolicies).Example(n)
		dir := t.TempDir()
		for name, file := range map[string]string{"builder": x.Builder, "lifecycle": x.Lifecycle} {
			writePolicyImage(t, filepath.Join(dir, name), file)
			if err := os.WriteFile(filepath.Join(dir, name+".toml"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		args := []string{"policy", "explain", "--output", "json", "--cache-dir", "none", "--platform", "linux/amd64", "--builder", "oci:" + filepath.Join(dir, "builder"), "--lifecycle", "oci:" + filepath.Join(dir, "lifecycle")}
		for _, text := range x.Env {
			args = append(args, "--env", text)
		}
		var out, errs bytes.Buffer
		if code := cli.Run(t.Context(), args, &cli.Console{Out: &out, Err: &errs}); code != cli.Enough {
			t.Fatalf("%+v: exit code %d: %s", x, code, errs.String())
		}
		used, said := usedByPhases(t, dir, x.Env), explainedPolicies(t, out.Bytes())
		for _, key := range []string{"analyzer run-sbom", "detector proof", "restorer proof", "restorer max-image-age", "restorer unbound", "extender extend-network", "creator select"} {
			if said[key] == "" {
				t.Fatalf("%s is missing:\n%s", key, out.String())
			}
		}
		maps.DeleteFunc(said, func(key, _ string) bool { return used[key] == "" })
		maps.DeleteFunc(used, func(key, _ string) bool { return said[key] == "" }) // of a key, the phases that read it are explained
		if diff := gocmp.Diff(used, said); diff != "" {
			t.Errorf("%+v: -phases +explained:\n%s", x, diff)
		}
	}
}

// policies are two policies and the variables of a platform.
type policies struct {
	Builder, Lifecycle string // baseplan.toml
	Env                []string
}

func drawPolicies(t *rapid.T) policies {
	proofs, sboms := []string{"", "plan", "installs", "effect", "strict"}, []string{"", "auto", "generate", "attached", "off"}
	one := func(name string) string {
		var b strings.Builder
		b.WriteString("version = \"1.0\"\n[policy]\n")
		set := func(key string, values ...string) {
			if v := rapid.SampledFrom(values).Draw(t, name+" "+key); v != "" {
				b.WriteString(key + " = " + v + "\n")
			}
		}
		quoted := func(values []string) (all []string) {
			for _, v := range values {
				if v != "" {
					v = `"` + v + `"`
				}
				all = append(all, v)
			}
			return all
		}
		set("run-sbom", quoted(sboms)...)
		set("proof", quoted(proofs)...)
		set("max-image-age", quoted([]string{"", "30d", "700h", "800h"})...)
		set("unbound", "", "true", "false")
		set("select", quoted([]string{"", "off", "auto"})...)
		set("catalog", quoted([]string{"", "registry.example/catalog"})...)
		set("extend-in-creator", quoted([]string{"", "never", "root"})...)
		set("extend-network", quoted([]string{"", "host", "none"})...)
		for _, id := range []string{"acme/a", "acme/b"} {
			if proof := rapid.SampledFrom(proofs).Draw(t, name+" "+id); proof != "" {
				b.WriteString("[[extensions]]\nid = \"" + id + "\"\nproof = \"" + proof + "\"\n")
			}
		}
		return b.String()
	}
	x := policies{Builder: one("builder"), Lifecycle: one("lifecycle")}
	for name, values := range map[string][]string{"CNB_RUN_SBOM": sboms, "CNB_RUN_IMAGE_PROOF": proofs, "CNB_EXTEND_NETWORK": {"", "none"}, "CNB_RUN_IMAGE_SELECTION": {"", "auto"}, "CNB_RUN_IMAGE_CATALOG": {"", "registry.example/other"}} {
		x.Env = append(x.Env, name+"="+rapid.SampledFrom(values).Draw(t, name))
	}
	slices.Sort(x.Env)
	return x
}

func writePolicyImage(t *testing.T, dir, settings string) {
	t.Helper()
	img := lifecycletest.Image(lifecycletest.Layer{"cnb/": "", "cnb/baseplan.toml": settings}, lifecycletest.Layer{"etc/x": "x"})
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(img, layout.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"})); err != nil {
		t.Fatal(err)
	}
}

// usedByPhases returns the policy of each phase as its command reads it, by phase and key.
func usedByPhases(t *testing.T, dir string, env []string) map[string]string {
	t.Helper()
	used := map[string]string{}
	var detectors platform.Policy
	for _, p := range []platform.Phase{platform.Analyze, platform.Detect, platform.Restore, platform.Extend, platform.Create, platform.Rebase} {
		image := "lifecycle"
		if p == platform.Detect || p == platform.Extend || p == platform.Create {
			image = "builder"
		}
		var args []string
		if p == platform.Analyze || p == platform.Create || p == platform.Rebase {
			args = append(args, "registry.example/app")
		}
		in, err := platform.Parse(p, api.Version{Minor: 15}, args, func(name string) string {
			if name == "CNB_BASEPLAN_PATH" {
				return filepath.Join(dir, image+".toml")
			}
			for _, text := range env {
				if value, ok := strings.CutPrefix(text, name+"="); ok {
					return value
				}
			}
			return ""
		})
		if err != nil {
			t.Fatal(err)
		}
		c := &command{Inputs: in, phase: p}
		if err := c.readSettings(); err != nil {
			t.Fatal(err)
		}
		policy := c.policy()
		switch p {
		case platform.Detect:
			detectors = recorded(t, policy)
		case platform.Restore:
			policy = c.policyAfter(&platform.Resolution{Policy: detectors})
		}
		for key, value := range inWords(policy) {
			used[p.String()+" "+key] = value
		}
	}
	return used
}

// recorded returns a policy as later phases read it in resolution.toml.
func recorded(t *testing.T, p platform.Policy) platform.Policy {
	t.Helper()
	data, err := platform.Resolution{Policy: p}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	r, err := platform.DecodeResolution(data, "resolution.toml")
	if err != nil {
		t.Fatal(err)
	}
	return r.Policy
}

// inWords returns a policy with the defaults of docs/design.md, "Policy".
func inWords(p platform.Policy) map[string]string {
	words := map[string]string{
		"run-sbom": cmp.Or(string(p.RunSBOM), "auto"), "proof": cmp.Or(string(p.Proof), "installs"), "max-image-age": cmp.Or(p.MaxImageAge, "any"),
		"select": cmp.Or(p.Select, "off"), "catalog": cmp.Or(p.Catalog, "none"), "extend-in-creator": cmp.Or(p.ExtendInCreator, "auto"), "extend-network": cmp.Or(p.ExtendNetwork, "host"), "unbound": "false",
		"proof of acme/a": string(p.ProofOf("acme/a", "")), "proof of acme/b": string(p.ProofOf("acme/b", "")),
	}
	if p.Unbound != nil && *p.Unbound {
		words["unbound"] = "true"
	}
	return words
}

// explainedPolicies returns what policy explain says, in the same form. Of a key, it names only the phases that read it.
func explainedPolicies(t *testing.T, document []byte) map[string]string {
	t.Helper()
	var d struct {
		Settings []struct {
			Key, Value, From string
			Phases           []string
		}
	}
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, s := range d.Settings {
		for _, phase := range s.Phases {
			said[phase+" "+s.Key] = s.Value
		}
	}
	return said
}

package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/cmd/internal/trust"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
)

// A policyKey is a row of `policy explain`.
type policyKey struct {
	name     string         // in baseplan.toml, else the variable
	env      string         // variable of the same setting; the phases that read it read the key
	fileOnly bool           // the variable is that of another key
	stricter bool           // of two values, the stricter one holds
	recorded bool           // the restorer reads it from resolution.toml only
	alone    bool           // phases do not combine it
	not      platform.Phase // has the variable, but no use for it
	def      string
	fallback *policyKey // has the value of a policy that does not set this one; nil: none

	// value returns the value in a policy, or "". If it is nil, the value is that of the flag or variable.
	value func(*phasePolicy, platform.Policy) string
}

// policyKeys are the keys of [policy], with [[identities]] and [[provides]].
var policyKeys = []policyKey{
	{name: "CNB_BASEPLAN_PATH", env: "CNB_BASEPLAN_PATH", alone: true, def: "none", value: settingsFile},
	{name: "run-sbom", env: "CNB_RUN_SBOM", not: platform.Extend, stricter: true, def: "auto", value: ofPolicy(func(p platform.Policy) string { return string(p.RunSBOM) })},
	{name: "keys", env: "CNB_RUN_SBOM_KEY", def: "none", value: ofPolicy(func(p platform.Policy) string { return fingerprints(p.Keys) })},
	{name: "identities", env: "CNB_RUN_SBOM_KEY", fileOnly: true, def: "none", value: ofPolicy(func(p platform.Policy) string { return identityList(p.Identities) })},
	{name: "trusted-root", env: "CNB_TRUSTED_ROOT", def: "none", value: ofPolicy(func(p platform.Policy) string { return p.TrustedRoot })},
	{name: "unbound", env: "CNB_RUN_SBOM_KEY", fileOnly: true, stricter: true, def: "false", value: ofPolicy(unbound)},
	{name: "proof", env: proofVariable, stricter: true, def: "installs", value: ofPolicy(func(p platform.Policy) string { return string(p.Proof) })},
	{name: "max-image-age", env: proofVariable, fileOnly: true, stricter: true, def: "any", value: ofPolicy(func(p platform.Policy) string { return p.MaxImageAge })},
	{name: "provides", env: proofVariable, fileOnly: true, recorded: true, def: "built-in", value: mappedNames},
	{name: "select", env: "CNB_RUN_IMAGE_SELECTION", def: "off", value: ofPolicy(func(p platform.Policy) string { return p.Select })},
	{name: "catalog", env: "CNB_RUN_IMAGE_CATALOG", def: "none", value: ofPolicy(func(p platform.Policy) string { return p.Catalog })},
	{name: "extend-in-creator", env: "CNB_EXTEND_IN_CREATOR", def: "auto", value: ofPolicy(func(p platform.Policy) string { return p.ExtendInCreator })},
	{name: "extend-network", env: "CNB_EXTEND_NETWORK", def: "host", value: ofPolicy(func(p platform.Policy) string { return p.ExtendNetwork })},
}

const proofVariable = "CNB_RUN_IMAGE_PROOF"

// inputDefaults are defaults that the table of inputs does not have.
var inputDefaults = map[string]string{"CNB_EXTEND_MEMORY": "unlimited", "CNB_REBASE_CHECK": "fail"}

// keys returns the rows: the keys of baseplan.toml, with one for each extension that has a proof of its own,
// and baseplan's other inputs.
func (x *policies) keys() []policyKey {
	var all []policyKey
	for _, k := range policyKeys {
		all = append(all, k)
		if k.name != "proof" {
			continue
		}
		for _, id := range x.extensions() {
			all = append(all, policyKey{name: "proof of " + id, env: k.env, fileOnly: true, stricter: true, def: k.def, fallback: &k, value: ofPolicy(func(p platform.Policy) string {
				return proofOf(p, id)
			})})
		}
	}
	for _, p := range policyPhases {
		for _, r := range policyInputs(p.phase) {
			if !slices.ContainsFunc(all, func(k policyKey) bool { return k.env == r.Env }) {
				all = append(all, policyKey{name: r.Env, env: r.Env, def: cmp.Or(r.Default, inputDefaults[r.Env], "none")})
			}
		}
	}
	return all
}

// extensions returns the extensions that have a proof of their own in any phase.
func (x *policies) extensions() []string {
	var ids []string
	for _, p := range x.all {
		for _, e := range p.holds.Extensions {
			ids = append(ids, e.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// settingsFile returns where a phase's baseplan.toml is.
func settingsFile(p *phasePolicy, _ platform.Policy) string {
	if p.file == "" && p.image.image != nil {
		return fmt.Sprintf("none: the %s has no %s", p.image.kind, p.in.Settings)
	}
	return p.file
}

func ofPolicy(value func(platform.Policy) string) func(*phasePolicy, platform.Policy) string {
	return func(_ *phasePolicy, p platform.Policy) string { return value(p) }
}

func proofOf(p platform.Policy, id string) string {
	for _, x := range p.Extensions {
		if x.ID == id {
			return string(x.Proof)
		}
	}
	return ""
}

func unbound(p platform.Policy) string {
	if p.Unbound == nil {
		return ""
	}
	return fmt.Sprint(*p.Unbound)
}

// fingerprints describes public keys. One that cannot be read is named by its path.
func fingerprints(keys []string) string {
	var all []string
	for _, key := range keys {
		if !strings.Contains(key, "-----BEGIN") {
			all = append(all, key)
			continue
		}
		parsed, err := trust.Keys([]string{key}, "keys")
		if err != nil {
			all = append(all, "invalid: "+err.Error())
		}
		for _, k := range parsed {
			if f, err := attach.Fingerprint(k); err == nil {
				all = append(all, f)
			}
		}
	}
	return strings.Join(all, ", ")
}

func identityList(identities []attach.Identity) string {
	var all []string
	for _, i := range identities {
		all = append(all, fmt.Sprintf("%s (%s)", cmp.Or(i.Subject, i.SubjectPattern), cmp.Or(i.Issuer, i.IssuerPattern)))
	}
	return strings.Join(all, ", ")
}

// mappedNames lists the names that the operator maps.
func mappedNames(p *phasePolicy, _ platform.Policy) string {
	var all []string
	for _, m := range p.settings.Mapping {
		if len(m.Packages) == 0 {
			all = append(all, m.Name+" (by nothing)")
			continue
		}
		all = append(all, m.Name)
	}
	return strings.Join(all, ", ")
}

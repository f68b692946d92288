package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/cmd/internal/trust"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/keyless"
)

// trustFlags adds the flags for trusted signers.
func trustFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSlice("key", nil, "trust only what one of these public keys (PEM files) signed")
	f.StringArray("identity", nil, "trust signatures with a certificate of this subject (URI or email address; with --issuer)")
	f.StringArray("identity-regexp", nil, "like --identity, with a regular expression")
	f.String("issuer", "", "issuer of the tokens of --identity and --identity-regexp, such as https://token.actions.githubusercontent.com")
	f.String("issuer-regexp", "", "like --issuer, with a regular expression")
	f.String("trusted-root", "", "file with Sigstore's trusted root, from baseplan trusted-root; for --identity")
	f.Bool("allow-unbound", false, "with --key: also trust signed SBOMs whose signature does not name the image (cosign's .sbom tags)")
}

// trust returns the trusted signers from the flags and the operator's policy.
func (c *Console) trust(cmd *cobra.Command, p platform.Policy) (attach.Trust, error) {
	flags := cmd.Flags()
	t := attach.Trust{Unbound: p.Unbound != nil && *p.Unbound}
	if flags.Changed("allow-unbound") {
		t.Unbound, _ = flags.GetBool("allow-unbound")
	}
	keys, _ := flags.GetStringSlice("key")
	if i := slices.Index(keys, stdin); i >= 0 {
		data, err := c.readFile(stdin)
		if err != nil {
			return t, fmt.Errorf("reading --key: %w", err)
		}
		keys = slices.Clone(keys)
		keys[i] = string(data)
	}
	given, err := identities(cmd)
	if err != nil {
		return t, err
	}
	t.Identities = given
	if len(keys)+len(given) == 0 {
		keys, t.Identities = p.Keys, p.Identities
	}
	if t.Keys, err = trust.Keys(keys, "--key, or keys in the policy"); err != nil {
		return t, err
	}
	if len(t.Identities) > 0 {
		path, _ := flags.GetString("trusted-root")
		if path == stdin {
			data, err := c.readFile(stdin)
			if err != nil {
				return t, fmt.Errorf("reading --trusted-root: %w", err)
			}
			path = string(data)
		}
		t.Verify, err = c.verifier(cmp.Or(path, c.env("CNB_TRUSTED_ROOT"), p.TrustedRoot))
	}
	return t, err
}

// identities returns the identities from the flags: each subject with the issuer.
func identities(cmd *cobra.Command) ([]attach.Identity, error) {
	flags := cmd.Flags()
	exact, _ := flags.GetStringArray("identity")
	patterns, _ := flags.GetStringArray("identity-regexp")
	var all []attach.Identity
	for _, subject := range exact {
		all = append(all, attach.Identity{Subject: subject})
	}
	for _, subject := range patterns {
		all = append(all, attach.Identity{SubjectPattern: subject})
	}
	issuer, _ := flags.GetString("issuer")
	issuers, _ := flags.GetString("issuer-regexp")
	if len(all) == 0 && issuer+issuers != "" {
		return nil, &hinted{errors.New("--issuer requires an identity"), "add --identity or --identity-regexp"}
	}
	for i := range all {
		all[i].Issuer, all[i].IssuerPattern = issuer, issuers
		if err := all[i].Check(); err != nil {
			return nil, &hinted{fmt.Errorf("--identity, --issuer: %w", err), "an identity is a subject (--identity or --identity-regexp) and its issuer (--issuer or --issuer-regexp)"}
		}
	}
	return all, nil
}

// verifier returns a verifier for certificates. If there is no usable trusted root, it warns and returns nil.
func (c *Console) verifier(root string) (attach.VerifyBundle, error) {
	if root == "" {
		c.warn("identities are not trusted: no trusted root is set (--trusted-root, CNB_TRUSTED_ROOT, or trusted-root in the policy); baseplan trusted-root prints it")
		return nil, nil
	}
	data, err := trust.Root(root, "--trusted-root, CNB_TRUSTED_ROOT, or trusted-root in the policy")
	if err != nil {
		return nil, err
	}
	path, err := keyless.Beside()
	if err != nil {
		c.warn("identities are not trusted: %v", err)
		return nil, nil
	}
	return (&keyless.Program{Path: path, TrustedRoot: []byte(data)}).Verify, nil
}

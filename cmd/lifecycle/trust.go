package main

import (
	"errors"
	"fmt"

	"github.com/baseplan/baseplan/cmd/internal/trust"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/keyless"
)

// What errors name as the source of keys and of the trusted root. Phases read the latter from a file only.
const (
	keySetting  = "CNB_RUN_SBOM_KEY"
	rootSetting = "CNB_TRUSTED_ROOT, or trusted-root in the policy"
)

// trust returns the trusted signers of a policy. It does not set up certificate verification;
// see [command.verifier].
func (c *command) trust(policy platform.Policy) (attach.Trust, error) {
	keys, err := trust.Keys(policy.Keys, keySetting)
	return attach.Trust{Keys: keys, Identities: policy.Identities, Unbound: policy.Unbound != nil && *policy.Unbound}, err
}

// verifier returns the verifier for a policy's identities, or nil if there are none or no
// verifier is available.
func (c *command) verifier(policy platform.Policy) (attach.VerifyBundle, error) {
	root, err := trust.Root(policy.TrustedRoot, rootSetting)
	if err != nil || len(policy.Identities) == 0 {
		return nil, err
	}
	path, err := keyless.Beside()
	if root == "" {
		err = errors.New("no trusted root is set (CNB_TRUSTED_ROOT, or trusted-root in the policy)")
	}
	if err == nil {
		return (&keyless.Program{Path: path, TrustedRoot: []byte(root)}).Verify, nil
	}
	if !c.warnedVerifier {
		c.warnedVerifier = true
		c.log.Warn(fmt.Sprintf("ignoring the policy's identities: %v", err))
	}
	return nil, nil
}

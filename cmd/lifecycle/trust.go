package main

import (
	"crypto"
	"errors"
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/keyless"
)

// trust returns the trusted signers of a policy. It does not set up certificate verification;
// see [command.verifier].
func (c *command) trust(policy platform.Policy) (attach.Trust, error) {
	keys, err := readKeys(policy.Keys)
	return attach.Trust{Keys: keys, Identities: policy.Identities, Unbound: policy.Unbound != nil && *policy.Unbound}, err
}

// verifier returns the verifier for a policy's identities, or nil if there are none or no
// verifier is available.
func (c *command) verifier(policy platform.Policy) (attach.VerifyBundle, error) {
	root, err := trustedRoot(policy.TrustedRoot)
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

// trustedRoot returns the content of a trusted root that is given as a path or inline. Phases
// read it from a file only.
func trustedRoot(given string) (string, error) {
	if given == "" || strings.HasPrefix(strings.TrimSpace(given), "{") {
		return given, nil
	}
	data, err := files.Read(given)
	if err != nil {
		return "", fmt.Errorf("reading the trusted root (CNB_TRUSTED_ROOT, or trusted-root in the policy): %w", err)
	}
	if err := keyless.CheckRoot(data); err != nil {
		return "", fmt.Errorf("reading the trusted root %s: %w; create one with baseplan trusted-root > FILE", given, err)
	}
	return string(data), nil
}

// pemOf replaces paths of public keys by their content, for phases that do not have the files.
func pemOf(given []string) ([]string, error) {
	var keys []string
	for _, key := range given {
		if !strings.Contains(key, "-----BEGIN") {
			data, err := files.Read(key)
			if err != nil {
				return nil, fmt.Errorf("reading a public key (CNB_RUN_SBOM_KEY): %w", err)
			}
			key = string(data)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// readKeys reads public keys given as inline PEM or as paths of PEM files.
func readKeys(given []string) ([]crypto.PublicKey, error) {
	all, err := pemOf(given)
	if err != nil {
		return nil, err
	}
	var keys []crypto.PublicKey
	for i, pem := range all {
		from := given[i]
		if from == pem {
			from = "an inline key of the policy"
		}
		parsed, err := attach.ParseKeys([]byte(pem), from)
		if err != nil {
			return nil, err
		}
		keys = append(keys, parsed...)
	}
	return keys, nil
}

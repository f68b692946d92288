// Package trust reads what a policy trusts: public keys, and Sigstore's trusted root.
package trust

import (
	"crypto"
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/keyless"
)

// PEM replaces paths of public keys by their content, for phases that do not have the files. The setting is named
// in errors.
func PEM(given []string, setting string) ([]string, error) {
	var keys []string
	for _, key := range given {
		if !strings.Contains(key, "-----BEGIN") {
			data, err := files.Read(key)
			if err != nil {
				return nil, fmt.Errorf("reading a public key (%s): %w", setting, err)
			}
			key = string(data)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Keys reads public keys given as inline PEM or as paths of PEM files. The setting is named in errors.
func Keys(given []string, setting string) ([]crypto.PublicKey, error) {
	all, err := PEM(given, setting)
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

// Root returns the content of a trusted root that is given as a path or inline. The setting is named in errors.
func Root(given, setting string) (string, error) {
	if given == "" || strings.HasPrefix(strings.TrimSpace(given), "{") {
		return given, nil
	}
	data, err := files.Read(given)
	if err != nil {
		return "", fmt.Errorf("reading the trusted root (%s): %w", setting, err)
	}
	if err := keyless.CheckRoot(data); err != nil {
		return "", fmt.Errorf("reading the trusted root %s: %w; create one with baseplan trusted-root > FILE", given, err)
	}
	return string(data), nil
}

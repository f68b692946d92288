package cli

import (
	"crypto"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
)

// trustFlags adds the flags that say whose signatures count.
func trustFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSlice("key", nil, "believe only what one of these public keys (PEM files) signed")
	f.Bool("allow-unbound", false, "with --key: also believe signed SBOMs whose signature does not name the image (cosign's .sbom tags)")
}

// trust is whose signatures count, by the flags and the operator's policy.
func (c *Console) trust(cmd *cobra.Command, p platform.Policy) (attach.Trust, error) {
	flags := cmd.Flags()
	t := attach.Trust{Unbound: p.Unbound != nil && *p.Unbound}
	if flags.Changed("allow-unbound") {
		t.Unbound, _ = flags.GetBool("allow-unbound")
	}
	keys, _ := flags.GetStringSlice("key")
	if len(keys) == 0 {
		keys = p.Keys
	}
	var err error
	t.Keys, err = readKeys(keys)
	return t, err
}

// readKeys reads public keys: PEM as it stands, or paths of PEM files.
func readKeys(given []string) ([]crypto.PublicKey, error) {
	var keys []crypto.PublicKey
	for _, key := range given {
		data, name := []byte(key), "a key of baseplan.toml"
		if !strings.Contains(key, "-----BEGIN") {
			var err error
			if data, err = os.ReadFile(key); err != nil {
				return nil, fmt.Errorf("reading key: %w", err)
			}
			name = key
		}
		parsed, err := attach.ParseKeys(data, name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, parsed...)
	}
	return keys, nil
}

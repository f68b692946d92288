package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/sbom/keyless/trustedroot"
)

func (c *Console) trustedRootCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trusted-root",
		Short: "Print Sigstore's trusted root, used to verify identities",
		Long: `Fetches Sigstore's trusted root from its TUF repository, verifies it, and prints it.
Save it to a file. The lifecycle (trusted-root in baseplan.toml, or CNB_TRUSTED_ROOT) and
baseplan (--trusted-root) read it from there without network access. Renew it from time
to time, since keys change.

Use --mirror and --root for a Sigstore instance other than the public one.`,
		Example: "  baseplan trusted-root > trusted_root.json\n  baseplan trusted-root --mirror https://tuf.example --root root.json > trusted_root.json",
		Args:    cobra.NoArgs,
	}
	mirror := cmd.Flags().String("mirror", "", "URL of the TUF repository (default Sigstore's)")
	root := cmd.Flags().String("root", "", "root.json of that repository, which verifies everything else")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o := trustedroot.Options{Mirror: *mirror}
		switch {
		case (*mirror == "") != (*root == ""):
			return &hinted{errors.New("--mirror and --root must be used together"), "a TUF repository is verified by its root.json, which should come from another source"}
		case *root != "":
			var err error
			if o.Root, err = c.readFile(*root); err != nil {
				return fmt.Errorf("reading --root: %w", err)
			}
		}
		done := c.progress("fetching the trusted root")
		data, err := trustedroot.Fetch(cmd.Context(), o)
		done()
		if err != nil {
			return err
		}
		_, err = c.Out.Write(append(data, '\n'))
		return err
	}
	return cmd
}

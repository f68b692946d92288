package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/cmd/internal/build"
)

func (c *Console) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "Prints the version, followed by + and the commit that it was built from.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(c.Out, build.String())
			return err
		},
	}
}

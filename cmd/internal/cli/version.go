package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/cmd/internal/build"
)

// A versionDocument is the output of `version --output json`.
type versionDocument struct {
	envelope
	Baseplan string `json:"baseplan"` // with + and the commit
}

func (c *Console) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "Prints the version, followed by + and the commit that it was built from.",
		Args:  cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		d := versionDocument{envelopeOf("version"), build.String()}
		return c.answer(*output, d, func(w io.Writer, _ int) { fmt.Fprintln(w, d.Baseplan) }, true)
	}
	return cmd
}

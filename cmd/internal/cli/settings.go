package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// settings reads the operator's baseplan.toml, if given.
func (c *Console) settings(cmd *cobra.Command) (*platform.Settings, error) {
	path, _ := cmd.Flags().GetString("baseplan")
	if path == "" {
		return &platform.Settings{}, nil
	}
	read := platform.ReadBounded
	if path == stdin {
		read = c.readFile
	}
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("--baseplan: %w", err)
	}
	return platform.DecodeSettings(data, called(path))
}

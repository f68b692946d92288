//go:build !unix

package buildpack

import (
	"fmt"
	"os/exec"
	"runtime"
)

// group returns an error: buildpacks need process groups and numeric user IDs.
func (h Host) group(cmd *exec.Cmd) (kill func(), err error) {
	return nil, fmt.Errorf("%s cannot run on %s: run phases in a Linux container", cmd.Path, runtime.GOOS)
}

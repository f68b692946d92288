//go:build !unix

package buildpack

import (
	"fmt"
	"os/exec"
	"runtime"
)

// group is an error: a buildpack needs a system with process groups and numbered users.
func (h Host) group(cmd *exec.Cmd) (kill func(), err error) {
	return nil, fmt.Errorf("%s cannot run on %s: run phases in a Linux container", cmd.Path, runtime.GOOS)
}

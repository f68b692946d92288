//go:build unix

package buildpack

import (
	"os/exec"
	"syscall"
)

// group gives a command its own process group, the user of h, and a Cancel that sends SIGTERM to the group. kill
// ends the processes that remain.
func (h Host) group(cmd *exec.Cmd) (kill func(), err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if h.User != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(h.User.UID), Gid: uint32(h.User.GID)} // IDs are checked where they are read
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	return func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }, nil
}

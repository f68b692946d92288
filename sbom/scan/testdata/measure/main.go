// Command measure runs a program and prints to its error stream how long it took
// and the most memory that it had resident: microseconds and KiB. It is a small
// process by itself, since the kernel counts what a parent has resident at the
// fork as its child's.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdout = os.Stdout
	start := time.Now()
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, time.Since(start).Microseconds(), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
}

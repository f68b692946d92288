package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// becomeSubreaper makes this process the parent of orphaned descendants.
func becomeSubreaper() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// denyInspection prevents other processes of the same user from reading this one's environment and
// memory, which have credentials.
func denyInspection() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// killLeftovers kills the processes that a user's executables left behind, after [becomeSubreaper]: root is
// about to read and apply what they wrote.
func killLeftovers(uid int) error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		left, err := childrenOf(uid)
		if err != nil || len(left) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cannot kill %d processes of user %d", len(left), uid)
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have exited
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
	}
}

// childrenOf returns this process's children that run as a user.
func childrenOf(uid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile("/proc/" + e.Name() + "/status")
		if err != nil {
			continue // it has exited
		}
		if field(status, "PPid:") == os.Getpid() && field(status, "Uid:") == uid {
			all = append(all, pid)
		}
	}
	return all, nil
}

// field returns the first number of a key in /proc/PID/status, or -1.
func field(status []byte, key string) int {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			if numbers := strings.Fields(rest); len(numbers) > 0 {
				if n, err := strconv.Atoi(numbers[0]); err == nil {
					return n
				}
			}
		}
	}
	return -1
}

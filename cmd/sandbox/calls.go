//go:build linux && (amd64 || arm64)

package main

import (
	"gvisor.dev/gvisor/pkg/abi/linux"
	"gvisor.dev/gvisor/pkg/errors/linuxerr"
	"gvisor.dev/gvisor/pkg/sentry/arch"
	"gvisor.dev/gvisor/pkg/sentry/kernel"
	"gvisor.dev/gvisor/pkg/sentry/syscalls"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// addCalls adds the system calls that Linux does not have.
func addCalls() {
	for _, table := range kernel.SyscallTables() {
		table.Table[abi.CallUnpack] = syscalls.Supported("unpack", firstOnly(unpack))
		table.Table[abi.CallScan] = syscalls.Supported("scan", firstOnly(scan))
		table.Init()
	}
}

// firstOnly returns a system call that other processes do not have: the first one has all
// capabilities, commands never have SYS_ADMIN.
func firstOnly(call func(t *kernel.Task, args arch.SyscallArguments) error) kernel.SyscallFn {
	return func(t *kernel.Task, _ uintptr, args arch.SyscallArguments) (uintptr, *kernel.SyscallControl, error) {
		if t.ThreadGroup() != t.Kernel().GlobalInit() || !t.Credentials().HasRootCapability(linux.CAP_SYS_ADMIN) {
			return 0, nil, linuxerr.ENOSYS
		}
		return 0, nil, call(t, args)
	}
}

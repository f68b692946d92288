//go:build linux && (amd64 || arm64)

package main

import (
	"gvisor.dev/gvisor/pkg/abi/linux"
	"gvisor.dev/gvisor/pkg/errors/linuxerr"
	"gvisor.dev/gvisor/pkg/sentry/arch"
	"gvisor.dev/gvisor/pkg/sentry/kernel"
	"gvisor.dev/gvisor/pkg/sentry/syscalls"
)

// System calls that Linux does not have, for the first process alone: what takes very many
// system calls otherwise is one here. The numbers are those of package apply.
const (
	callUnpack = 1900 + iota // unpack(dir, from, file): unpack the layer in the file from, or if file is 0, the one that arrives in frames
	callScan                 // scan(dir, to, skip, n): write the metadata of all files, without those at the paths in n bytes of skip
)

func addCalls() {
	for _, table := range kernel.SyscallTables() {
		table.Table[callUnpack] = syscalls.Supported("unpack", firstOnly(unpack))
		table.Table[callScan] = syscalls.Supported("scan", firstOnly(scan))
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

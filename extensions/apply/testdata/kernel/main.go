// The command kernel tries what a command may want from Linux, and prints the names of what works. "kernel attribute FILE"
// gives a file an extended attribute, "kernel list DIR" lists all that is known of the files in a directory, without
// those in proc, sys and dev. "kernel unpack" is the first process of a sandbox, and unpacks a layer while it gets signals.
package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// only is the error of a call that gives a value too.
func only[T any](_ T, err error) error { return err }

func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

func pointer(s string) uintptr {
	b := append([]byte(s), make([]byte, 256)...)
	return uintptr(unsafe.Pointer(&b[0]))
}

const ioURingSetup = 425

func main() {
	if len(os.Args) == 3 && os.Args[1] == "attribute" {
		must(unix.Setxattr(os.Args[2], "user.x", []byte("1"), 0))
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "list" {
		must(list(os.Args[2]))
		return
	}
	if len(os.Args) == 2 && os.Args[1] == "unpack" {
		must(unpack())
		return
	}
	must(os.Chdir("/tmp"))
	for _, name := range []string{"a", "b"} {
		must(os.WriteFile(name, make([]byte, 8192), 0o644))
	}
	f, err := os.OpenFile("a", os.O_RDWR, 0)
	must(err)
	fd := int(f.Fd())
	for _, t := range []struct {
		name string
		try  func() error
	}{
		{"io_uring", func() error { return call(ioURingSetup, 4, pointer("")) }},
		{"memfd", func() error { return only(unix.MemfdCreate("x", 0)) }},
		{"memfd_secret", func() error { return only(unix.MemfdSecret(0)) }},
		{"landlock", func() error { return call(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1) }},
		{"inotify", func() error { return only(unix.InotifyInit()) }},
		{"fanotify", func() error { return only(unix.FanotifyInit(0, 0)) }},
		{"userfaultfd", func() error { return call(unix.SYS_USERFAULTFD, 0) }},
		{"perf", func() error { return only(unix.PerfEventOpen(&unix.PerfEventAttr{Size: 64}, 0, -1, -1, 0)) }},
		{"raw sockets", func() error { return only(unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)) }},
		{"packet sockets", func() error { return only(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)) }},
		{"netlink sockets", func() error { return only(unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)) }},
		{"IPv6 sockets", func() error { return only(unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)) }},
		{"vsock sockets", func() error { return only(unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)) }},
		{"times after writing through memory", func() error {
			before, err := f.Stat()
			must(err)
			time.Sleep(10 * time.Millisecond)
			page, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			must(err)
			page[0]++
			must(errors.Join(unix.Msync(page, unix.MS_SYNC), unix.Munmap(page)))
			after, err := f.Stat()
			must(err)
			if after.ModTime().Equal(before.ModTime()) {
				return errors.New("the time is the old one")
			}
			return nil
		}},
		{"pipes with names", func() error { return unix.Mkfifo("fifo", 0o600) }},
		{"device nodes", func() error { return unix.Mknod("disk", unix.S_IFBLK|0o600, int(unix.Mkdev(8, 0))) }},
		{"mounts", func() error { return unix.Mount("none", "/mnt", "tmpfs", 0, "") }},
		{"user attributes", func() error { return unix.Setxattr("a", "user.x", []byte("1"), 0) }},
		{"capabilities of files", func() error {
			return unix.Setxattr("a", "security.capability", []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0)
		}},
		{"security.selinux attributes", func() error { return unix.Setxattr("a", "security.selinux", []byte("x"), 0) }},
		{"exchanges by renameat2", func() error { return unix.Renameat2(unix.AT_FDCWD, "a", unix.AT_FDCWD, "b", unix.RENAME_EXCHANGE) }},
		{"whiteouts by renameat2", func() error { return unix.Renameat2(unix.AT_FDCWD, "b", unix.AT_FDCWD, "c", unix.RENAME_WHITEOUT) }},
		{"fallocate", func() error { return unix.Fallocate(fd, 0, 0, 16384) }},
		{"fallocate that punches holes", func() error { return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096) }},
		{"SEEK_DATA", func() error { return only(unix.Seek(fd, 0, unix.SEEK_DATA)) }},
		{"O_TMPFILE", func() error { return only(unix.Open("/tmp", unix.O_TMPFILE|unix.O_RDWR, 0o600)) }},
		{"O_DIRECT", func() error { return only(unix.Open("a", unix.O_DIRECT|unix.O_RDWR, 0)) }},
		{"openat2", func() error {
			return only(unix.Openat2(unix.AT_FDCWD, "a", &unix.OpenHow{Flags: unix.O_RDONLY, Resolve: unix.RESOLVE_IN_ROOT}))
		}},
		{"file handles", func() error { _, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "a", 0); return err }},
		{"times of creation", func() error {
			var st unix.Statx_t
			if err := unix.Statx(unix.AT_FDCWD, "a", 0, unix.STATX_BTIME, &st); err != nil || st.Mask&unix.STATX_BTIME == 0 {
				return errors.Join(err, errors.New("there is none"))
			}
			return nil
		}},
		{"chattr", func() error { return only(unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)) }},
		{"locks", func() error {
			return errors.Join(unix.Flock(fd, unix.LOCK_EX), unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
		}},
		{"descriptors of processes", func() error { return only(unix.PidfdOpen(os.Getpid(), 0)) }},
		{"processes", func() error { return exec.Command("/proc/self/exe", "end").Run() }},
		{"ptrace of a child", func() error {
			cmd := exec.Command("/proc/self/exe", "end")
			cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
			if err := cmd.Start(); err != nil {
				return err
			}
			return cmd.Process.Kill()
		}},
		{"personality other than the default", func() error { return call(unix.SYS_PERSONALITY, 8) }},
		{"kernel modules", func() error { return unix.FinitModule(fd, "", 0) }},
		{"shared memory of System V", func() error { return only(unix.SysvShmGet(unix.IPC_PRIVATE, 4096, 0o600)) }},
		{"keyrings", func() error { return only(unix.AddKey("user", "x", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)) }},
	} {
		if len(os.Args) > 1 {
			return // the child of a trial
		}
		if err := t.try(); err == nil {
			fmt.Println("works:", t.name)
		} else {
			fmt.Println("fails:", t.name, err)
		}
	}
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func list(dir string) error {
	first := map[uint64]string{}
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if rel == "proc" || rel == "sys" || rel == "dev" {
			return filepath.SkipDir
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		if !d.IsDir() && st.Nlink > 1 && first[st.Ino] == "" {
			first[st.Ino] = rel
		}
		fmt.Printf("%q %o %d:%d %d.%09d %q", rel, st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec, first[st.Ino])
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(name)
			fmt.Printf(" %q\n", to)
			return err
		case d.Type().IsRegular():
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			fmt.Printf(" %d %x", st.Size, sha256.Sum256(content))
		case !d.IsDir():
			fmt.Println()
			return nil
		}
		attrs, err := attributes(name)
		fmt.Println(attrs)
		return err
	})
}

func attributes(name string) (string, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Listxattr(name, buf)
	if err != nil {
		return "", err
	}
	names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	var text strings.Builder
	for _, attr := range names {
		if attr == "" || strings.HasPrefix(attr, "security.selinux") {
			continue
		}
		n, err := unix.Getxattr(name, attr, buf)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&text, " %s=%q", attr, buf[:n])
	}
	return text.String(), nil
}

func unpack() error {
	runtime.LockOSThread()
	thread := unix.Gettid()
	go func() {
		for i := 0; ; i++ {
			must(unix.Tgkill(os.Getpid(), thread, unix.SIGURG))
			if i%10 == 9 {
				must(only(os.NewFile(3, "questions").Write([]byte("x"))))
			}
			time.Sleep(time.Millisecond)
		}
	}()
	dir, err := unix.Open("/work", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	if err := call(1900, uintptr(dir), 4); err != nil {
		return err
	}
	content, err := os.ReadFile("/work/file")
	fmt.Fprintf(os.Stderr, "%d bytes\n", len(content))
	return err
}

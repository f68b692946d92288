//go:build linux

package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// keptCapabilities are the capabilities of a command in an isolated root: docker's default set
// without those that allow leaving the root (SYS_CHROOT), creating device nodes (MKNOD), raw
// network access (NET_RAW), or regaining any of these (SETPCAP). The default set does not
// include SYS_PTRACE.
var keptCapabilities = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETUID,
	unix.CAP_SETFCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_AUDIT_WRITE,
}

// dropCapabilities removes all other capabilities from the children of this thread: from the
// bounding set, which limits even programs run as root, and from the inheritable and ambient
// sets. The thread keeps its own until it executes another program, so the kernel does not let
// the command trace it.
func dropCapabilities() error {
	kept := map[uintptr]bool{}
	for _, c := range keptCapabilities {
		kept[c] = true
	}
	for c := uintptr(0); c < 64; c++ {
		in, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_CAPBSET_READ, c, 0, 0, 0, 0)
		if errno != 0 {
			break // end of the known capabilities
		}
		if in == 0 || kept[c] {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("capability %d: %w (requires CAP_SETPCAP)", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0
	return unix.Capset(&header, &data[0])
}

// enter changes this process's root to the isolated root.
func (c *command) enter() outcome {
	if c.Namespaces {
		if err := c.pivot(); err != nil {
			return outcome{Failure: err.Error(), NoNamespace: true}
		}
	} else if err := unix.Chroot(c.Root); err != nil {
		return outcome{Failure: fmt.Sprintf("entering the isolated root: %v", err), NotPermitted: errors.Is(err, unix.EPERM)}
	}
	if err := os.Chdir("/"); err != nil {
		return outcome{Failure: err.Error()}
	}
	noProc := !c.Namespaces || mountProc() != nil
	if err := makeDevices(c.Namespaces); err != nil {
		return outcome{Failure: fmt.Sprintf("creating the devices of the isolated root: %v", err), NotPermitted: errors.Is(err, unix.EPERM), NoNamespace: c.Namespaces}
	}
	return outcome{NoProc: noProc}
}

// pivot makes c.Root the root of this mount namespace and unmounts the old one.
func (c *command) pivot() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount(c.Root, c.Root, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting the isolated root: %w", err)
	}
	if err := unix.Chdir(c.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("entering the isolated root: %w", err)
	}
	return unix.Unmount(".", unix.MNT_DETACH) // the old root, mounted on top
}

// mountProc mounts /proc for this PID namespace. It is read-only, since its settings are those
// of the whole machine.
func mountProc() error {
	if err := realDir("/proc"); err != nil {
		return err
	}
	return unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, "")
}

// realDir ensures that name is a directory, not a link to one.
func realDir(name string) error {
	if info, err := os.Lstat(name); err == nil && info.IsDir() {
		return nil
	}
	if err := os.RemoveAll(name); err != nil {
		return err
	}
	return os.Mkdir(name, 0o755)
}

// devices are the device nodes that programs expect. None gives access to hardware.
var devices = []struct {
	name         string
	major, minor uint32
}{
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
}

var deviceLinks = [][2]string{{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}}

// makeDevices populates /dev, which is never part of a layer.
func makeDevices(mount bool) error {
	if err := realDir("/dev"); err != nil {
		return err
	}
	if mount {
		if err := unix.Mount("tmpfs", "/dev", "tmpfs", unix.MS_NOSUID, "mode=755,size=65536k"); err != nil {
			return fmt.Errorf("mounting /dev: %w", err)
		}
		// Device nodes are disabled everywhere else.
		if err := unix.Mount("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NODEV, ""); err != nil {
			return fmt.Errorf("mounting / without devices: %w", err)
		}
	}
	for _, d := range devices {
		if err := makeDevice(filepath.Join("/dev", d.name), int(unix.Mkdev(d.major, d.minor))); err != nil {
			return err
		}
	}
	for _, l := range deviceLinks {
		if err := os.Symlink(l[0], filepath.Join("/dev", l[1])); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := realDir("/dev/shm"); err != nil {
		return err
	}
	return os.Chmod("/dev/shm", fs.ModeSticky|0o777)
}

func makeDevice(name string, dev int) error {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && int(st.Rdev) == dev {
		return os.Chmod(name, 0o666)
	}
	if err := os.RemoveAll(name); err != nil {
		return err
	}
	if err := unix.Mknod(name, unix.S_IFCHR|0o666, dev); err != nil {
		return &fs.PathError{Op: "mknod", Path: name, Err: err}
	}
	return os.Chmod(name, 0o666)
}

// needed are the capabilities that an isolated root takes.
var needed = map[uintptr]string{
	unix.CAP_CHOWN: "CHOWN", unix.CAP_DAC_OVERRIDE: "DAC_OVERRIDE", unix.CAP_FOWNER: "FOWNER", unix.CAP_SETGID: "SETGID", unix.CAP_SETUID: "SETUID",
	unix.CAP_SETPCAP: "SETPCAP", unix.CAP_SYS_CHROOT: "SYS_CHROOT", unix.CAP_MKNOD: "MKNOD",
}

// CanIsolate reports why this process may not use an isolated root, or nil. Its errors wrap
// [ErrNotPermitted].
func CanIsolate(ctx context.Context, noNetwork bool) error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("%w: an isolated root requires root, and this is user %d", ErrNotPermitted, uid)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	var missing []string
	for c, name := range needed {
		if data[0].Effective&(1<<c) == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("%w: an isolated root requires capabilities that this container does not have: %s", ErrNotPermitted, strings.Join(missing, ", "))
	}
	if !noNetwork {
		return nil
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args, cmd.Env = []string{testName}, []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w without a network: this container may not create a network namespace (%w)", ErrNotPermitted, err)
	}
	return nil
}

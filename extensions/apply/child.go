//go:build linux

package apply

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/extensions/apply/program"
)

// childName is the name (os.Args[0]) of the process that runs a command.
const childName = "baseplan-extend"

// A command is the message on descriptor 3 that tells the child process what to run. The child
// terminates the command when that descriptor is closed.
type command struct {
	Root       string // directory of an isolated root; empty: run in place
	Namespaces bool   // the process has its own mount, PID and IPC namespaces
	Args       []string
	Script     script
	Env        []string
	Dir        string
	UID, GID   uint32
	Groups     []uint32
}

// An outcome is the child's answer, a message on descriptor 4.
type outcome struct {
	Exit, Signal int
	Failure      string // why the command did not run

	NotFound, NotPermitted, NoNamespace, NoProc bool
}

// Main runs the command of a RUN instruction, or applies Dockerfiles in a sandbox, if this
// process was started for that, and reports whether it was. A program that applies Dockerfiles
// must call it first thing in main, and return if it ran.
func Main() (ran bool) {
	if len(os.Args) != 1 {
		return false
	}
	switch os.Args[0] {
	case childName:
		runCommand()
	case guestName:
		runGuest()
	case testName:
	default:
		return false
	}
	return true
}

// runCommand runs the command that it reads.
func runCommand() {
	// The capability bounding set belongs to the thread and is inherited by its children.
	runtime.LockOSThread()
	closeOnExec()
	control, status := os.NewFile(3, "control"), os.NewFile(4, "status")
	var c command
	var o outcome
	if err := readMessage(control, &c); err != nil {
		o.Failure = "reading the command: " + err.Error()
	} else {
		o = c.run(control)
	}
	if err := writeMessage(status, o); err != nil {
		fmt.Fprintln(os.Stderr, "reporting to the parent process:", err)
	}
}

// closeOnExec keeps the command from inheriting descriptors of this process, including those
// inherited from whoever started the parent.
func closeOnExec() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		for fd := 3; fd < 1<<16; fd++ {
			unix.CloseOnExec(fd)
		}
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

func (c *command) run(control *os.File) (o outcome) {
	unix.Umask(0o022)
	null, err := os.Open(os.DevNull)
	if err != nil {
		return outcome{Failure: err.Error()}
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return outcome{Failure: err.Error()}
	}
	// Orphans of the command become children of this process and are killed with it.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return outcome{Failure: "becoming a subreaper: " + err.Error()}
	}
	if c.Root != "" {
		if o = c.enter(); o.Failure != "" {
			return o
		}
	}
	noProc := o.NoProc
	if o = c.start(control, null, proc); o.Failure != "" || o.Exit != 0 || o.Signal != 0 {
		o.NoProc = noProc
	}
	return o
}

// start starts the command and waits for it.
func (c *command) start(control, null, proc *os.File) outcome {
	if c.Script.Path != "" {
		if err := writeScript(c.Script); err != nil {
			return outcome{Failure: err.Error()}
		}
		defer os.RemoveAll(filepath.Dir(c.Script.Path))
	}
	file, err := c.lookUp()
	if err != nil {
		return outcome{Failure: err.Error(), NotFound: true, Exit: 127}
	}
	if c.Root != "" {
		if err := dropCapabilities(); err != nil {
			return outcome{Failure: "dropping capabilities: " + err.Error(), NotPermitted: errors.Is(err, unix.EPERM)}
		}
	}
	cmd, err := c.startAs(file, null, &syscall.Credential{Uid: c.UID, Gid: c.GID, Groups: c.Groups})
	if errors.Is(err, unix.EPERM) && os.Getuid() == int(c.UID) && os.Getgid() == int(c.GID) {
		cmd, err = c.startAs(file, null, nil) // in a container without permission to set groups
	}
	if err != nil {
		o := outcome{Failure: program.Explain(err, file, c.Dir).Error(), Exit: 126}
		o.NotFound = errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
		return o
	}
	group := cmd.Process.Pid
	go func() {
		waitClosed(control)
		unix.Kill(-group, unix.SIGTERM)
		time.Sleep(killDelay)
		unix.Kill(-group, unix.SIGKILL)
	}()
	ended := wait(cmd.Process.Pid)
	c.killDescendants(proc)
	if ended.Signaled() {
		return outcome{Signal: int(ended.Signal())}
	}
	exit := ended.ExitStatus()
	if reason := program.NotStarted(exit, file, c.Env); reason != "" {
		return outcome{Exit: exit, NotFound: true, Failure: fmt.Sprintf("exit code %d: %s", exit, reason)}
	}
	return outcome{Exit: exit}
}

// waitClosed returns when the other end of a pipe is closed: the parent has ended, or cancels
// the command. Data written to the pipe has no effect.
func waitClosed(pipe *os.File) { _, _ = io.Copy(io.Discard, pipe) }

func (c *command) startAs(file string, null *os.File, user *syscall.Credential) (*exec.Cmd, error) {
	cmd := &exec.Cmd{Path: file, Args: c.Args, Env: c.Env, Dir: c.Dir, Stdin: null, Stdout: os.Stdout, Stderr: os.Stderr}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: user}
	return cmd, cmd.Start()
}

func writeScript(s script) error {
	dir := filepath.Dir(s.Path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(s.Path, []byte(s.Data), 0o755); err != nil {
		return err
	}
	return os.Chmod(s.Path, 0o755)
}

// lookUp finds the program as exec does, in the PATH of the command's environment.
func (c *command) lookUp() (string, error) {
	if len(c.Args) == 0 {
		return "", errors.New("no command")
	}
	name := c.Args[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, e := range c.Env {
		list, ok := strings.CutPrefix(e, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(c.Dir, dir)
			}
			info, err := os.Stat(filepath.Join(dir, name))
			if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return filepath.Join(dir, name), nil
			}
		}
		return "", fmt.Errorf("%s: not found in PATH (%s)", name, list)
	}
	return "", fmt.Errorf("%s: not found, since PATH is not set", name)
}

// wait waits for a process. It also reaps orphans that end meanwhile.
func wait(pid int) (ended unix.WaitStatus) {
	for {
		got, err := unix.Wait4(-1, &ended, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || got == pid {
			return ended
		}
	}
}

// killDescendants kills processes that the command left behind: a container ends with its command, and
// a process still running could change files after the snapshot.
func (c *command) killDescendants(proc *os.File) {
	for {
		got, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR) || got > 0:
			continue
		case err != nil:
			return // no children left
		}
		if c.Namespaces {
			unix.Kill(-1, unix.SIGKILL) // all of the PID namespace except this process, its init
		} else {
			for _, pid := range children(proc) {
				unix.Kill(pid, unix.SIGKILL)
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// children returns the PIDs of this process's children. proc is /proc, opened before the root
// changed.
func children(proc *os.File) (pids []int) {
	if _, err := proc.Seek(0, 0); err != nil {
		return nil
	}
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil
	}
	own := strconv.Itoa(os.Getpid())
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		fd, err := unix.Openat(int(proc.Fd()), name+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		buf := make([]byte, 512)
		n, _ := unix.Read(fd, buf)
		unix.Close(fd)
		// "pid (name) state ppid …"; the name may hold anything.
		stat := string(buf[:max(n, 0)])
		fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
		if len(fields) > 1 && fields[1] == own {
			pids = append(pids, pid)
		}
	}
	return pids
}

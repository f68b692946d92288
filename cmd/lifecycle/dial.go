package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// dialerName is how the binary is called to serve a [dialer].
const dialerName = "baseplan-dial"

// A dialer connects to the docker daemon's socket although this process has given up the
// right to: a child that kept it makes the connections and hands them over. A single
// connection from before would do as long as the daemon keeps it, but builds can be long.
type dialer struct {
	mu   sync.Mutex
	conn *net.UnixConn
}

// startDialer starts the child, as who runs this process now. It ends with this process.
func startDialer(socket string) (*dialer, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "dialer"), os.NewFile(uintptr(pair[1]), "dialer")
	defer ours.Close()
	defer theirs.Close()
	child := exec.Command("/proc/self/exe")
	child.Args = []string{dialerName, socket}
	child.Env = []string{}
	child.ExtraFiles = []*os.File{theirs}
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal to the phase's group lets it finish what it does
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("starting the connection to the docker daemon: %w", err)
	}
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	return &dialer{conn: conn.(*net.UnixConn)}, nil
}

// Dial asks the child for a connection.
func (d *dialer) Dial(_ context.Context, _, _ string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.conn.Write([]byte{1}); err != nil {
		return nil, err
	}
	text, control := make([]byte, 4096), make([]byte, syscall.CmsgSpace(4))
	n, oobn, _, _, err := d.conn.ReadMsgUnix(text, control)
	if err != nil {
		return nil, err
	}
	if oobn == 0 {
		return nil, errors.New(string(text[:n]))
	}
	messages, err := syscall.ParseSocketControlMessage(control[:oobn])
	if err != nil {
		return nil, err
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fds[0])
	f := os.NewFile(uintptr(fds[0]), "docker")
	defer f.Close()
	return net.FileConn(f)
}

// serveDials is the child: a connection to the socket for each packet, until the other side
// is gone.
func serveDials() int {
	f := os.NewFile(3, "dialer")
	c, err := net.FileConn(f)
	if err != nil {
		return 1
	}
	conn := c.(*net.UnixConn)
	for buf := make([]byte, 1); ; {
		if n, err := conn.Read(buf); err != nil || n == 0 {
			return 0
		}
		if err := serveDial(conn, os.Args[1]); err != nil {
			if _, err := conn.Write([]byte(err.Error())); err != nil {
				return 1
			}
		}
	}
}

func serveDial(to *net.UnixConn, socket string) error {
	daemon, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer daemon.Close()
	f, err := daemon.(*net.UnixConn).File()
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, err = to.WriteMsgUnix([]byte{1}, syscall.UnixRights(int(f.Fd())), nil)
	return err
}

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

// dialerName is the name under which the binary serves a [dialer].
const dialerName = "baseplan-dial"

// A dialer connects to the docker daemon's socket after this process has dropped the privilege
// to do so. A child that keeps the privilege dials and passes the connections on. One
// connection opened in advance would not do: the daemon may close it during a long build.
type dialer struct {
	mu   sync.Mutex
	conn *net.UnixConn
}

// startDialer starts the child with the current user. The child ends with this process.
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
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal to the phase's process group must not end the child first
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("starting the connection to the docker daemon: %w", err)
	}
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	return &dialer{conn: conn.(*net.UnixConn)}, nil
}

// The first byte of a reply from the child. A reply is one packet, and never empty, since that
// means the end of the connection.
const (
	dialed  = 'c' // comes with a connection
	refused = 'e' // followed by the error
)

// maxReply is the maximum length of a reply; the kernel truncates longer ones.
const maxReply = 4096

// Dial requests a connection from the child.
func (d *dialer) Dial(_ context.Context, _, _ string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.conn.Write([]byte{1}); err != nil {
		return nil, d.broken(err)
	}
	reply, control := make([]byte, maxReply), make([]byte, syscall.CmsgSpace(4))
	n, oobn, _, _, err := d.conn.ReadMsgUnix(reply, control)
	if err != nil {
		return nil, d.broken(err)
	}
	if n == 0 || reply[0] == refused {
		return nil, errors.New(string(reply[min(n, 1):n]))
	}
	f, err := receivedFile(control[:oobn])
	if err != nil {
		return nil, d.broken(err)
	}
	defer f.Close()
	return net.FileConn(f)
}

func (*dialer) broken(err error) error {
	return fmt.Errorf("connecting to the docker daemon: %w", err)
}

// receivedFile returns the file that came with a reply. It is missing if this process has
// reached its limit of open files.
func receivedFile(control []byte) (*os.File, error) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		if len(fds) > 0 {
			return os.NewFile(uintptr(fds[0]), "docker"), nil
		}
	}
	return nil, errors.New("the reply has no connection; too many open files?")
}

// serveDials runs the child: it dials the socket for each packet, until the connection is
// closed.
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
			reply := append([]byte{refused}, err.Error()...)
			if _, err := conn.Write(reply[:min(len(reply), maxReply)]); err != nil {
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
	_, _, err = to.WriteMsgUnix([]byte{dialed}, syscall.UnixRights(int(f.Fd())), nil)
	return err
}

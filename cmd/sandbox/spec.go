//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/control/client"
	"gvisor.dev/gvisor/pkg/urpc"
	"gvisor.dev/gvisor/runsc/boot"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// capabilities are those of root in the sandbox. The commands of Dockerfiles have fewer: the
// program confines them to a root and drops the rest.
var capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
	"CAP_SETFCAP", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE", "CAP_SYS_CHROOT", "CAP_SYS_ADMIN", "CAP_MKNOD",
}

func (o *options) spec() *specs.Spec {
	work := specs.Mount{Destination: "/work", Type: "bind", Source: "/work", Options: []string{"mode=0755"}}
	if o.disk > 0 {
		work.Options = append(work.Options, fmt.Sprintf("size=%d", o.disk))
	}
	// One thread takes fewer system calls, which are expensive here: a RUN that does nothing takes a third of the time.
	env := []string{"PATH=/", "GOMAXPROCS=1", "GOGC=400"}
	return &specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{
			Args: o.args, Env: env, Cwd: "/",
			Capabilities: &specs.LinuxCapabilities{Bounding: capabilities, Effective: capabilities, Permitted: capabilities},
		},
		Root:     &specs.Root{Path: "/", Readonly: true},
		Hostname: id,
		Linux:    &specs.Linux{},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs"},
			work,
		},
	}
}

// A control is the socket that gVisor's loader takes its start signal from.
type control struct {
	fd  int
	dir string
}

// newControl creates the socket in a directory of this user alone, in the working directory, which the parent process
// removes at the end.
func newControl() (*control, error) {
	dir, err := os.MkdirTemp(".", "control-")
	if err != nil {
		return nil, err
	}
	c := &control{dir: dir}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.path(), Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	f, err := l.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c.fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, abi.SecondPipeFD+1)
	return c, err
}

func (c *control) path() string { return filepath.Join(c.dir, "control") }

// start connects to the loader, and tells it to start. Nobody else can connect afterwards.
func (c *control) start() error {
	conn, err := client.ConnectTo(c.path())
	dir, failed := os.Getwd()
	if err := errors.Join(err, failed, os.RemoveAll(c.dir), os.Chdir("/")); err != nil {
		return fmt.Errorf("connecting to the control socket: %w", err)
	}
	_ = os.Remove(dir) // the parent process does so too, unless it is killed
	go startContainer(conn)
	return nil
}

// startContainer returns when the container runs. Loader.Run returns the same error.
func startContainer(conn *urpc.Client) {
	name := id
	_ = conn.Call(boot.ContMgrRootContainerStart, &name, nil)
}

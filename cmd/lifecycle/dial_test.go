package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDial connects through the child that keeps the right to, again and again, also after
// the daemon was away.
func TestDial(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	d, err := startDialer(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer d.conn.Close()
	if _, err := d.Dial(t.Context(), "unix", socket); err == nil {
		t.Error("connected to a daemon that is not there")
	}
	for range 2 {
		listener, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		go echo(listener)
		for range 3 {
			conn, err := d.Dial(t.Context(), "unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "ping\n"); err != nil {
				t.Error(err)
			}
			buf := make([]byte, 5)
			if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "ping\n" {
				t.Errorf("got %q, %v", buf, err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		_ = os.Remove(socket) // a listener does so itself
	}
}

// TestDialReplies has the child say why there is no connection, whatever the length of that: a
// reply is never empty, cut into two, or taken for another one's. What an error names is the socket.
func TestDialReplies(t *testing.T) {
	dir := t.TempDir()
	for length := range 107 - len(dir) - 2 {
		socket := filepath.Join(dir, strings.Repeat("s", length+1))
		d, err := startDialer(socket)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if conn, err := d.Dial(t.Context(), "unix", socket); err == nil || conn != nil || !strings.Contains(err.Error(), socket+":") {
				t.Errorf("got %v, %v", conn, err)
			}
		}
		if err := d.conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDialBroken gets replies that bring no connection: they are errors, which say more than a byte.
func TestDialBroken(t *testing.T) {
	for reply, want := range map[string]string{
		string(dialed): "the reply has no connection", "x": "the reply has no connection", string(refused): "", string(refused) + "because": "because",
		string(refused) + strings.Repeat("z", maxReply-1): strings.Repeat("z", maxReply-1),
	} {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		d, child := &dialer{conn: unixConn(t, pair[0])}, unixConn(t, pair[1])
		if _, err := child.Write([]byte(reply)); err != nil {
			t.Fatal(err)
		}
		if conn, err := d.Dial(t.Context(), "unix", ""); err == nil || conn != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v, %v", reply, conn, err)
		}
		if err := child.Close(); err != nil {
			t.Error(err)
		}
		if conn, err := d.Dial(t.Context(), "unix", ""); err == nil || !strings.Contains(err.Error(), "docker daemon") {
			t.Errorf("the child has ended: got %v, %v", conn, err)
		}
		if err := d.conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

func unixConn(t *testing.T, fd int) *net.UnixConn {
	t.Helper()
	f := os.NewFile(uintptr(fd), "dialer")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.UnixConn)
}

func echo(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}()
	}
}

package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
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

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// serve runs a registry in memory with the run images of the tutorials until the context ends.
func serve(ctx context.Context, out io.Writer, address string) error {
	registry := lifecycletest.Registry()
	defer registry.Close()
	var names []string
	for name, image := range lifecycletest.RunImages() {
		registry.Push(name, image)
		names = append(names, name)
	}
	slices.Sort(names)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("starting a registry: %w", err)
	}
	fmt.Fprintf(out, "A registry at %s with %s. Interrupt to stop it.\n", listener.Addr(), strings.Join(names, ", "))
	server := &http.Server{Handler: registry.Handler(), ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving a registry: %w", err)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/baseplan/baseplan/extensions/apply"
)

// sandboxName is the name of the sandbox program, which lies beside this one.
const sandboxName = "sandbox"

// runSandbox decides how to apply Dockerfiles of the run image in this container. It returns
// nil for the way with root: privileged reports why that is not possible, or nil.
func (c *command) runSandbox(ctx context.Context, privileged error) (*apply.Sandbox, error) {
	how := c.policy().ExtendInCreator
	switch {
	case how == "root" && privileged != nil:
		return nil, privileged
	case how == "root", how != "sandbox" && privileged == nil:
		return nil, nil
	}
	s, err := c.sandbox()
	if err == nil {
		err = s.Test(ctx)
	}
	if err == nil {
		return s, nil
	}
	if how == "sandbox" {
		return nil, err
	}
	return nil, fmt.Errorf("%w; %w", privileged, err)
}

// sandbox returns the sandbox program of this distribution.
func (c *command) sandbox() (*apply.Sandbox, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program := filepath.Join(filepath.Dir(self), sandboxName)
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return nil, fmt.Errorf("there is no sandbox for %s: it runs on amd64 and arm64", runtime.GOARCH)
	}
	if !exists(program) {
		return nil, fmt.Errorf("the sandbox %s does not exist; take it from the distribution", program)
	}
	// <layers> is usually a volume: of /tmp, a container often has little, and may run no programs.
	return &apply.Sandbox{Program: program, Dir: c.Layers, Disk: c.ExtendDisk, Memory: c.ExtendMemory}, ensureDir(c.Layers)
}

// errNetwork is returned where Dockerfiles would have to be applied in place.
var errNetwork = errors.New("CNB_EXTEND_NETWORK is none, and commands in this container have its network")

// noNetwork reports whether commands in Dockerfiles have no network.
func (c *command) noNetwork() bool { return c.policy().ExtendNetwork == "none" }

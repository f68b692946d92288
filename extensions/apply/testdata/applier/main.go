// The applier applies one Dockerfile where it is told to, for tests that need a
// process in a container of its own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/extensions/apply"
)

type spec struct {
	Dir, Base, App, Spool, Cache, Out string
	Bases                             []string // instead of Base
	Debug                             bool
	Sandbox                           string // path of the sandbox program; empty: none
	Disk, Memory                      int64
	NoNetwork                         bool
	Timeout                           time.Duration // zero: none
	Dockerfile                        string
	Image                             extensions.ImageKind
	Args                              []extensions.Arg
	Config                            v1.Config
}

type result struct {
	Config   v1.Config
	Layers   []string // tars
	Executed int
	Error    string
	Code     string // the sentinel that the error wraps
}

func main() {
	if apply.Main() {
		return
	}
	var s spec
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	r := run(s)
	content, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(s.Out, content, 0o666)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(s spec) (r result) {
	d, err := extensions.Parse("run.Dockerfile", []byte(s.Dockerfile), s.Image, s.Args...)
	if err != nil {
		return result{Error: err.Error()}
	}
	a := &apply.Applier{
		Root: apply.Root{Dir: s.Dir}, Digest: "sha256:base", App: s.App, Spool: s.Spool, Cache: s.Cache, Env: os.Environ(),
		NoNetwork: s.NoNetwork,
		Stdout:    os.Stdout, Stderr: os.Stdout, // one stream, so that its order is kept
	}
	if s.Sandbox != "" {
		a.Root.Dir, a.Sandbox = "", &apply.Sandbox{Program: s.Sandbox, Disk: s.Disk, Memory: s.Memory}
	}
	if s.Debug {
		a.Log = slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if s.Base != "" {
		s.Bases = append(s.Bases, s.Base)
	}
	for _, base := range s.Bases {
		a.Root.Layers = append(a.Root.Layers, func() (io.ReadCloser, error) { return os.Open(base) })
	}
	ctx := context.Background()
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Timeout)
		defer cancel()
	}
	got, err := a.Apply(ctx, []*extensions.Dockerfile{d}, s.Config)
	if err != nil {
		r.Error = err.Error()
		for name, sentinel := range map[string]error{"root-user": apply.ErrRootUser, "not-permitted": apply.ErrNotPermitted, "no-sandbox": apply.ErrNoSandbox} {
			if errors.Is(err, sentinel) {
				r.Code = name
			}
		}
		return r
	}
	r.Config, r.Executed = got.Config, got.Executed
	for i, l := range got.Layers {
		name := fmt.Sprintf("%s.%d.tar", s.Out, i)
		if err := save(l, name); err != nil {
			return result{Error: err.Error()}
		}
		r.Layers = append(r.Layers, name)
	}
	return r
}

func save(l v1.Layer, name string) error {
	in, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

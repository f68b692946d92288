package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/moby/client"

	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

// CheckRead returns an error unless an image could be read under the name, one of those of
// [Writer.Write]. A missing image is not an error. Images that have been opened need no check.
func (w *Writer) CheckRead(ctx context.Context, name reference.Reference) error {
	return w.check(ctx, "checking read access to", name, w.canPull, canRead)
}

// CheckWrite returns an error unless an image could be written under the name, one of those of
// [Writer.Write]. It writes nothing, but begins an upload to a registry, since many registries
// grant a token to everybody.
func (w *Writer) CheckWrite(ctx context.Context, name reference.Reference) error {
	return w.check(ctx, "checking write access to", name, w.canPush, canWrite)
}

func (w *Writer) check(ctx context.Context, doing string, name reference.Reference, inRegistry func(context.Context, reference.Reference) error, inLayout func(string) error) error {
	var err error
	switch name.Kind {
	case reference.Daemon:
		err = w.canReach(ctx)
	case reference.Layout:
		if name, err = writableLayout(name); err == nil {
			err = inLayout(name.Path)
		}
	default:
		err = inRegistry(ctx, name)
	}
	if err != nil {
		return &imageError{doing, registry.Redact(name.String()), err}
	}
	return nil
}

func (w *Writer) canReach(ctx context.Context) error {
	daemon, err := w.daemon()
	if err != nil {
		return fmt.Errorf("connecting to the docker daemon: %w", err)
	}
	if _, err := daemon.Ping(ctx, client.PingOptions{}); err != nil {
		return errors.Join(fmt.Errorf("contacting the docker daemon at %s: %w", daemon.DaemonHost(), err), daemon.Close())
	}
	return daemon.Close()
}

func (w *Writer) canPull(ctx context.Context, name reference.Reference) error {
	ref, err := w.Registry.Reference(name)
	if err != nil {
		return err
	}
	_, err = remote.Head(ref, w.Registry.Options(ctx, ref.Context())...)
	if err != nil && registry.Status(err) != http.StatusNotFound {
		return fmt.Errorf("accessing registry %s: %w", ref.Context().RegistryStr(), w.Registry.Refused(ref.Context(), err))
	}
	return nil
}

func (w *Writer) canPush(ctx context.Context, name reference.Reference) error {
	ref, err := w.Registry.Reference(name)
	if err != nil {
		return err
	}
	if err := w.Registry.CheckWrite(ctx, ref); err != nil {
		return fmt.Errorf("beginning an upload to registry %s: %w", ref.Context().RegistryStr(), err)
	}
	return nil
}

func canRead(dir string) error {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading OCI layout: %w", err)
	}
	return f.Close()
}

// canWrite returns an error unless it can create a file in the directory, or in its nearest
// existing parent.
func canWrite(dir string) error {
	at := filepath.Clean(dir)
	for at != filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		at = filepath.Dir(at)
	}
	f, err := os.CreateTemp(at, ".access-*")
	if err != nil {
		return fmt.Errorf("writing OCI layout: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

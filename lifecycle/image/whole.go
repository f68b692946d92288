package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

// Whole returns an image with all of its content. A daemon's image is saved as by docker save
// to a temporary file in dir (empty: the system's directory), which is removed when the result
// is closed. Other images are opened again. The caller must close the result.
func (o *Opener) Whole(ctx context.Context, img *Image, dir string) (*Image, error) {
	if img.Files == nil {
		return o.Open(ctx, img.Name)
	}
	file, err := os.CreateTemp(dir, "baseplan-image-*.tar")
	if err != nil {
		return nil, err
	}
	whole, err := o.saved(ctx, img, file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("saving image %s from the docker daemon: %w", registry.Redact(img.Name.String()), err), os.Remove(file.Name()))
	}
	return whole, nil
}

func (o *Opener) saved(ctx context.Context, img *Image, file *os.File) (*Image, error) {
	daemon, err := o.daemon()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	defer daemon.Close()
	stream, err := daemon.ImageSave(ctx, []string{img.Digest.String()})
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	_, err = io.Copy(file, stream)
	if err := errors.Join(err, stream.Close(), file.Close()); err != nil {
		return nil, err
	}
	whole, err := o.Open(ctx, reference.Reference{Kind: reference.Tar, Path: file.Name()})
	if err != nil {
		return nil, err
	}
	opened := whole.close
	whole.close = func() error {
		var err error
		if opened != nil {
			err = opened()
		}
		return errors.Join(err, os.Remove(file.Name()))
	}
	whole.Name = img.Name
	return whole, nil
}

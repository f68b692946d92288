package main

import (
	"context"
	"errors"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/image"
)

// rebase runs the rebaser.
func (c *command) rebase(ctx context.Context) error {
	opener := c.images()
	if err := c.readSettings(); err != nil {
		return err
	}
	if err := c.drop(opener); err != nil {
		return err
	}
	reader, err := c.reader(opener, c.policy())
	if err != nil {
		return err
	}
	r := lifecycle.Rebaser{
		API: c.api, Images: &image.Writer{Opener: opener}, Locator: c.Locate, Names: c.Images,
		Previous: c.PreviousImage, RunImage: c.RunImage, Force: c.Force, Check: c.RebaseCheck, Reader: reader, Log: c.log,
	}
	report, err := r.Run(ctx)
	if report != nil {
		if err := c.write(c.Report, report); err != nil {
			return errors.Join(err, errors.New("the image was rebased, but its report cannot be written; set another path with -report"))
		}
	}
	return err
}

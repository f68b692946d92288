package main

import (
	"context"
	"errors"

	"github.com/baseplan/baseplan/lifecycle/fail"
)

// rebase runs the rebaser.
func (c *command) rebase(context.Context) error {
	return fail.As(fail.Rebase, "", errors.New("not yet"))
}

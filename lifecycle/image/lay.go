package image

import (
	"context"
	"errors"
)

func (w *Writer) lay(ctx context.Context, d *Draft, names []string) (*Written, error) {
	return nil, errors.ErrUnsupported
}

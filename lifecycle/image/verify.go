package image

import (
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A verifier is a reader that returns an error if its content does not have the expected size
// and digest.
type verifier struct {
	io.ReadCloser
	want v1.Hash
	left int64
	sum  hash.Hash
	err  error // returned by all later reads
}

func verify(r io.ReadCloser, want v1.Hash, size int64) (io.ReadCloser, error) {
	sum, err := v1.Hasher(want.Algorithm)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return &verifier{ReadCloser: r, want: want, left: size, sum: sum}, nil
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.ReadCloser.Read(p)
	v.left -= int64(n)
	v.sum.Write(p[:n])
	switch {
	case v.left < 0:
		err = fmt.Errorf("blob %s: %w: it is longer than its manifest says", v.want, errCorrupt)
	case errors.Is(err, io.EOF) && v.left > 0:
		err = fmt.Errorf("blob %s: %w: it is %d bytes shorter than its manifest says", v.want, errCorrupt, v.left)
	case errors.Is(err, io.EOF):
		if got := hashOf(v.sum); got != v.want {
			err = fmt.Errorf("blob %s: %w: its content has digest %s", v.want, errCorrupt, got)
		}
	}
	v.err = err
	return n, err
}

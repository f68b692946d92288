package lifecycle

import (
	"archive/tar"
	"errors"
	"io"
	"path"
)

// rebased converts the tar of a directory, as daemons return it, to the tar of a layer that has the
// directory below parent.
func rebased(r io.ReadCloser, parent string) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		err := rewrite(in, r, parent)
		_ = r.Close() // only read
		_ = in.CloseWithError(err)
	}()
	return out
}

func rewrite(w io.Writer, r io.Reader, parent string) error {
	from, to := tar.NewReader(r), tar.NewWriter(w)
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			return to.Close()
		}
		if err != nil {
			return err
		}
		h.Name = path.Join(parent, h.Name)
		if err := to.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(to, from); err != nil {
			return err
		}
	}
}

//go:build linux

package apply

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// paxXattr is the prefix of extended attributes in PAX records.
const paxXattr = "SCHILY.xattr."

// xattrs returns the kept extended attributes of an open file.
func xattrs(fd int) (map[string]string, error) {
	size, err := unix.Flistxattr(fd, nil)
	if size <= 0 || errors.Is(err, unix.ENOTSUP) {
		return nil, ignoreUnsupported(err)
	}
	list := make([]byte, size)
	if size, err = unix.Flistxattr(fd, list); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for name := range strings.SplitSeq(string(list[:size]), "\x00") {
		if !abi.KeptXattr(name) {
			continue
		}
		value := make([]byte, 64<<10) // Linux's maximum
		n, err := unix.Fgetxattr(fd, name, value)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[name] = string(value[:n])
	}
	return found, nil
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}

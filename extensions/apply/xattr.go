//go:build linux

package apply

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// paxXattr stands in front of the names of extended attributes in a tar.
const paxXattr = "SCHILY.xattr."

// keptXattr reports whether an extended attribute belongs to the file, rather
// than to the machine that it is on (labels of security modules, notes of
// overlay file systems).
func keptXattr(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "system.posix_acl_")
}

// xattrs reads the extended attributes of an open file that are kept.
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
		if !keptXattr(name) {
			continue
		}
		value := make([]byte, 64<<10) // the most that Linux allows
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

//go:build linux

package apply

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// paxXattr is the prefix of extended attributes in PAX records.
const paxXattr = "SCHILY.xattr."

// keptXattr reports whether an extended attribute belongs to the file rather than to the
// machine, as labels of security modules and metadata of overlay file systems do.
func keptXattr(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "system.posix_acl_")
}

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
		if !keptXattr(name) {
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

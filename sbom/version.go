package sbom

import (
	"fmt"
	"strconv"
	"strings"
)

// FileVersion is the version, "major.minor", that is written to baseplan's own
// files, labels and artifacts.
const FileVersion = "1.0"

// CheckFileVersion returns an error if a file of that version cannot be read. Every
// 1.x can; any other major version is refused.
func CheckFileVersion(version string) error {
	if version == "" {
		return fmt.Errorf("missing: want %q", FileVersion)
	}
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.ParseUint(major, 10, 16)
	if err != nil {
		return fmt.Errorf("%q is not a version: want %q", version, FileVersion)
	}
	if n != 1 {
		return fmt.Errorf("%q is not supported, only 1.x: use a newer baseplan, or write the file for 1.x", version)
	}
	return nil
}

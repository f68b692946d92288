package sbom

import (
	"fmt"
	"strconv"
	"strings"
)

// FileVersion is the version that the files, labels and artifacts of baseplan's
// own carry, "major.minor" (FORMATS).
const FileVersion = "1.0"

// CheckFileVersion says whether a file of that version can be read: any 1.x
// can; a newer major version is refused.
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
		return fmt.Errorf("%q is not understood here, which reads 1.x: use a newer baseplan, or write the file for 1.x", version)
	}
	return nil
}

package attach

import (
	"slices"

	"github.com/baseplan/baseplan/sbom"
)

// architectures maps Go's name of an architecture, which images use, to the distributions'
// names.
var architectures = map[string][]string{
	"386":     {"i386", "i486", "i586", "i686", "x86"},
	"amd64":   {"amd64", "x86_64"},
	"arm":     {"armel", "armhf", "armv6hl", "armv7", "armv7hl", "armv7l"},
	"arm64":   {"aarch64", "arm64"},
	"loong64": {"loong64", "loongarch64"},
	"ppc64le": {"ppc64el", "ppc64le"},
	"riscv64": {"riscv64"},
	"s390x":   {"s390x"},
}

// otherArchitecture returns the architecture of a document's operating system packages if none
// is for the image's, or "" if they match or nothing is known. It detects that an SBOM
// attached to an index is for another platform.
func otherArchitecture(d *sbom.Document, image string) string {
	own, ok := architectures[image]
	if !ok {
		return ""
	}
	other := ""
	for _, p := range d.Packages {
		switch {
		case !p.Type.OS():
		case slices.Contains(own, p.Arch):
			return ""
		case other == "" && knownArchitecture(p.Arch):
			other = p.Arch
		}
	}
	return other
}

func knownArchitecture(name string) bool {
	for _, spelled := range architectures {
		if slices.Contains(spelled, name) {
			return true
		}
	}
	return false
}

package scan

import (
	"errors"
	"strconv"
	"strings"

	"github.com/anchore/syft/syft/linux"

	"github.com/baseplan/baseplan/sbom"
)

// parseManifest reads the package list of an Azure Linux image without RPM. A line
// is the output of
//
//	rpm --query --all --query-format "%{NAME}\t%{VERSION}-%{RELEASE}\t%{INSTALLTIME}\t%{BUILDTIME}\t%{VENDOR}\t%{EPOCH}\t%{SIZE}\t%{ARCH}\t%{EPOCHNUM}\t%{SOURCERPM}\n"
//
// Syft's parser takes the size for the epoch, skips an unterminated last line, and
// leaves out the distribution.
func parseManifest(content []byte, release *linux.Release) ([]sbom.Package, error) {
	var packages []sbom.Package
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(fields) < 10 {
			continue
		}
		version, rest, ok := strings.Cut(fields[1], "-")
		if fields[0] == "" || !ok || strings.Contains(rest, "-") {
			continue
		}
		n := rpmName{fields[0], nil, version, rest, known(fields[7]), known(fields[9])}
		full := fields[1]
		if epoch, err := strconv.Atoi(fields[5]); err == nil { // else "(none)"
			n.epoch = &epoch
			full = fields[5] + ":" + full
		}
		packages = append(packages, sbom.Package{
			Type: sbom.RPM, Name: n.name, Version: full, Arch: n.arch, PURL: rpmPURL(n, release),
			Source: sbom.ParseSourceRPM(n.source),
			Known:  sbom.Arch | sbom.Upstream, // neither the files nor the provides are known
		})
	}
	if len(packages) == 0 {
		return nil, errors.New("it lists no packages")
	}
	return packages, nil
}

// known returns the value of a tag, "" for RPM's "(none)".
func known(value string) string {
	if value == "(none)" {
		return ""
	}
	return value
}

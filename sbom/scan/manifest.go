package scan

import (
	"errors"
	"strconv"
	"strings"

	"github.com/anchore/syft/syft/linux"

	"github.com/baseplan/baseplan/sbom"
)

// parseManifest reads the list of packages of an Azure Linux image without RPM. A line is what
//
//	rpm --query --all --query-format "%{NAME}\t%{VERSION}-%{RELEASE}\t%{INSTALLTIME}\t%{BUILDTIME}\t%{VENDOR}\t%{EPOCH}\t%{SIZE}\t%{ARCH}\t%{EPOCHNUM}\t%{SOURCERPM}\n"
//
// gives. Syft's parser is not used: it takes the size for the epoch, leaves out a last line that does not end, and
// does not tell the distribution.
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
			Known:  sbom.Arch | sbom.Upstream, // neither files nor what it provides
		})
	}
	if len(packages) == 0 {
		return nil, errors.New("there are no packages in it")
	}
	return packages, nil
}

// known is the value of a tag; RPM writes "(none)" for one that is not set.
func known(value string) string {
	if value == "(none)" {
		return ""
	}
	return value
}

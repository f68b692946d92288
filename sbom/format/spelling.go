package format

import (
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// formatProvides is the inverse of [sbom.ParseVirtuals].
func formatProvides(p sbom.Package) []string {
	var entries []string
	for _, v := range p.Provides {
		entries = append(entries, v.Entry(p.Type))
	}
	return entries
}

// parseUpstream parses the qualifier "upstream" of a package URL: the file name of
// a source RPM, otherwise NAME or NAME@VERSION.
func parseUpstream(t sbom.Type, s string) sbom.Source {
	if t == sbom.RPM {
		return sbom.ParseSourceRPM(s)
	}
	name, version, _ := strings.Cut(s, "@")
	return sbom.Source{Name: name, Version: version}
}

// sourceRPM returns the file name of a source RPM, or "" if there is none.
func sourceRPM(s sbom.Source) string {
	if s.Name == "" {
		return ""
	}
	file := s.Name + "-" + s.Version + ".src.rpm"
	if sbom.ParseSourceRPM(file) != s {
		return ""
	}
	return file
}

// distinctSource returns the source package if it differs from the package itself.
// RPM packages always have one.
func distinctSource(p sbom.Package) sbom.Source {
	s := p.Source
	switch {
	case s.Name == "" || p.Type == sbom.RPM:
		return s
	case s.Version == p.Version:
		s.Version = ""
	}
	if s.Name == p.Name && s.Version == "" {
		return sbom.Source{}
	}
	return s
}

func qualifiers(u packageurl.PackageURL) map[string]string {
	if len(u.Qualifiers) == 0 {
		return nil
	}
	return u.Qualifiers.Map()
}

// distroOf parses the qualifier "distro" of a package URL: "debian-12",
// "opensuse-leap-15.4".
func distroOf(s string) sbom.Distro {
	if i := strings.LastIndexByte(s, '-'); i > 0 && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9' {
		return sbom.Distro{ID: distroID(s[:i]), Version: s[i+1:]}
	}
	return sbom.Distro{ID: distroID(s)}
}

// distroID maps Trivy's names to IDs of os-release(5).
func distroID(s string) string {
	switch s {
	case "redhat":
		return "rhel"
	case "alma":
		return "almalinux"
	case "amazon":
		return "amzn"
	case "oracle":
		return "ol"
	case "cbl-mariner":
		return "mariner"
	case "opensuse.leap":
		return "opensuse-leap"
	case "opensuse.tumbleweed":
		return "opensuse-tumbleweed"
	case "suse linux enterprise server":
		return "sles"
	}
	return s
}

// makePURL returns a package URL as Syft makes it, or "" if the distribution is
// unknown.
func makePURL(p sbom.Package, d sbom.Distro) string {
	if !p.Type.OS() || d.ID == "" || p.Version == "" {
		return ""
	}
	namespace, version := d.ID, p.Version
	q := map[string]string{"arch": p.Arch, "distro": d.ID}
	if d.Version != "" {
		q["distro"] += "-" + d.Version
	}
	if p.Type == sbom.RPM {
		if namespace == "rhel" {
			namespace = "redhat"
		}
		if evr := p.EVR(); evr.Epoch != "" {
			q["epoch"], version = evr.Epoch, strings.TrimPrefix(version, evr.Epoch+":")
		}
	}
	for key, value := range q {
		if value == "" {
			delete(q, key)
		}
	}
	u := packageurl.NewPackageURL(string(p.Type), namespace, p.Name, version, packageurl.QualifiersFromMap(q), "")
	return u.ToString()
}

// formatUnready is the inverse of [parseUnready].
func formatUnready(doc *sbom.Document) []string {
	var all []string
	for _, u := range doc.Unready {
		all = append(all, u.String())
	}
	return all
}

func parseUnready(texts []string) []sbom.Unready {
	var all []sbom.Unready
	for _, text := range texts {
		if u, ok := sbom.ParseUnready(text); ok {
			all = append(all, u)
		}
	}
	return all
}

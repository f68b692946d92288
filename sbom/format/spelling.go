package format

import (
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/sbom"
)

// parseProvides reads entries of a Provides field as dpkg, apk and rpm write them:
// "libfoo:any (= 1.2)", "so:libssl.so.3=3.1.4", "perl(Carp) = 1.50".
func parseProvides(t sbom.Type, entries []string) []sbom.VirtualPackage {
	if len(entries) == 0 {
		return nil
	}
	all := make([]sbom.VirtualPackage, 0, len(entries))
	for _, e := range entries {
		var v sbom.VirtualPackage
		switch t {
		case sbom.Deb:
			v.Name, v.Version, _ = strings.Cut(e, "(")
			v.Name, _, _ = strings.Cut(strings.TrimSpace(v.Name), ":") // an architecture
			v.Version = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v.Version), ")"))
			v.Version = strings.TrimSpace(strings.TrimPrefix(v.Version, "="))
		case sbom.RPM:
			v.Name, v.Version, _ = strings.Cut(e, " = ")
		default:
			v.Name, v.Version, _ = strings.Cut(e, "=")
			v.Name = strings.TrimRight(v.Name, "<>~")
		}
		if v.Name != "" {
			all = append(all, v)
		}
	}
	return sortProvides(all)
}

func sortProvides(all []sbom.VirtualPackage) []sbom.VirtualPackage {
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b sbom.VirtualPackage) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Version, b.Version)
	})
	return slices.Compact(all)
}

// formatProvides is the reverse of parseProvides.
func formatProvides(p sbom.Package) []string {
	var entries []string
	for _, v := range p.Provides {
		switch {
		case v.Version == "":
			entries = append(entries, v.Name)
		case p.Type == sbom.Deb:
			entries = append(entries, v.Name+" (= "+v.Version+")")
		case p.Type == sbom.RPM:
			entries = append(entries, v.Name+" = "+v.Version)
		default:
			entries = append(entries, v.Name+"="+v.Version)
		}
	}
	return entries
}

// parseUpstream reads the source package as the qualifier "upstream" of a purl has
// it: the file name of a source RPM, else NAME or NAME@VERSION.
func parseUpstream(t sbom.Type, s string) sbom.Source {
	if t == sbom.RPM {
		return parseSourceRPM(s)
	}
	name, version, _ := strings.Cut(s, "@")
	return sbom.Source{Name: name, Version: version}
}

// parseSourceRPM takes "bash-5.1.8-6.el9.src.rpm" apart.
func parseSourceRPM(file string) sbom.Source {
	nvr := strings.TrimSuffix(strings.TrimSuffix(file, ".rpm"), ".src")
	nvr = strings.TrimSuffix(nvr, ".nosrc")
	release := strings.LastIndexByte(nvr, '-')
	if release <= 0 {
		return sbom.Source{}
	}
	version := strings.LastIndexByte(nvr[:release], '-')
	if version <= 0 {
		return sbom.Source{}
	}
	return sbom.Source{Name: nvr[:version], Version: nvr[version+1:]}
}

// sourceRPM is the reverse; empty where there is none.
func sourceRPM(s sbom.Source) string {
	if s.Name == "" {
		return ""
	}
	file := s.Name + "-" + s.Version + ".src.rpm"
	if parseSourceRPM(file) != s {
		return ""
	}
	return file
}

// other is the source package where it is not the package itself. An RPM package
// always has one.
func other(p sbom.Package) sbom.Source {
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

// distroOf reads the qualifier "distro" of a purl: "debian-12", "opensuse-leap-15.4".
func distroOf(s string) sbom.Distro {
	if i := strings.LastIndexByte(s, '-'); i > 0 && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9' {
		return sbom.Distro{ID: distroID(s[:i]), Version: s[i+1:]}
	}
	return sbom.Distro{ID: distroID(s)}
}

// distroID is the ID of os-release(5); Trivy has names of its own for some.
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

// makePURL is the purl of a package whose document has none, as Syft makes it;
// empty if the distribution is not known.
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

package cli

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver/advise"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A family is a distribution's type of packages and its ID, as far as they are known.
type family struct {
	kind   sbom.Type
	distro string
}

// An addition is a package to add to a run image.
type addition struct {
	Package string `json:"package,omitempty"` // absent: no package is known that provides the name
	Name    string `json:"name,omitempty"`    // of the build plan, if that requires it
	Version string `json:"version,omitempty"` // the constraint of the name
}

func (a addition) String() string {
	name := strings.TrimSpace(a.Name + " " + a.Version)
	switch {
	case a.Package == "":
		return name + " (no package is known)"
	case a.Name == "":
		return a.Package
	case a.Name == a.Package:
		return name
	}
	return a.Package + " (as " + name + ")"
}

// named returns the builds with the texts of what they lacked.
func (h *history) named() []advise.Build {
	var all []advise.Build
	for _, p := range h.past {
		b := advise.Build{Base: p.base, Count: p.count}
		for _, m := range p.lacks {
			a := h.addition(m, h.families[p.base], p.mapping)
			h.names[a.String()] = a
			b.Lacks = append(b.Lacks, a.String())
		}
		all = append(all, b)
	}
	return all
}

// addition returns the package for what a build lacked: by the mapping, or as another build had it.
func (h *history) addition(m missing, f family, mapping []provides.Mapping) addition {
	if m.pkg != "" {
		return addition{Package: m.pkg}
	}
	a := addition{Name: m.name, Version: m.version}
	packages, mapped := provides.PackagesFor(m.name, m.version, f.kind, f.distro, mapping)
	switch {
	case len(packages) > 0:
		a.Package = packages[0]
	case !mapped:
		a.Package = h.learned[string(f.kind)+" "+m.name]
	}
	return a
}

// manager is the package manager at the beginning of a reason.
var manager = regexp.MustCompile(`^(apt-get|apt|dpkg|apk|dnf|microdnf|tdnf|yum|zypper|rpm) `)

// learn takes from a build which distribution its run image has, and which packages provide names.
func (h *history) learn(base string, r foundBuild) {
	f := h.families[base]
	if kind := kindOf(r.distro); kind != "" {
		f = family{kind, r.distro}
	}
	for _, req := range r.Requirements {
		for _, text := range req.Evidence {
			p, err := packageurl.FromString(text)
			if err != nil || !sbom.Type(p.Type).OS() {
				continue
			}
			f = family{cmp.Or(f.kind, sbom.Type(p.Type)), cmp.Or(f.distro, p.Namespace)}
			if slices.Contains(req.MetBy, "run-image") && !strings.ContainsAny(p.Name, "*[{") {
				h.learned[p.Type+" "+req.Name] = p.Name
			}
		}
	}
	for _, v := range r.Verdicts {
		for _, i := range v.Instructions {
			if m := manager.FindStringSubmatch(i.Reason); m != nil && f.kind == "" {
				f.kind = managers[m[1]]
			}
		}
	}
	h.families[base] = f
}

// managers are the types of packages by package manager; others are of RPM.
var managers = map[string]sbom.Type{
	"apt-get": sbom.Deb, "apt": sbom.Deb, "dpkg": sbom.Deb, "apk": sbom.APK,
	"dnf": sbom.RPM, "microdnf": sbom.RPM, "tdnf": sbom.RPM, "yum": sbom.RPM, "zypper": sbom.RPM, "rpm": sbom.RPM,
}

// kindOf returns the type of packages of a distribution by its ID, or "".
func kindOf(distro string) sbom.Type {
	switch {
	case slices.Contains([]string{"debian", "ubuntu"}, distro):
		return sbom.Deb
	case slices.Contains([]string{"alpine", "wolfi", "chainguard"}, distro):
		return sbom.APK
	case slices.Contains([]string{"rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn", "sles", "azurelinux", "mariner"}, distro), strings.HasPrefix(distro, "opensuse"):
		return sbom.RPM
	}
	return ""
}

// families reads the run images whose distribution is not known, but needed to name packages.
func (s *source) families(ctx context.Context, h *history) error {
	asked := map[string]bool{}
	for _, p := range h.past {
		required := func(m missing) bool { return m.pkg == "" }
		if asked[p.base] || h.families[p.base].kind != "" || !slices.ContainsFunc(p.lacks, required) {
			continue
		}
		asked[p.base] = true
		b, err := s.read(ctx, reference.Parse(p.base))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			s.console.warn("packages for %s are not known, because its distribution is not: %v", p.base, err)
			continue
		}
		doc := b.Document()
		if doc == nil {
			continue
		}
		for _, pkg := range doc.Packages {
			if pkg.Type.OS() {
				h.families[p.base] = family{pkg.Type, doc.Distro.ID}
				break
			}
		}
	}
	return nil
}

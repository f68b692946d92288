package cli

import (
	"cmp"
	"context"
	"fmt"
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
	Package string        `json:"package,omitempty"` // absent: no package is known that provides the names
	Names   []plannedName `json:"names,omitempty"`   // of build plans, that require it
}

// A plannedName is a name of the build plan with a constraint.
type plannedName struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

func (a *addition) String() string {
	if a.Package == "" {
		return a.Names[0].Name + " (no package is known)"
	}
	var versions, names []string
	for _, n := range a.Names {
		switch {
		case n.Name != a.Package:
			names = append(names, strings.TrimSpace(n.Name+" "+n.Version))
		case n.Version != "":
			versions = append(versions, n.Version)
		}
	}
	if names != nil {
		versions = append(versions, "as "+strings.Join(names, ", "))
	}
	if versions == nil {
		return a.Package
	}
	return fmt.Sprintf("%s (%s)", a.Package, strings.Join(versions, ", "))
}

// named returns the builds with the keys of what they lacked: the package, or the name if no package is known. An
// addition is per run image.
func (h *history) named() []advise.Build {
	known := map[string]string{} // packages by what asks for them
	var all []advise.Build
	for _, p := range h.past {
		b := advise.Build{Base: p.base, Count: p.count}
		mapping := ""
		if len(p.mapping) > 0 {
			mapping = fmt.Sprint(p.mapping)
		}
		for _, m := range p.lacks {
			asked := fmt.Sprint(p.base, "\x00", m, "\x00", mapping)
			pkg, done := known[asked]
			if !done {
				pkg = h.packageOf(m, h.families[p.base], p.mapping)
				known[asked] = pkg
			}
			b.Lacks = append(b.Lacks, h.ask(p.base, pkg, m))
		}
		all = append(all, b)
	}
	return all
}

// ask notes that a build requires a package, or a name if that is empty, of a run image, and returns the key.
func (h *history) ask(base, pkg string, m missing) (key string) {
	if key = pkg; key == "" {
		key = m.name + " "
	}
	a := h.additions[base+"\x00"+key]
	if a == nil {
		a = &addition{Package: pkg}
		h.additions[base+"\x00"+key] = a
	}
	if n := (plannedName{m.name, m.version}); m.name != "" && !slices.Contains(a.Names, n) {
		a.Names = append(a.Names, n)
		slices.SortFunc(a.Names, func(x, y plannedName) int {
			return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Version, y.Version))
		})
	}
	return key
}

// added returns what to add to a run image.
func (h *history) added(img advise.NewImage) []*addition {
	all := []*addition{}
	for _, key := range img.Packages {
		all = append(all, h.additions[img.Base+"\x00"+key])
	}
	return all
}

// packageOf returns the package for what a build lacked: by the mapping, or as another build had it; "" if none is known.
func (h *history) packageOf(m missing, f family, mapping []provides.Mapping) string {
	if m.pkg != "" {
		return m.pkg
	}
	packages, mapped := provides.PackagesFor(m.name, m.version, f.kind, f.distro, mapping)
	switch {
	case len(packages) > 0:
		return packages[0]
	case !mapped:
		return h.learned[string(f.kind)+" "+m.name]
	}
	return ""
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
			for _, pkg := range i.Lacks { // a Dockerfile installs it, so it exists
				pkg, _, _ = strings.Cut(pkg, "=")
				h.learned[string(f.kind)+" "+pkg] = pkg
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

package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/anchore/syft/syft/linux"
	"github.com/anchore/syft/syft/pkg"
	"github.com/anchore/syft/syft/pkg/cataloger/alpine"
	"github.com/anchore/syft/syft/pkg/cataloger/debian"
	"github.com/anchore/syft/syft/pkg/cataloger/redhat"

	"github.com/baseplan/baseplan/sbom"
)

// syftVersion is the version of Syft in go.mod; a test compares them.
const syftVersion = "1.51.0"

// catalog turns the contents of package databases into a Document.
func catalog(ctx context.Context, found files) (*sbom.Document, error) {
	r := newResolver(found)
	doc := &sbom.Document{Tool: "syft " + syftVersion}
	release := linux.IdentifyRelease(r)
	if release != nil {
		doc.Distro = sbom.Distro{ID: release.ID, Version: release.VersionID, IDLike: release.IDLike, Name: release.PrettyName}
	}
	for _, name := range databases(found) {
		doc.Databases = append(doc.Databases, "/"+name)
		if len(bytes.TrimSpace(found[name])) == 0 {
			continue // a database without packages, not a broken one
		}
		packages, err := parse(ctx, r.only(name), name, release)
		if err != nil {
			return nil, fmt.Errorf("reading package database /%s: %w", name, err)
		}
		doc.Packages = append(doc.Packages, packages...)
	}
	doc.Packages = distinct(doc.Packages)
	return doc, nil
}

// databases are the paths of package databases, each once even if links give it several.
func databases(found files) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !isDatabase(name) {
			continue
		}
		same := func(other string) bool {
			return path.Base(other) == path.Base(name) && bytes.Equal(found[other], found[name])
		}
		if !slices.ContainsFunc(names, same) {
			names = append(names, name)
		}
	}
	return names
}

func isDatabase(name string) bool {
	if path.Dir(name) == dpkgStatusDir {
		return !strings.HasSuffix(name, ".md5sums")
	}
	return name == dpkgStatus || name == rpmManifest || isAPK(name) || isRPM(name)
}

func isAPK(name string) bool { return strings.HasSuffix(name, "lib/apk/db/installed") }
func isRPM(name string) bool { return path.Base(path.Dir(name)) == "rpm" }

// parse reads one database. Parsers of foreign bytes are not trusted to end in an error.
func parse(ctx context.Context, r *resolver, name string, release *linux.Release) (_ []sbom.Package, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its parser ended in a panic: %v", p)
		}
	}()
	if isRPM(name) {
		return parseRPM(r.files[name], release)
	}
	cataloger := debian.NewDBCataloger()
	switch {
	case isAPK(name):
		cataloger = alpine.NewDBCataloger()
	case name == rpmManifest:
		cataloger = redhat.NewDBCataloger()
	}
	found, _, err := cataloger.Catalog(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("there are no packages in it")
	}
	var packages []sbom.Package
	for _, p := range found {
		converted, ok := convert(p, r.all)
		if ok {
			packages = append(packages, converted)
		}
	}
	return packages, nil
}

// distinct sorts the packages and joins those that two databases have.
func distinct(packages []sbom.Package) []sbom.Package {
	slices.SortStableFunc(packages, sbom.Compare)
	var out []sbom.Package
	for _, p := range packages {
		if last := len(out) - 1; last >= 0 && sbom.Compare(out[last], p) == 0 {
			out[last].Files = sortedPaths(append(out[last].Files, p.Files...))
			out[last].Known |= p.Known
			continue
		}
		out = append(out, p)
	}
	return out
}

// convert says in our words what a cataloger found. It leaves out a dpkg entry without a version: dpkg
// has such for packages that are not installed.
func convert(p pkg.Package, found files) (sbom.Package, bool) {
	if p.Name == "" {
		return sbom.Package{}, false // Syft drops these too
	}
	out := sbom.Package{Name: p.Name, Version: p.Version, PURL: p.PURL, Known: sbom.Arch | sbom.Upstream}
	switch m := p.Metadata.(type) {
	case pkg.DpkgDBEntry:
		out.Type, out.Arch = sbom.Deb, m.Architecture
		out.Source = source(p, m.Source, m.SourceVersion)
		out.Provides = sbom.ParseVirtuals(sbom.Deb, m.Provides)
		out.Known |= sbom.Virtual
		dpkgFiles(&out, m, found)
		return out, p.Version != ""
	case pkg.ApkDBEntry:
		out.Type, out.Arch = sbom.APK, m.Architecture
		out.Source = source(p, m.OriginPackage, "")
		out.Provides = sbom.ParseVirtuals(sbom.APK, m.Provides)
		out.Files = sortedPaths(m.OwnedFiles())
		out.Known |= sbom.Virtual | sbom.Files
		if p.Version == "" {
			out.Version = "UNKNOWN" // as Syft says it
		}
		return out, true
	case pkg.RpmDBEntry: // of a manifest, which has neither files nor provides
		out.Type, out.Arch = sbom.RPM, m.Arch
		out.Source = sbom.ParseSourceRPM(m.SourceRpm)
		return out, true
	}
	return out, false
}

// source is the source package where it is not the package itself.
func source(p pkg.Package, name, version string) sbom.Source {
	if name == "" || name == p.Name && (version == "" || version == p.Version) {
		return sbom.Source{}
	}
	return sbom.Source{Name: name, Version: version}
}

// dpkgFiles fills in the owned files: those of the package's .list, which has them all. Distroless
// images have md5sums instead, which say nothing of links, so there the files are not all known.
func dpkgFiles(out *sbom.Package, m pkg.DpkgDBEntry, found files) {
	content := func(ext string, dirs ...string) ([]byte, bool) {
		for _, dir := range dirs {
			for _, base := range []string{m.Package + ":" + m.Architecture, m.Package} {
				if c, ok := found[dir+"/"+base+ext]; ok {
					return c, true
				}
			}
		}
		return nil, false
	}
	if list, ok := content(".list", dpkgInfo); ok {
		out.Files = sortedPaths(strings.Split(string(list), "\n"))
		out.Known |= sbom.Files
		return
	}
	paths := m.OwnedFiles() // the Conffiles of the status file
	conffiles, _ := content(".conffiles", dpkgInfo)
	paths = append(paths, strings.Split(string(conffiles), "\n")...)
	sums, _ := content(".md5sums", dpkgInfo, dpkgStatusDir)
	for line := range strings.SplitSeq(string(sums), "\n") {
		_, file, _ := strings.Cut(line, "  ")
		paths = append(paths, file)
	}
	out.Files = sortedPaths(paths)
}

// sortedPaths are absolute clean paths, without the root and whatever is empty or "remove-on-upgrade …".
func sortedPaths(paths []string) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		if p == "" || strings.HasPrefix(p, "remove-on-upgrade ") {
			continue
		}
		if p = "/" + clean(p); p != "/." {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

package scan

import (
	"bytes"
	"cmp"
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

	"github.com/baseplan/baseplan/sbom"
)

// syftVersion is the version of Syft in go.mod. A test compares them.
const syftVersion = "1.51.0"

// catalog converts the contents of package databases into a Document.
//
// A database that cannot be read is an error only if no other database has
// packages, as in Syft. A database without packages counts only if there is no
// other.
func catalog(ctx context.Context, found files) (*sbom.Document, error) {
	r := newResolver(found)
	doc := &sbom.Document{Tool: "syft " + syftVersion}
	release := linux.IdentifyRelease(r)
	if release != nil {
		doc.Distro = sbom.Distro{ID: release.ID, Version: release.VersionID, IDLike: release.IDLike, Name: release.PrettyName}
	}
	var empty []string
	var broken, odd error // the first errors
	for _, alternatives := range databases(found, release) {
		db := readFirst(ctx, r, alternatives, release)
		doc.Unready = append(doc.Unready, db.unready...)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case db.err != nil && path.Dir(db.name) == dpkgStatusDir:
			odd = cmp.Or(odd, db.err)
		case db.err != nil:
			broken = cmp.Or(broken, db.err)
		case len(db.packages) == 0:
			empty = append(empty, "/"+db.name)
		default:
			doc.Databases = append(doc.Databases, "/"+db.name)
			doc.Packages = append(doc.Packages, db.packages...)
		}
	}
	if len(doc.Databases) == 0 {
		if broken == nil && len(empty) == 0 {
			broken = odd
		}
		if broken != nil {
			return nil, broken
		}
		doc.Databases = empty
	}
	doc.Packages = distinct(doc.Packages)
	sortUnready(doc)
	return doc, nil
}

// sortUnready sorts the unready packages and removes those that another database
// lists as installed.
func sortUnready(doc *sbom.Document) {
	doc.Unready = slices.DeleteFunc(doc.Unready, func(u sbom.Unready) bool {
		return slices.ContainsFunc(doc.Packages, func(p sbom.Package) bool { return p.Name == u.Name && p.Version == u.Version })
	})
	slices.SortFunc(doc.Unready, func(a, b sbom.Unready) int { return strings.Compare(a.String(), b.String()) })
	doc.Unready = slices.Compact(doc.Unready)
}

// databases returns the paths of package databases, without duplicates that links
// lead to. Those of one RPM directory are alternatives, in the order in which RPM
// tries them.
func databases(found files, release *linux.Release) [][]string {
	var all [][]string
	folders := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !isDatabase(name) {
			continue
		}
		same := func(other string) bool {
			return path.Base(other) == path.Base(name) && bytes.Equal(found[other], found[name])
		}
		if slices.ContainsFunc(all, func(names []string) bool { return slices.ContainsFunc(names, same) }) {
			continue
		}
		if i, ok := folders[path.Dir(name)]; ok && isRPM(name) {
			all[i] = append(all[i], name)
			continue
		}
		folders[path.Dir(name)] = len(all)
		all = append(all, []string{name})
	}
	order := rpmOrder(release)
	for _, names := range all {
		slices.SortFunc(names, func(a, b string) int {
			return cmp.Compare(slices.Index(order, path.Base(a)), slices.Index(order, path.Base(b)))
		})
	}
	return all
}

func isDatabase(name string) bool {
	if path.Dir(name) == dpkgStatusDir {
		return !strings.HasSuffix(name, ".md5sums")
	}
	return name == dpkgStatus || name == rpmManifest || isAPK(name) || isRPM(name)
}

func isAPK(name string) bool { return strings.HasSuffix(name, "lib/apk/db/installed") }
func isRPM(name string) bool { return path.Base(path.Dir(name)) == "rpm" && logOf(name) == "" }

// A database is the content of a package database.
type database struct {
	name     string
	packages []sbom.Package
	unready  []sbom.Unready
	err      error
}

// readFirst reads the first of several alternatives that is a database and has
// packages. It does not fall back from a damaged database: another one would be an
// older state.
func readFirst(ctx context.Context, r *resolver, alternatives []string, release *linux.Release) database {
	var first *database
	for _, name := range alternatives {
		db := database{name: name}
		if len(bytes.TrimSpace(r.all[name])) > 0 { // an empty file has no packages, but is not broken
			db = parse(ctx, r, name, release)
		}
		if len(db.packages) > 0 || db.err != nil && (!isRPM(name) || isRPMFormat(r.all[name])) {
			return db
		}
		if first == nil || first.err != nil && db.err == nil {
			first = &db
		}
	}
	return *first
}

// parse reads one database. Parsers may panic on malformed input.
func parse(ctx context.Context, r *resolver, name string, release *linux.Release) (db database) {
	db.name = name
	defer func() {
		if p := recover(); p != nil {
			db.err = fmt.Errorf("the parser panicked: %v", p)
		}
		if db.err != nil {
			db.packages, db.unready = nil, nil
			db.err = fmt.Errorf("reading package database /%s: %w", name, db.err)
		}
	}()
	if isRPM(name) {
		db.packages, db.err = parseRPM(r.all, name, release)
		return db
	}
	if name == rpmManifest {
		db.packages, db.err = parseManifest(r.all[name], release)
		return db
	}
	content := r.all[name]
	cataloger := debian.NewDBCataloger()
	if isAPK(name) {
		cataloger = alpine.NewDBCataloger()
	} else {
		var ready, entries int
		content, ready, entries, db.unready = installed(content)
		if ready == 0 && entries > 0 {
			return db
		}
	}
	found, _, err := cataloger.Catalog(ctx, r.only(name, content))
	if err != nil {
		db.err = err
		return db
	}
	if len(found) == 0 {
		db.err = errors.New("it lists no packages")
		return db
	}
	for _, p := range found {
		if converted, ok := convert(p, r.all); ok {
			db.packages = append(db.packages, converted)
		}
	}
	return db
}

// distinct sorts the packages and merges duplicates from two databases.
func distinct(packages []sbom.Package) []sbom.Package {
	slices.SortStableFunc(packages, sbom.Compare)
	var out []sbom.Package
	for _, p := range packages {
		if last := len(out) - 1; last >= 0 && sbom.Compare(out[last], p) == 0 {
			out[last].Files = sortedPaths(append(out[last].Files, p.Files...))
			out[last].Absent = sortedPaths(append(out[last].Absent, p.Absent...))
			out[last].Known |= p.Known
			continue
		}
		out = append(out, p)
	}
	return out
}

// convert converts a cataloger's package. It reports false for a dpkg entry without
// a version, which is not an installed package.
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
		divert(&out, m.Package, found[dpkgDiversions])
		return out, p.Version != ""
	case pkg.ApkDBEntry:
		out.Type, out.Arch = sbom.APK, m.Architecture
		out.Source = source(p, m.OriginPackage, "")
		out.Provides = sbom.ParseVirtuals(sbom.APK, m.Provides)
		out.Files = sortedPaths(m.OwnedFiles())
		out.Known |= sbom.Virtual | sbom.Files
		if p.Version == "" {
			out.Version = "UNKNOWN" // Syft's word
		}
		return out, true
	}
	return out, false
}

// source returns the source package if it differs from the package itself.
func source(p pkg.Package, name, version string) sbom.Source {
	if name == "" || name == p.Name && (version == "" || version == p.Version) {
		return sbom.Source{}
	}
	return sbom.Source{Name: name, Version: version}
}

// dpkgFiles sets the owned files from the package's .list, which is complete.
// Distroless images have md5sums instead, which leave out links, so there
// sbom.Files is not known.
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
	paths := m.OwnedFiles() // the Conffiles field of the status file
	conffiles, _ := content(".conffiles", dpkgInfo)
	paths = append(paths, strings.Split(string(conffiles), "\n")...)
	sums, _ := content(".md5sums", dpkgInfo, dpkgStatusDir)
	for line := range strings.SplitSeq(string(sums), "\n") {
		_, file, _ := strings.Cut(line, "  ")
		paths = append(paths, file)
	}
	out.Files = sortedPaths(paths)
}

// sortedPaths returns absolute clean paths without the root, empty lines and
// "remove-on-upgrade …".
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

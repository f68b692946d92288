package provides

import (
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// fileNames returns the commands and libraries among the owned files, and among the
// files without an owner.
func (s *Set) fileNames() map[string][]Provide {
	found := map[string][]Provide{}
	for _, pkg := range s.native {
		seen := map[string]bool{}
		for _, file := range pkg.Files {
			name, kind := fileName(file)
			if name == "" || seen[name] {
				continue
			}
			seen[name] = true
			p := provideOf(name, kind, pkg)
			p.Evidence[0].Path, p.Evidence[0].Pattern = file, "file:"+file
			found[name] = append(found[name], p)
		}
	}
	for _, file := range s.document.Files {
		if name, kind := fileName(file); name != "" && !slices.ContainsFunc(found[name], Provide.unowned) {
			found[name] = append(found[name], Provide{Name: name, Kind: kind, Evidence: []Evidence{{Path: file, Pattern: "file:" + file}}})
		}
	}
	return found
}

// unowned reports whether the provide is backed only by a file that no package
// owns.
func (p Provide) unowned() bool { return p.Evidence[0].Package == "" }

// fileName returns the name that a file at this path provides, or "".
func fileName(file string) (string, Kind) {
	name := sbom.FileName(file)
	switch {
	case strings.HasPrefix(name, "cmd:"):
		return name, Command
	case name != "":
		return name, Library
	}
	return "", ""
}

// gone maps the names of commands and libraries that the package owns by its
// database, but of which the image has no file, to the path of such a file.
func gone(pkg sbom.Package) map[string]string {
	if len(pkg.Absent) == 0 {
		return nil
	}
	names := map[string]string{}
	for _, file := range pkg.Absent {
		names[sbom.FileName(file)] = file
	}
	for _, file := range pkg.Files {
		delete(names, sbom.FileName(file))
	}
	delete(names, "")
	return names
}

// spellings returns the paths of a file with and without a merged /usr: package
// databases may list /bin/sh although the file is /usr/bin/sh.
func spellings(file string) []string {
	top, ok := strings.CutPrefix(file, "/usr")
	if !ok {
		top = file
	}
	for _, dir := range []string{"/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/"} {
		if strings.HasPrefix(top, dir) {
			return []string{"/usr" + top, top}
		}
	}
	return []string{file}
}

// holds reports whether sorted paths contain a file, or a file in a directory of
// that name: lists may leave out directories.
func holds(sorted []string, file string) bool {
	for _, f := range spellings(file) {
		if _, ok := slices.BinarySearch(sorted, f); ok {
			return true
		}
		if i, _ := slices.BinarySearch(sorted, f+"/"); i < len(sorted) && strings.HasPrefix(sorted[i], f+"/") {
			return true
		}
	}
	return false
}

// Owners returns the packages that own a file or directory, with or without a
// merged /usr. An empty result may mean that the inventory does not list files
// ([sbom.Document.Knows]).
func (s *Set) Owners(file string) []sbom.Package {
	if s == nil {
		return nil
	}
	var found []sbom.Package
	for _, pkg := range s.native {
		if holds(pkg.Files, file) {
			found = append(found, pkg)
		}
	}
	return found
}

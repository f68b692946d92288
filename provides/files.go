package provides

import (
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// fileNames finds commands and libraries among the files that packages own, and
// those that the inventory lists without an owner.
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

// unowned reports whether a file that no package owns is all that backs a provide.
func (p Provide) unowned() bool { return p.Evidence[0].Package == "" }

// fileName is the name that a file at this path provides, if any.
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

// gone maps the names of commands and libraries that the package has by its database, but of
// which no file is in the image, to the path of such a file.
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

// spellings are the forms that a path has on systems with and without a merged
// /usr: package databases still say /bin/sh where the file is /usr/bin/sh.
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

// holds reports whether sorted paths have a file, or something in a folder of
// that name: lists of files may leave folders out.
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

// Owners is the packages that own a file or folder, whichever way a merged /usr
// has it spelled. None may mean that the inventory does not list files
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

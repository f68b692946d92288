package lifecycletest

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/testdata"
)

// Debian returns a Debian 12 image with the packages of a minimal base (essential or of
// priority required), the named ones, and all their dependencies, with their file lists;
// commands and libraries are empty files. It panics on a package that the embedded database
// lacks; see testdata/README.md for the list.
func Debian(packages ...string) v1.Image { return Image(DebianLayer(packages...)) }

// DebianLayer returns the only layer of [Debian].
func DebianLayer(packages ...string) Layer {
	db := debian()
	l := Layer{"etc/os-release": db["etc/os-release"], "etc/debian_version": db["etc/debian_version"]}
	var status strings.Builder
	for _, s := range choose(stanzas(db[statusPath]), packages) {
		status.WriteString(s.text + "\n\n")
		for _, ext := range []string{".list", ".md5sums", ".conffiles"} {
			for _, base := range []string{s.name, s.name + ":" + s.arch} {
				if content, ok := db["var/lib/dpkg/info/"+base+ext]; ok {
					l["var/lib/dpkg/info/"+base+ext] = content
				}
			}
		}
	}
	l[statusPath] = status.String()
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		l[dir] = "-> usr/" + dir
	}
	for name, content := range l {
		if strings.HasSuffix(name, ".list") {
			l.addFiles(strings.Split(content, "\n"), "usr/")
		}
	}
	return l
}

// DebianArch returns the image of [Debian] for another architecture ("arm64").
func DebianArch(arch string, packages ...string) v1.Image {
	l := Layer{}
	for name, content := range DebianLayer(packages...) {
		l[strings.ReplaceAll(name, "amd64", arch)] = strings.ReplaceAll(content, "amd64", arch)
	}
	return Arch(Image(l), arch)
}

// addFiles adds an empty file for each path of a command or library. On a system with a merged
// /usr, merged is "usr/": packages list /bin/sh, which is /usr/bin/sh.
func (l Layer) addFiles(paths []string, merged string) {
	for i, file := range paths {
		if sbom.FileName(file) == "" || i+1 < len(paths) && strings.HasPrefix(paths[i+1], file+"/") {
			continue // not needed, or a directory
		}
		if file = strings.TrimPrefix(file, "/"); !strings.HasPrefix(file, "usr/") {
			file = merged + file
		}
		l[file] = ""
	}
}

// Distroless returns the image of [Debian] in the form of distroless images: a file for each
// package under status.d, with its md5sums and no list of files.
func Distroless(packages ...string) v1.Image {
	db := debian()
	l := Layer{
		"etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": db["etc/os-release"],
		"var/": "", "var/lib/": "", "var/lib/dpkg/": "", "var/lib/dpkg/status.d/": "",
	}
	for _, s := range choose(stanzas(db[statusPath]), packages) {
		l["var/lib/dpkg/status.d/"+s.name] = s.text + "\n"
		for _, base := range []string{s.name, s.name + ":" + s.arch} {
			if sums, ok := db["var/lib/dpkg/info/"+base+".md5sums"]; ok {
				l["var/lib/dpkg/status.d/"+s.name+".md5sums"] = sums
				l.addFiles(summed(sums), "")
			}
		}
	}
	return Image(l)
}

// summed returns the files in a list of checksums.
func summed(sums string) []string {
	var files []string
	for line := range strings.Lines(sums) {
		_, file, _ := strings.Cut(strings.TrimSpace(line), "  ")
		files = append(files, file)
	}
	return files
}

// Alpine returns an Alpine image.
func Alpine() v1.Image {
	l := Layer{"lib/apk/db/installed": embedded("alpine/installed"), "etc/os-release": embedded("alpine/os-release")}
	folder := ""
	for line := range strings.Lines(l["lib/apk/db/installed"]) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), ":"); key {
		case "F":
			folder = value
		case "R":
			l.addFiles([]string{path.Join(folder, value)}, "")
		}
	}
	return Image(l)
}

// Mariner returns a CBL-Mariner 2.0 image, with an RPM database in the sqlite format.
func Mariner() v1.Image { return Image(MarinerLayer()) }

// MarinerLayer returns the only layer of [Mariner].
func MarinerLayer() Layer {
	l := Layer{"var/lib/rpm/rpmdb.sqlite": embedded("mariner/rpmdb.sqlite.zst"), "etc/os-release": embedded("mariner/os-release")}
	l.addFiles(strings.Split(embedded("mariner/files"), "\n"), "")
	return l
}

// SUSE returns a SUSE BCI 15 image, with an RPM database in the ndb format behind a symbolic
// link.
func SUSE() v1.Image { return Image(SUSELayer()) }

// SUSELayer returns the only layer of [SUSE].
func SUSELayer() Layer {
	l := Layer{
		"usr/lib/sysimage/rpm/Packages.db": embedded("sle15/Packages.db.zst"),
		"var/lib/rpm":                      "-> ../../usr/lib/sysimage/rpm",
		"etc/os-release":                   "-> ../usr/lib/os-release",
		"usr/lib/os-release":               embedded("sle15/os-release"),
	}
	l.addFiles(strings.Split(embedded("sle15/files"), "\n"), "")
	return l
}

// BerkeleyDB returns an image with an RPM database of one package in the old Berkeley DB
// format.
func BerkeleyDB() v1.Image {
	l := Layer{"var/lib/rpm/Packages": embedded("tiny-bdb/Packages.zst"), "etc/os-release": embedded("tiny-bdb/os-release")}
	l.addFiles(strings.Split(embedded("tiny-bdb/files"), "\n"), "")
	return Image(l)
}

// Scratch returns an image without a package database.
func Scratch() v1.Image { return Image(Layer{"app": "#!/bin/sh\n"}) }

const statusPath = "var/lib/dpkg/status"

// debian returns the embedded Debian database: content by path.
func debian() map[string]string {
	files := map[string]string{}
	r := tar.NewReader(strings.NewReader(embedded("debian.tar.zst")))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		check(err)
		files[path.Clean(h.Name)] = string(must(io.ReadAll(r)))
	}
}

// embedded returns a file under testdata/rootfs, decompressed if its name ends in .zst.
func embedded(name string) string {
	content := must(testdata.Rootfs.ReadFile("rootfs/" + name))
	if strings.HasSuffix(name, ".zst") {
		d := must(zstd.NewReader(bytes.NewReader(content), zstd.WithDecoderConcurrency(1)))
		defer d.Close()
		content = must(io.ReadAll(d))
	}
	return string(content)
}

// A stanza is a package's paragraph of a dpkg status file.
type stanza struct {
	name, arch, text string
	base             bool
	depends          []string // the first alternative of each dependency
	provides         []string
}

func stanzas(status string) []stanza {
	var all []stanza
	for text := range strings.SplitSeq(strings.TrimSpace(status), "\n\n") {
		s := stanza{text: text}
		for line := range strings.SplitSeq(text, "\n") {
			key, value, _ := strings.Cut(line, ": ")
			switch key {
			case "Package":
				s.name = value
			case "Architecture":
				s.arch = value
			case "Essential":
				s.base = true
			case "Priority":
				s.base = s.base || value == "required"
			case "Depends", "Pre-Depends":
				s.depends = append(s.depends, names(value)...)
			case "Provides":
				s.provides = names(value)
			}
		}
		all = append(all, s)
	}
	return all
}

// names returns the package names in a relationship field, the first of alternatives.
func names(field string) []string {
	var all []string
	for entry := range strings.SplitSeq(field, ",") {
		first, _, _ := strings.Cut(strings.TrimSpace(entry), " ")
		first, _, _ = strings.Cut(first, ":")
		all = append(all, first)
	}
	return all
}

// choose returns the base, the wanted packages and their dependencies, in the order of the
// database.
func choose(all []stanza, wanted []string) []stanza {
	byName := map[string]int{}
	for i := len(all) - 1; i >= 0; i-- {
		for _, p := range all[i].provides {
			if _, real := byName[p]; !real {
				byName[p] = i
			}
		}
	}
	for i, s := range all {
		byName[s.name] = i
		if s.base {
			wanted = append(wanted, s.name)
		}
	}
	chosen := map[int]bool{}
	for queue := slices.Clone(wanted); len(queue) > 0; queue = queue[1:] {
		i, ok := byName[queue[0]]
		if !ok && slices.Contains(wanted, queue[0]) {
			panic("lifecycletest: no package " + queue[0] + " in the embedded database; see testdata/README.md")
		}
		if ok && !chosen[i] {
			chosen[i] = true
			queue = append(queue, all[i].depends...)
		}
	}
	var out []stanza
	for i, s := range all {
		if chosen[i] {
			out = append(out, s)
		}
	}
	return out
}

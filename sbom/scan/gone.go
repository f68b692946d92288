package scan

import (
	"path"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// commandDirs are where a shell finds commands, less /usr: on many systems /bin
// is a link to /usr/bin, and databases have either path.
var commandDirs = []string{"bin", "sbin", "local/bin", "local/sbin"}

// command is the path of a command without /usr; empty if it is none.
func command(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "/"), "usr/")
	if !slices.Contains(commandDirs, path.Dir(name)) {
		return ""
	}
	return name
}

func isCommand(name string) bool { return command(name) != "" }

// removed are the commands that a layer deletes and no later one brings back.
type removed map[string]bool

func (r removed) remove(name string) {
	if c := command(name); c != "" {
		r[c] = true
	}
}

func (r removed) add(name string) {
	if c := command(name); c != "" {
		delete(r, c)
	}
}

// leaveOut takes the commands out of what packages own and, as apk has them,
// provide.
func (r removed) leaveOut(doc *sbom.Document) {
	if len(r) == 0 {
		return
	}
	for i := range doc.Packages {
		p := &doc.Packages[i]
		var gone []string
		p.Files = slices.DeleteFunc(p.Files, func(f string) bool {
			c := command(f)
			if r[c] {
				gone = append(gone, "cmd:"+path.Base(c))
			}
			return r[c]
		})
		for _, f := range p.Files {
			if isCommand(f) {
				gone = slices.DeleteFunc(gone, func(name string) bool { return name == "cmd:"+path.Base(f) })
			}
		}
		p.Provides = slices.DeleteFunc(p.Provides, func(v sbom.VirtualPackage) bool { return slices.Contains(gone, v.Name) })
	}
}

// divert gives the files of a package as dpkg-divert(1) has renamed them: the
// database of diversions has three lines each, the file, its other name, and the
// package whose own file keeps the name (":" for none).
func divert(files []string, pkg string, diversions []byte) []string {
	lines := strings.Split(strings.TrimSpace(string(diversions)), "\n")
	for ; len(lines) >= 3; lines = lines[3:] {
		if i, found := slices.BinarySearch(files, lines[0]); found && lines[2] != pkg {
			files[i] = lines[1]
			slices.Sort(files)
		}
	}
	return slices.Compact(files)
}

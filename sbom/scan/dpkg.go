package scan

import (
	"bytes"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// States of packages in dpkg's database (dpkg(1), "Package states"): the third word of the field Status.
var (
	readyStates   = []string{"installed", "triggers-pending", "triggers-awaited"}
	unreadyStates = []string{"unpacked", "half-configured", "half-installed"}
)

// installed gives a dpkg database without the entries of packages that are not installed, in a form in which
// Syft reads every other: Syft goes by the first word of Status, which says what shall become of
// the package, and leaves out a last line that does not end. An entry without Status, as distroless images
// have them, is of an installed package. entries counts all packages, ready those that are installed.
func installed(content []byte) (kept []byte, ready, entries int, unready []sbom.Unready) {
	for paragraph := range bytes.SplitSeq(content, []byte("\n\n")) {
		lines := strings.Split(strings.Trim(string(paragraph), "\n"), "\n")
		name, status := field(lines, "Package"), field(lines, "Status")
		if name != "" {
			entries++
		}
		if words := strings.Fields(status); status != "" {
			state := ""
			if len(words) == 3 {
				state = words[2]
			}
			if !slices.Contains(readyStates, state) {
				if name != "" && slices.Contains(unreadyStates, state) {
					unready = append(unready, sbom.Unready{Name: name, State: state, Version: firstWord(field(lines, "Version"))})
				}
				continue
			}
			lines = slices.DeleteFunc(lines, func(line string) bool { return isField(line, "Status") })
		}
		if name != "" {
			ready++
		}
		kept = append(append(kept, strings.Join(lines, "\n")...), "\n\n"...)
	}
	return kept, ready, entries, unready
}

// field is the value of a field; empty: there is none.
func field(lines []string, name string) string {
	for _, line := range lines {
		if isField(line, name) {
			return strings.TrimSpace(line[len(name)+1:])
		}
	}
	return ""
}

func isField(line, name string) bool {
	return len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(line[:len(name)], name)
}

func firstWord(s string) string {
	first, _, _ := strings.Cut(s, " ")
	return first
}

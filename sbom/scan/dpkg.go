package scan

import (
	"bytes"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// Package states (dpkg(1), "Package states"): the third word of the field Status.
var (
	readyStates   = []string{"installed", "triggers-pending", "triggers-awaited"}
	unreadyStates = []string{"unpacked", "half-configured", "half-installed"}
)

// installed returns a dpkg database without the packages that are not installed,
// rewritten so that Syft reads all others. (Syft looks at the first word of Status,
// which is the desired state, and skips an unterminated last line.) An entry
// without Status, as in distroless images, is installed. entries is the number of
// packages, ready the number of installed ones.
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

// field returns the value of a field, or "".
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

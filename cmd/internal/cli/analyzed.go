package cli

import (
	"bytes"
	"errors"
	"reflect"
	"regexp"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

var (
	tableLine  = regexp.MustCompile(`^\s*\[`)
	runTable   = regexp.MustCompile(`^\s*\[\s*run-image\s*\]\s*(#.*)?$`)
	extendLine = regexp.MustCompile(`^(\s*extend\s*=\s*)true(\s*(#.*)?)$`)
)

// withoutExtend returns an analyzed.toml with run-image.extend = false and everything else unchanged: another
// lifecycle wrote the file and may use unknown keys. If it cannot change the value alone, it returns an error.
func withoutExtend(data []byte) ([]byte, error) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	inside := false
	for i, line := range lines {
		text := bytes.TrimRight(line, "\r\n")
		switch {
		case tableLine.Match(text):
			inside = runTable.Match(text)
		case inside && extendLine.Match(text):
			lines[i] = append(extendLine.ReplaceAll(text, []byte("${1}false${2}")), line[len(text):]...)
		}
	}
	changed := bytes.Join(lines, nil)
	if !onlyExtendDiffers(data, changed) {
		return nil, errors.New("cannot find run-image.extend: write it as a line `extend = true` below [run-image]")
	}
	return changed, nil
}

func onlyExtendDiffers(before, after []byte) bool {
	var want, got map[string]any
	if tomlfile.Decode(before, "", &want) != nil || tomlfile.Decode(after, "", &got) != nil {
		return false
	}
	run, ok := want["run-image"].(map[string]any)
	if !ok {
		return false
	}
	run["extend"] = false
	return reflect.DeepEqual(want, got)
}

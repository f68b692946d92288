package extensions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// A finding is the result for one instruction or command. An effect that is neither
// managed nor depends exists on any image, or its cause is not recognized.
type finding struct {
	effect  bool
	reason  string
	lacks   []string // packages as written, if the effect is only that they are not installed
	adds    []added  // packages that installs would add; all or part of the effect
	managed bool     // the effect is only a package manager's work: installs, lists, caches, modules and repositories
	depends bool     // the effect depends on the image's configuration

	status status // of a command; see [finding.exit]
	doubt  string // why it may fail, if that matters
}

// An added package is one that an install would add to the image.
type added struct {
	kind    sbom.Type
	spelled string // as in the install, with its pin
}

// noEffect returns the finding for something that changes nothing.
func noEffect(format string, args ...any) finding {
	return finding{reason: fmt.Sprintf(format, args...)}
}

// effect returns the finding for something that changes any image or is not
// recognized.
func effect(format string, args ...any) finding {
	return finding{effect: true, reason: fmt.Sprintf(format, args...)}
}

// managerEffect returns the finding for a change by a package manager only, which
// the proof [Installs] accepts. For installs, set lacks and adds.
func managerEffect(format string, args ...any) finding {
	return finding{effect: true, managed: true, reason: fmt.Sprintf(format, args...)}
}

// imageEffect returns the finding for an effect that would not exist on an image
// with another configuration, program or package manager.
func imageEffect(format string, args ...any) finding {
	return finding{effect: true, depends: true, reason: fmt.Sprintf(format, args...)}
}

// where returns the finding for a conditional command. If the condition depends on
// the image, another image may skip the command.
func (f finding) where(asks bool) finding {
	f.depends = f.depends || asks && f.effect && !f.managed
	return f
}

// join returns the finding for several commands that all run. The reason lists
// those with an effect, or all if none has one.
func join(findings ...finding) finding {
	all := finding{effect: slices.ContainsFunc(findings, func(f finding) bool { return f.effect })}
	all.managed, all.depends = all.effect, false
	always, lacking := false, true
	var reasons []string
	for _, f := range findings {
		all.adds = append(all.adds, f.adds...)
		if f.effect != all.effect {
			continue
		}
		all.managed = all.managed && f.managed
		all.depends = all.depends || f.depends
		always = always || !f.managed && !f.depends
		lacking = lacking && f.lacks != nil
		all.lacks = append(all.lacks, f.lacks...)
		if f.reason != "" && !slices.Contains(reasons, f.reason) {
			reasons = append(reasons, f.reason)
		}
	}
	all.depends = all.depends && !always
	if !lacking {
		all.lacks = nil
	}
	all.reason = strings.Join(reasons, "; ")
	return all
}

package extensions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// A finding is what is found out about one instruction or command. An effect
// that is neither managed nor depends is one on any image, or of something that
// is not understood.
type finding struct {
	effect  bool
	reason  string
	lacks   []string // packages as they are spelled, if that they are not installed is all of the effect
	adds    []added  // packages that installs would add; they may be all or part of the effect
	managed bool     // the effect is only the work of a package manager: installs, lists, caches, modules and repositories
	depends bool     // the effect depends on the image's configuration

	status status // of a command; see [finding.exit]
	doubt  string // why it may fail, if that would be news
}

// An added package is one that an install would add to the image.
type added struct {
	kind    sbom.Type
	spelled string // as in the install, with its pin
}

// noEffect is the finding on what changes nothing.
func noEffect(format string, args ...any) finding {
	return finding{reason: fmt.Sprintf(format, args...)}
}

// effect is the finding on what changes any image, or is not understood.
func effect(format string, args ...any) finding {
	return finding{effect: true, reason: fmt.Sprintf(format, args...)}
}

// managerEffect is the finding on what changes the image, but only as a package
// manager does it: proof [Installs] lets it pass. For installs set lacks and adds.
func managerEffect(format string, args ...any) finding {
	return finding{effect: true, managed: true, reason: fmt.Sprintf(format, args...)}
}

// imageEffect is the finding on what would not change an image with another
// configuration, or with a program or package manager that this one has not.
func imageEffect(format string, args ...any) finding {
	return finding{effect: true, depends: true, reason: fmt.Sprintf(format, args...)}
}

// where is the finding on a command that runs or not by a condition. If that asks the image, another image may
// keep the command from being run.
func (f finding) where(asks bool) finding {
	f.depends = f.depends || asks && f.effect && !f.managed
	return f
}

// join is the finding on several commands that all run. It names everything that
// has an effect, or else everything that has none.
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

package extensions

import (
	"slices"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// split separates the flags of a command line. unknown are flags that are not
// recognized, or not valid for this subcommand.
func (m *manager) split(args []string) (words, unknown []string) {
	var used []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") {
			words = append(words, arg)
			continue
		}
		if letters := m.clustered(arg); letters != nil {
			used = append(used, letters...)
			continue
		}
		name, value, spelled := strings.Cut(arg, "=")
		f, ok := m.flags[arg]
		switch {
		case ok && f.value == nil:
			used = append(used, arg)
			continue
		case !ok:
			if f, ok = m.flags[name]; ok && f.value != nil && spelled {
				break
			}
			ok = false
			if len(arg) > 2 && arg[1] != '-' {
				name, value = arg[:2], arg[2:] // as in -oNAME=value
				f, ok = m.flags[name]
			}
			if !ok || f.value == nil {
				unknown = append(unknown, arg)
				continue
			}
		case i+1 < len(args): // the value is the next word
			i++
			value = args[i]
		}
		if value == "" || !f.value.MatchString(value) {
			unknown = append(unknown, strings.TrimSpace(arg+" "+value))
			continue
		}
		used = append(used, name)
	}
	for _, name := range used {
		if only := m.flags[name].only; only != "" && (len(words) == 0 || !slices.Contains(strings.Fields(only), words[0])) {
			unknown = append(unknown, name)
		}
	}
	return words, unknown
}

// clustered splits a cluster of one-letter options; nil if one is unknown.
func (m *manager) clustered(arg string) []string {
	if len(arg) < 2 || arg[1] == '-' {
		return nil
	}
	var letters []string
	for _, l := range arg[1:] {
		name := "-" + string(l)
		if f, ok := m.flags[name]; !ok || f.value != nil {
			return nil
		}
		letters = append(letters, name)
	}
	return letters
}

// manage returns the finding for a call of a package manager.
func (a *analyzer) manage(m *manager, name string, args []string) finding {
	line := strings.Join(append([]string{name}, args...), " ")
	if len(args) == 1 && args[0] == "--version" {
		return a.asks(m, m.tool, line, nil, false)
	}
	words, unknown := m.split(args)
	if unknown != nil {
		return effect("%s: %s is not understood", name, strings.Join(unknown, ", "))
	}
	if len(words) == 0 {
		return effect("%s without a subcommand is not understood", name)
	}
	sub, words := words[0], words[1:]
	call := name + " " + sub
	if how, ok := m.reads[sub]; ok && (how != onlyThat || len(words) == 0) {
		return a.answers(m, line, words, how)
	}
	return a.changes(m, call, sub, words)
}

// answers returns the finding for a subcommand that only prints something.
func (a *analyzer) answers(m *manager, line string, words []string, how answers) finding {
	if how == always {
		words = nil
	}
	f := a.asks(m, m.tool, line, words, how == ifThere || how == ifListed)
	switch {
	case how == ifLucky && f.status&mayFail == 0:
		return uncertain(f.reason, line+" may fail")
	case how == ifListed && f.status.succeeds():
		f.status = mayBreak
	}
	return f
}

// changes returns the finding for a subcommand that may change something.
func (a *analyzer) changes(m *manager, call, sub string, words []string) finding {
	rest, refreshes := m.lists[sub]
	installs := slices.Contains(m.install, sub)
	removes := slices.Contains(m.removes, sub) || slices.Contains(m.prunes, sub)
	enables := m.enables != nil && m.enables.MatchString(strings.Join(append([]string{sub}, words...), " "))
	switch {
	case !refreshes && !installs && !removes && !enables:
		return effect("%s is not understood", call)
	case !a.root():
		return imageEffect("%s: runs as %s, which lacks the permission", call, a.userName())
	case a.base.Set == nil:
		return imageEffect("%s: no inventory says what the image has", call)
	case !a.uses(m.packages):
		return imageEffect("%s: the image has no %s packages", call, m.packages)
	case enables:
		return managerEffect("%s %s: changes which packages are offered", call, strings.Join(words, " "))
	case removes:
		return a.removes(m, call, words, slices.Contains(m.prunes, sub))
	case installs:
		return a.install(m, call, words)
	case rest.MatchString(strings.Join(words, " ")):
		return presumed(call + ": only package lists and caches")
	}
	return effect("%s %s is not understood", call, strings.Join(words, " "))
}

// removes returns the finding for a removal. It is a package manager's work unless
// it names a package of the image.
func (a *analyzer) removes(m *manager, call string, words []string, prunes bool) finding {
	for _, spelled := range words {
		if strings.ContainsAny(spelled, "*?[^$") {
			return effect("%s: which packages %s means is not known", call, spelled)
		}
		if p, _, why := a.find(m, spelled); why == "" {
			return effect("%s: removes %s %s", call, p.Name, p.Version)
		}
		doc := a.base.Set.Document()
		named := slices.ContainsFunc(doc.Packages, func(p sbom.Package) bool {
			return p.Type == m.packages && (p.Name == baseName(spelled) || p.Name == strings.TrimRight(spelled, "+-") || strings.HasPrefix(spelled, p.Name+"-"))
		})
		if named || m.packages != sbom.Deb && !doc.Knows(sbom.Virtual) {
			return effect("%s: may remove what the image has", call)
		}
	}
	if len(words) == 0 && prunes {
		return managerEffect("%s: removes packages that nothing depends on", call)
	}
	return managerEffect("%s: removes %s", call, strings.Join(words, ", "))
}

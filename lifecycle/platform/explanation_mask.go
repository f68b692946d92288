package platform

import (
	_ "embed"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"unicode"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
)

// Reasons may quote Dockerfiles and values of variables, which may be secrets. So a reason keeps only words that are
// known to be harmless; a run of other words becomes one masked.
const masked = "…"

// reasonWords are the words of our own messages, one per line; TestReasonWords collects them from the source code.
//
//go:embed words.txt
var reasonWords string

var ownWords = sync.OnceValue(func() map[string]bool { return setOf(strings.Fields(reasonWords)) })

func setOf(words []string) map[string]bool {
	set := map[string]bool{}
	for _, w := range words {
		set[w] = true
	}
	return set
}

// A masker masks reasons. It knows the names of packages, requirements and extensions.
type masker struct {
	resolution *Resolution
	packages   map[string]bool // a version may follow
	names      map[string]bool
}

// What words look like. The patterns take half a millisecond to compile, and most phases write no label.
var (
	packageWord = lazy(`^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$`)
	versionWord = lazy(`^v?[0-9][A-Za-z0-9.+:~^_-]{0,63}$`)
	lineWord    = lazy(`^[0-9]{1,5}$`)
	digestWord  = lazy(`^[a-z0-9]+:[0-9a-f]{32,128}$`)
	pinned      = lazy(`[=<>~].*$`)
	constraint  = lazy(`^(?:(?:[=<>!~^]{1,3}|\|\||[,*xX-]|v?[0-9][0-9A-Za-z.*+:~_-]{0,31})[ ,]*){1,16}$`)
)

func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

func (r *Resolution) mask() *masker {
	m := &masker{resolution: r, packages: map[string]bool{}, names: map[string]bool{}}
	for _, req := range r.Requirements {
		m.know(req.Name, req.RequiredBy, req.Requirer().ID)
		m.install(req.Name, req.Evidence)
	}
	for _, relied := range r.Relies {
		m.install(relied.Name, relied.Evidence)
	}
	m.know(maskImage(r.RunImage.Image), maskImage(r.Result.RunImage))
	for _, v := range r.Verdicts {
		m.know(v.Extension, maskImage(v.SwitchTo))
	}
	return m
}

// know adds names.
func (m *masker) know(names ...string) {
	for _, name := range names {
		m.names[maskName(name)] = true
	}
}

// install adds the names of packages: one that was asked for, and those in evidence.
func (m *masker) install(name string, evidence []string) {
	m.packages[maskName(name)] = true
	for _, pattern := range evidence {
		if isPackage(pattern) {
			m.packages[packageOf(pattern)] = true
		}
	}
}

// reason returns a reason of a verdict for the label. A reason about a requirement quotes only the plan and the run
// image's packages.
func (m *masker) reason(reason string, v Verdict) string {
	for _, req := range m.resolution.Requirements {
		id := req.Requirer().ID
		plain := maskName(req.Name) == req.Name && maskName(id) == id && maskConstraint(req.Version) == req.Version
		if by := strings.HasPrefix(reason, req.Name+", required by "+id+" at "); by && plain {
			return words(reason, func(word, _ string) bool { return !strings.HasPrefix(word, "/") })
		}
	}
	lacks := map[string]bool{}
	for _, i := range v.Instructions {
		for _, l := range i.Lacks {
			name := pinned().ReplaceAllString(l, "")
			if i.Expanded || !packageWord().MatchString(name) {
				continue
			}
			lacks[name] = true
			if versionWord().MatchString(strings.TrimLeft(l[len(name):], "=<>~")) {
				lacks[l] = true
			}
		}
	}
	return words(reason, func(word, before string) bool {
		switch {
		case ownWords()[word] || m.names[word] || m.packages[word] || lacks[word]:
			return true
		case before == "line":
			return lineWord().MatchString(word)
		}
		return m.packages[before] && versionWord().MatchString(word)
	})
}

// words masks the words of a text that are not kept. Punctuation around a word is no part of it.
func words(text string, keep func(word, before string) bool) string {
	var out []string
	before := ""
	for field := range strings.FieldsSeq(text) {
		word := strings.TrimFunc(field, func(r rune) bool { return unicode.IsPunct(r) && !strings.ContainsRune("/+…", r) })
		switch {
		case isPrintable(field) && (word == "" || keep(word, before)):
			out = append(out, field)
		case len(out) == 0 || !strings.HasPrefix(out[len(out)-1], masked):
			out = append(out, masked+trailing(field))
		default:
			out[len(out)-1] = masked + trailing(field)
		}
		before = word
	}
	return strings.Join(out, " ")
}

// trailing returns the punctuation of the message after a quoted word.
func trailing(field string) string {
	switch end := field[len(field)-1:]; end {
	case ",", ";", ":":
		return end
	}
	return ""
}

// maskName returns a name of the plan, or masked if it may hold more than a name.
func maskName(name string) string {
	more := strings.Contains(name, "://") || strings.HasPrefix(name, "/") || strings.ContainsAny(name, "?=&") || registry.Redact(name) != name
	if more || len(name) > 256 || !isPrintable(name) {
		return masked
	}
	return name
}

// maskConstraint returns a version constraint, or masked if it is anything else.
func maskConstraint(text string) string {
	if _, err := provides.ParseConstraint(text); text != "" && (err != nil || !constraint().MatchString(text)) {
		return masked
	}
	return text
}

// maskImage returns an image name. Of a local path, only the last element is kept.
func maskImage(name string) string {
	ref := reference.Parse(name)
	switch {
	case name == "":
		return ""
	case !isPrintable(name) || len(name) > 512:
		return masked
	case ref.Kind == reference.Registry:
		return name
	case ref.Kind == reference.Malformed:
		return masked
	case ref.Path != "":
		return string(ref.Kind) + path.Base(ref.Path)
	}
	return name
}

// isPackage reports whether evidence is the pattern of a package, not a path.
func isPackage(pattern string) bool {
	return strings.HasPrefix(pattern, "pkg:") && isPrintable(pattern) && !strings.ContainsAny(pattern, "?#")
}

// packageOf returns the package name in a pattern without a version.
func packageOf(pattern string) string {
	name := path.Base(pattern)
	if plain, err := url.PathUnescape(name); err == nil {
		return plain
	}
	return name
}

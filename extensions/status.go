package extensions

import "cmp"

// A status is what is known of the exit status of a command. The zero value is
// success.
type status uint8

const (
	// mayFail is the status of a command that may fail in a build that works.
	mayFail status = 1 << iota
	// mayBreak is the status of a command that fails only in a build that does
	// not work: without a network, or without a program that such images have.
	mayBreak
	// mustFail is the status of a command that never succeeds.
	mustFail
)

// succeeds reports whether a command always succeeds.
func (s status) succeeds() bool { return s == 0 }

// broken is the status of a command that runs only in a build that does not
// work, so that its failure is no news.
func (s status) broken() status {
	if s&mayFail != 0 {
		s |= mayBreak
	}
	return s &^ (mayFail | mustFail)
}

// exit is the status of the command that a finding is about. Whether one that
// has an effect succeeds is not known.
func (f finding) exit() status {
	if f.effect {
		return f.status | mayFail
	}
	return f.status
}

// with is a finding with a status; doubt says why it may fail.
func (f finding) with(s status, doubt string) finding {
	f.status, f.doubt = s, ""
	if s&mayFail != 0 {
		f.doubt = doubt
	}
	return f
}

// uncertain is the finding on a command that changes nothing, but may fail.
func uncertain(reason, doubt string) finding {
	return finding{reason: reason}.with(mayFail, doubt)
}

// presumed is the finding on a command that changes nothing and fails in a
// broken build only.
func presumed(reason string) finding {
	return finding{reason: reason}.with(mayBreak, "")
}

// negated is the finding on a command behind "!".
func (f finding) negated() finding {
	switch s := f.exit(); {
	case s.succeeds():
		return f.with(mayFail|mustFail, "! fails where its command succeeds")
	case s&mustFail != 0:
		return f.with(0, "")
	case f.effect:
		return f.with(mayFail, "")
	}
	return f.with(mayFail, "! fails where its command succeeds")
}

// both is the finding on two commands of which the second one runs if the first
// one succeeds.
func both(x, y finding) finding {
	return join(x, y).with(x.exit()&^mustFail|y.exit(), cmp.Or(x.doubt, y.doubt))
}

// either is the finding on two commands of which the second one runs if the
// first one fails.
func either(x, y finding) finding {
	s := y.exit()
	switch {
	case x.exit()&mayFail == 0:
		s = s.broken()
	case x.exit()&mustFail == 0:
		s &^= mustFail
	}
	return join(x, y).with(s, y.doubt)
}

// branches is the finding on two commands of which one runs: the second one in a
// broken build only, if broken is set.
func branches(x, y finding, broken bool) finding {
	s := y.exit()
	if broken {
		s = s.broken()
	}
	always := s & x.exit() & mustFail
	return join(x, y).with((s|x.exit())&^mustFail|always, cmp.Or(x.doubt, y.doubt))
}

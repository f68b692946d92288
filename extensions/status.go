package extensions

import "cmp"

// A status is what is known about the exit status of a command. The zero value is
// success.
type status uint8

const (
	// mayFail: the command may fail in a working build.
	mayFail status = 1 << iota
	// mayBreak: the command fails only in a broken build: without a network, or
	// without a program that such images have.
	mayBreak
	// mustFail: the command never succeeds.
	mustFail
)

// succeeds reports whether the command always succeeds.
func (s status) succeeds() bool { return s == 0 }

// broken returns the status of a command that runs only in a broken build, so that
// its failure does not matter.
func (s status) broken() status {
	if s&mayFail != 0 {
		s |= mayBreak
	}
	return s &^ (mayFail | mustFail)
}

// exit returns the status of the command. A command with an effect may fail.
func (f finding) exit() status {
	if f.effect {
		return f.status | mayFail
	}
	return f.status
}

// with returns the finding with a status; doubt is why it may fail.
func (f finding) with(s status, doubt string) finding {
	f.status, f.doubt = s, ""
	if s&mayFail != 0 {
		f.doubt = doubt
	}
	return f
}

// uncertain returns the finding for a command that changes nothing but may fail.
func uncertain(reason, doubt string) finding {
	return finding{reason: reason}.with(mayFail, doubt)
}

// presumed returns the finding for a command that changes nothing and fails only in
// a broken build.
func presumed(reason string) finding {
	return finding{reason: reason}.with(mayBreak, "")
}

// negated returns the finding for a command after "!".
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

// both returns the finding for x && y.
func both(x, y finding) finding {
	return join(x, y).with(x.exit()&^mustFail|y.exit(), cmp.Or(x.doubt, y.doubt))
}

// either returns the finding for x || y.
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

// branches returns the finding for two branches, of which one runs: y only in a
// broken build if broken is set.
func branches(x, y finding, broken bool) finding {
	s := y.exit()
	if broken {
		s = s.broken()
	}
	always := s & x.exit() & mustFail
	return join(x, y).with((s|x.exit())&^mustFail|always, cmp.Or(x.doubt, y.doubt))
}

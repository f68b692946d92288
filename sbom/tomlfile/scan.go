package tomlfile

import "fmt"

// A scanner looks at TOML before it is parsed, in one pass and without copying
// anything: how deeply it is nested, and what parsing it is going to cost. It
// understands what is valid; the parser stops at what is not.
type scanner struct {
	data  []byte
	pos   int
	line  int
	cost  int
	table path    // the last [header]
	stack []frame // of the arrays and inline tables that are open
	key   path    // the key that is being read, or whose value is
	inKey bool    // a key is being read, not a value
	lines []int   // of headers and keys, in order; only if keep
	keep  bool
}

// A path is a key with the keys of the tables that it is in.
type path struct{ parts, bytes int }

func (p path) in(table path) path { return path{table.parts + p.parts, table.bytes + p.bytes} }

// A frame is an array or an inline table, with what comes back when it is closed.
type frame struct {
	array      bool
	table, key path
}

// The parser's costs, in units of about 100 ns. It takes every key apart with all tables
// that the key is in.
const (
	costComment = 5
	costValue   = 3
	costArray   = 6
	costTime    = 60 // for one separator in it
	costTable   = 25
	costKey     = 30
	costPart    = 50 // of a dotted key, which makes a table
	costParent  = 1
	costBytes   = 32 // bytes of a key for one unit
)

// An excess is a bound that a file exceeds.
type excess struct {
	line int
	what string
}

func (e *excess) Error() string { return e.what }

// scan reads all of the data, or as far as a bound holds.
func (s *scanner) scan() error {
	s.line, s.inKey = 1, true
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		s.pos++
		switch c {
		case '\n':
			s.line++
			if len(s.stack) == 0 {
				s.inKey, s.key = true, path{}
			}
		case ' ', '\t', '\r':
		case '#':
			s.cost += costComment
			s.skipLine()
		case '"', '\'':
			n := s.quoted(c)
			if s.inKey {
				s.key.bytes += n
			}
		default:
			s.other(c)
		}
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) check() error {
	switch depth := s.depth(); {
	case depth > MaxDepth:
		return &excess{s.line, fmt.Sprintf("nested more than %d levels deep (tables, arrays and parts of dotted keys): use fewer levels", MaxDepth)}
	case s.cost > maxCost:
		return &excess{s.line, fmt.Sprintf("too many keys and values for one file, the limit is about %d keys: leave out what is not needed", maxCost/costKey)}
	}
	return nil
}

// depth is how many tables and arrays the value to come is in.
func (s *scanner) depth() int {
	n := s.table.parts + s.key.parts
	for i := len(s.stack) - 1; i >= 0 && s.stack[i].array; i-- {
		n++
	}
	return n
}

func (s *scanner) other(c byte) {
	if s.inKey {
		s.keyByte(c)
		return
	}
	switch c {
	case '[':
		s.cost += costArray
		s.stack = append(s.stack, frame{true, s.table, s.key})
	case '{':
		s.stack = append(s.stack, frame{false, s.table, s.key})
		// Arrays count as levels of what lies in them.
		inner := path{s.depth() - s.table.parts, s.key.bytes}
		s.table, s.key, s.inKey = inner.in(s.table), path{}, true
		s.charge(costTable, s.table)
	case ']', '}':
		s.close(c)
	case ':', '-': // most often of a date or a time, which take many attempts
		s.cost += costTime
	case ',':
		s.cost += costValue
		if n := len(s.stack); n > 0 && !s.stack[n-1].array {
			s.inKey, s.key = true, path{}
		}
	}
}

func (s *scanner) keyByte(c byte) {
	switch c {
	case '[':
		if len(s.stack) == 0 {
			s.header()
		}
	case '.':
		s.key.parts++
		s.charge(costPart, s.key.in(s.table))
	case '=':
		s.key.parts++
		s.endKey(s.key.in(s.table))
		s.inKey = false
	case '}':
		s.close(c)
	default:
		s.key.bytes++
	}
}

// header reads the rest of a [table] or [[array of tables]].
func (s *scanner) header() {
	s.table = path{parts: 1}
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '\n':
			return // it is not valid
		case c == '"' || c == '\'':
			s.pos++
			s.table.bytes += s.quoted(c)
			continue
		case c == ']':
			s.endKey(s.table)
			s.skipLine()
			return
		case c == '.':
			s.table.parts++
		case c != '[':
			s.table.bytes++
		}
		s.pos++
	}
}

func (s *scanner) endKey(p path) {
	s.charge(costKey, p)
	if s.keep {
		s.lines = append(s.lines, s.line)
	}
}

func (s *scanner) charge(units int, p path) {
	s.cost += units + costParent*p.parts + p.bytes/costBytes
}

// close ends an array or inline table; one that is not open is not valid.
func (s *scanner) close(c byte) {
	n := len(s.stack) - 1
	if n < 0 || s.stack[n].array != (c == ']') {
		return
	}
	s.table, s.key, s.inKey = s.stack[n].table, s.stack[n].key, false
	s.stack = s.stack[:n]
}

// skipLine stops before the end of the line.
func (s *scanner) skipLine() {
	for s.pos < len(s.data) && s.data[s.pos] != '\n' {
		s.pos++
	}
}

// quoted reads a string whose first quote was read, and gives its length.
func (s *scanner) quoted(quote byte) int {
	start := s.pos
	if !s.inKey && s.quotes(quote) >= 2 {
		s.pos += 2
		s.multiline(quote)
		return s.pos - start
	}
	for s.pos < len(s.data) && s.data[s.pos] != '\n' {
		c := s.data[s.pos]
		s.pos++
		if c == quote {
			break
		}
		if c == '\\' && quote == '"' && s.pos < len(s.data) && s.data[s.pos] != '\n' {
			s.pos++
		}
	}
	return s.pos - start
}

// multiline reads the rest of a string of many lines. It ends with three quotes or more; the
// others are part of it.
func (s *scanner) multiline(quote byte) {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if n := s.quotes(quote); n >= 3 {
			s.pos += n
			return
		}
		s.pos++
		if c == '\\' && quote == '"' && s.pos < len(s.data) {
			c = s.data[s.pos]
			s.pos++
		}
		if c == '\n' {
			s.line++
		}
	}
}

// quotes counts the quotes from here on, up to six: there are no more in a valid string.
func (s *scanner) quotes(quote byte) int {
	n := 0
	for n < 6 && s.pos+n < len(s.data) && s.data[s.pos+n] == quote {
		n++
	}
	return n
}

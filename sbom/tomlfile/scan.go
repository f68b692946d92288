package tomlfile

import "fmt"

// A scanner computes the nesting depth and the parsing cost of TOML before it is
// parsed, in one pass and without copying. It assumes valid input, since the parser
// rejects the rest.
type scanner struct {
	data  []byte
	pos   int
	line  int
	cost  int
	table path    // the last [header]
	stack []frame // open arrays and inline tables
	key   path    // the key being read, or the key of the value being read
	inKey bool    // reading a key, not a value
	lines []int   // line numbers of headers and keys, in order; only if keep is set
	keep  bool
}

// A path is the size of a key and of the tables around it.
type path struct{ parts, bytes int }

func (p path) in(table path) path { return path{table.parts + p.parts, table.bytes + p.bytes} }

// A frame is an open array or inline table, with the state to restore when it
// closes.
type frame struct {
	array      bool
	table, key path
}

// Parsing costs, in units of about 100 ns. The parser walks all tables around a key
// for every key.
const (
	costComment = 5
	costValue   = 3
	costArray   = 6
	costTime    = 60 // per separator of a date or time
	costTable   = 25
	costKey     = 30
	costPart    = 50 // per part of a dotted key, which creates a table
	costParent  = 1
	costBytes   = 32 // bytes of a key per unit
)

// An excess is the error for input over a limit.
type excess struct {
	line int
	what string
}

func (e *excess) Error() string { return e.what }

// scan reads the data until the end or a limit.
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
	case depth > maxDepth:
		return &excess{s.line, fmt.Sprintf("nested more than %d levels deep (tables, arrays and parts of dotted keys): use fewer levels", maxDepth)}
	case s.cost > maxCost:
		return &excess{s.line, fmt.Sprintf("too many keys and values for one file, the limit is about %d keys: remove some", maxCost/costKey)}
	}
	return nil
}

// depth returns the number of tables and arrays around the next value.
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
		// Arrays count as levels for what they contain.
		inner := path{s.depth() - s.table.parts, s.key.bytes}
		s.table, s.key, s.inKey = inner.in(s.table), path{}, true
		s.charge(costTable, s.table)
	case ']', '}':
		s.close(c)
	case ':', '-': // usually of a date or time, which takes many attempts
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
			return // invalid
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

// close ends an array or inline table. It ignores one that is not open, which is
// invalid.
func (s *scanner) close(c byte) {
	n := len(s.stack) - 1
	if n < 0 || s.stack[n].array != (c == ']') {
		return
	}
	s.table, s.key, s.inKey = s.stack[n].table, s.stack[n].key, false
	s.stack = s.stack[:n]
}

// skipLine skips to the end of the line.
func (s *scanner) skipLine() {
	for s.pos < len(s.data) && s.data[s.pos] != '\n' {
		s.pos++
	}
}

// quoted reads the rest of a string after its first quote and returns its length.
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

// multiline reads the rest of a multi-line string. It ends with three or more
// quotes; the surplus belongs to the string.
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

// quotes counts consecutive quotes, up to six, the maximum in a valid string.
func (s *scanner) quotes(quote byte) int {
	n := 0
	for n < 6 && s.pos+n < len(s.data) && s.data[s.pos+n] == quote {
		n++
	}
	return n
}

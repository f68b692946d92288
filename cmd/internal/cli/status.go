package cli

import (
	"fmt"
	"io"
	"slices"
	"sync"
)

// A status is the line at the bottom of a terminal that shows what is going on. Work that runs
// at the same time shares it: the latest that has not ended is shown.
type status struct {
	terminal io.Writer // nil: none, so nothing is shown
	width    int

	mu     sync.Mutex
	active []string
	shown  bool
}

func (s *status) add(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = append(s.active, message)
	s.show()
}

func (s *status) remove(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.active, message); i >= 0 {
		s.active = slices.Delete(s.active, i, i+1)
	}
	s.show()
}

// print prints whole lines above the status.
func (s *status) print(w io.Writer, lines string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprint(w, lines)
	s.show()
}

func (s *status) clear() {
	if s.shown {
		fmt.Fprint(s.terminal, "\r\x1b[K")
	}
	s.shown = false
}

// show replaces the status. It never wraps: a second line could not be removed.
func (s *status) show() {
	s.clear()
	if s.terminal == nil || len(s.active) == 0 {
		return
	}
	fmt.Fprint(s.terminal, shorten(s.active[len(s.active)-1], s.width-3)+" …")
	s.shown = true
}

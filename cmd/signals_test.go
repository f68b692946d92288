package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSignals holds that a command that handles an interrupt handles SIGTERM in the same way: otherwise, `kill` and
// container runtimes would leave its temporary files behind.
func TestSignals(t *testing.T) {
	files, err := filepath.Glob("*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	handle := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, "signal.Notify") {
				continue
			}
			handle++
			if !strings.Contains(line, "os.Interrupt, syscall.SIGTERM)") {
				t.Errorf("%s: %sdoes not handle both os.Interrupt and syscall.SIGTERM", file, line)
			}
		}
	}
	if handle < 5 {
		t.Errorf("%d commands handle signals: does this test read the right files?", handle)
	}
}

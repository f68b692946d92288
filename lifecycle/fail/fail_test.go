package fail_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/fail"
)

func TestCodeOf(t *testing.T) {
	missing := fail.As(fail.DetectOther, "reading order", fs.ErrNotExist)
	for _, tt := range []struct {
		name string
		err  error
		code fail.Code
		text string
	}{
		{"nil", nil, 0, ""},
		{"nil with a code", fail.As(fail.Launch, "launching", nil), 0, ""},
		{"without a code", errors.New("odd"), 1, "odd"},
		{"with a code", missing, 22, "reading order: file does not exist"},
		{"wrapped by fmt", fmt.Errorf("detecting: %w", missing), 22, "detecting: reading order: file does not exist"},
		{"joined", errors.Join(errors.New("a"), missing), 22, "a\nreading order: file does not exist"},
		{"the inner code is kept", fail.As(fail.Generic, "creating", missing), 22, "creating: reading order: file does not exist"},
		{"no operation", fail.As(fail.Launch, "", errors.New("odd")), 82, "odd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fail.CodeOf(tt.err); got != tt.code {
				t.Errorf("CodeOf = %d, want %d", got, tt.code)
			}
			if tt.err != nil && tt.err.Error() != tt.text {
				t.Errorf("text %q, want %q", tt.err, tt.text)
			}
		})
	}
	if !errors.Is(missing, fs.ErrNotExist) {
		t.Error("errors.Is does not find the cause")
	}
}

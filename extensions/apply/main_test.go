//go:build linux

package apply

import (
	"os"
	"testing"
)

// Commands are run by a second process of the test's own program.
func TestMain(m *testing.M) {
	if Main() {
		return
	}
	os.Exit(m.Run())
}

package main

import (
	"os/user"
	"testing"
)

// TestHomeOf: HOME is the passwd's; for a user that is not in it, it stays as given.
func TestHomeOf(t *testing.T) {
	root, err := user.LookupId("0")
	if err != nil {
		t.Fatal(err)
	}
	const unknown = 1 << 30
	for _, tt := range []struct {
		uid         int
		given, want string
	}{{0, "/elsewhere", root.HomeDir}, {0, "", root.HomeDir}, {unknown, "/given", "/given"}, {unknown, "", "/"}} {
		if got := homeOf(tt.uid, tt.given); got != tt.want {
			t.Errorf("user %d, HOME=%s: got %s, want %s", tt.uid, tt.given, got, tt.want)
		}
	}
}

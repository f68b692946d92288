// Package seed makes property tests draw the same values in every run. A test imports
// it for that effect. -rapid.seed=N draws others; -rapid.checks=N draws more.
package seed

import (
	"flag"

	_ "pgregory.net/rapid" // registers the flags
)

func init() {
	// A failure repeats itself, so it needs no file in the tree.
	for name, value := range map[string]string{"rapid.seed": "1", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}

package fail_test

import (
	"errors"
	"fmt"

	"github.com/baseplan/baseplan/lifecycle/fail"
)

// A phase attaches the exit code, the main function reads it.
func ExampleError() {
	err := fail.As(fail.Analyze, "reading run.toml", errors.New("it is empty"))
	fmt.Println(err)
	fmt.Println(int(fail.CodeOf(fmt.Errorf("analyzing: %w", err))), int(fail.CodeOf(nil)))
	// Output:
	// reading run.toml: it is empty
	// 32 0
}

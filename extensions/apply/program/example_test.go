package program_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/baseplan/baseplan/extensions/apply/program"
)

// The kernel says of a script "no such file or directory", although it is the interpreter that does not exist.
func ExampleExplain() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "detect")
	if err := os.WriteFile(script, []byte("#!/nowhere/bash\n"), 0o755); err != nil {
		fmt.Println(err)
		return
	}
	err = program.Explain(exec.Command(script).Run(), script, "")
	fmt.Println(strings.ReplaceAll(err.Error(), dir, "bin"))
	// Output: the interpreter of bin/detect, /nowhere/bash, does not exist: no such file or directory
}

package launch_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/launch"
)

// Run replaces this program by the process, so it returns only if it cannot.
func ExampleLauncher() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	config := filepath.Join(dir, "config")
	if err := errors.Join(os.Mkdir(config, 0o755), os.WriteFile(filepath.Join(config, "metadata.toml"),
		[]byte("[[processes]]\ntype = \"web\"\ncommand = [\"/nowhere/server\"]\ndirect = true\n"), 0o644)); err != nil {
		log.Fatal(err)
	}
	version, err := api.Parse("0.15")
	if err != nil {
		log.Fatal(err)
	}
	l := launch.Launcher{API: version, App: dir, Layers: dir, Environ: []string{"PATH=/usr/bin:/bin"}}
	err = l.Run("/cnb/process/web", nil)
	fmt.Println(err)
	fmt.Println(fail.CodeOf(err) == fail.Launch)
	// Output:
	// starting /nowhere/server: no such file or directory
	// true
}

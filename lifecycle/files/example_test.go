package files_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/files"
)

// A buildpack has replaced its directory by a link to /etc, which is not followed.
func ExampleWithin() {
	layers, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(layers)
	if err := os.Symlink("/etc", filepath.Join(layers, "acme_app")); err != nil {
		fmt.Println(err)
		return
	}
	_, err = files.Within(layers, "acme_app", false)
	fmt.Println(errors.Is(err, files.ErrNotDirectory))
	_, err = files.ReadWithin(layers, filepath.Join(layers, "acme_app", "passwd"))
	fmt.Println(errors.Is(err, files.ErrNotDirectory))
	// Output:
	// true
	// true
}

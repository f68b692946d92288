package buildpack_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/resolver"
)

func ExampleStore_Open() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	home := filepath.Join(dir, "acme_app/1.0.0")
	if err := errors.Join(os.MkdirAll(home, 0o755), os.WriteFile(filepath.Join(home, "buildpack.toml"),
		[]byte("api = \"0.10\"\n[buildpack]\nid = \"acme/app\"\nversion = \"1.0.0\"\nname = \"App\"\n"), 0o644)); err != nil {
		log.Fatal(err)
	}
	d, err := buildpack.Store{Buildpacks: dir}.Open(resolver.Module{ID: "acme/app", Version: "1.0.0"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Name, d.API)
	// Output: App 0.10
}

package env_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/env"
)

// A layer with a folder bin comes first in PATH, and its environment files change variables.
func ExampleForLaunch() {
	layers, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(layers)
	layer := filepath.Join(layers, "node")
	if err := errors.Join(os.MkdirAll(filepath.Join(layer, "bin"), 0o755), os.Mkdir(filepath.Join(layer, "env.launch"), 0o755),
		os.WriteFile(filepath.Join(layer, "env.launch/NODE_ENV.default"), []byte("production"), 0o644)); err != nil {
		log.Fatal(err)
	}
	e := env.ForLaunch([]string{"PATH=/usr/bin"})
	if err := e.AddLayers([]string{layer}, env.Launch("web")); err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.Get("PATH") == filepath.Join(layer, "bin")+":/usr/bin", e.Get("NODE_ENV"))
	// Output: true production
}

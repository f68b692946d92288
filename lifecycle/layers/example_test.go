package layers_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/layers"
)

// Root stands for the image's root, so the layer has the names that its files have in the image.
func ExampleSource_Dir() {
	root, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	dir := filepath.Join(root, "layers/acme_app/deps")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o644)); err != nil {
		log.Fatal(err)
	}
	layer, err := layers.Source{Root: root, Base: "/layers", UID: 1000, GID: 1000}.Dir("/layers/acme_app/deps")
	if err != nil {
		log.Fatal(err)
	}
	defer layer.Close()
	content, err := layer.Uncompressed()
	if err != nil {
		log.Fatal(err)
	}
	defer content.Close()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(h.Name, h.Uid, h.ModTime.UTC().Year())
	}
	// Output:
	// /layers 1000 1980
	// /layers/acme_app 1000 1980
	// /layers/acme_app/deps 1000 1980
	// /layers/acme_app/deps/file 1000 1980
}

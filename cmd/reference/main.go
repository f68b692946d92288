// Command reference writes the pages of docs/reference from the code that they describe:
// the table of inputs, the commands of baseplan, and the structs of its files.
//
//go:generate go run . -root ../..
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// notice is the first line of each page.
const notice = "<!-- Written by `go generate ./cmd/reference`. Do not edit. -->\n"

func main() {
	root := flag.String("root", ".", "root of the repository")
	flag.Parse()
	if err := write(*root); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

func write(root string) error {
	all, err := pages(root)
	if err != nil {
		return err
	}
	for path, content := range all {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := platform.WriteFile(path, []byte(content)); err != nil {
			return err
		}
	}
	return nil
}

// pages returns the pages by their path in the repository; their sources are at root.
func pages(root string) (map[string]string, error) {
	files, err := filesPage(root)
	if err != nil {
		return nil, err
	}
	schema, err := schemaPage()
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"docs/reference/inputs.md": notice + inputsPage(),
		"docs/reference/cli.md":    notice + cli.Reference(),
		"docs/reference/files.md":  notice + files,

		"docs/reference/output.schema.json": schema,
	}, nil
}

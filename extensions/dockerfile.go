package extensions

import (
	"errors"
	"io/fs"

	"github.com/baseplan/baseplan/resolver"
)

// An Image is one of the two images that extensions extend.
type Image string

// The images.
const (
	Run   Image = "run"
	Build Image = "build"
)

// A Dockerfile is one that an image extension generated.
type Dockerfile struct {
	Extension resolver.Module
	Image     Image
	Path      string // where it was read, slash-separated
	Content   []byte
	Args      []Arg    // build args of extend-config.toml
	Context   string   // folder of the build context, slash-separated; empty: the app directory
	From      string   // FROM as written
	Warnings  []string // what the specification says SHOULD NOT be there

	// AlwaysApply is the extension's wish that its Dockerfiles be applied,
	// whatever can be proved; see [AlwaysApply].
	AlwaysApply bool
}

// An Arg is a build arg of extend-config.toml.
type Arg struct {
	Name  string `toml:"name"`
	Value string `toml:"value"`
}

// Parse reads a Dockerfile and holds it against image_extension.md,
// "Dockerfile Requirements". Errors name path and line.
func Parse(path string, content []byte, image Image) (*Dockerfile, error) {
	return nil, errors.New("not implemented")
}

// Read finds the Dockerfiles of a group's extensions as a detector leaves them
// in dir ("generated"), in either layout of the Platform API. Their
// order is that of group, the build.Dockerfile of an extension first; with a nil group that of the
// folders, whose names then stand for the ids.
func Read(fsys fs.FS, dir string, group []resolver.Module) ([]*Dockerfile, error) {
	return nil, errors.New("not implemented")
}

// AlwaysApply reads an extension's opt-out from its extension.toml: always-apply
// under [metadata.baseplan].
func AlwaysApply(extensionTOML []byte, path string) (bool, error) {
	return false, errors.New("not implemented")
}

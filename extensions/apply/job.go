//go:build linux

package apply

import (
	"errors"
	"log/slog"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/resolver"
)

// A job is what the program in a sandbox has to do.
type job struct {
	Test bool // only find out whether commands can run

	Image, Digest, BuildID string
	Exclude                []string
	Layers                 int // of the image
	Cached                 bool
	TTL                    time.Duration
	Env                    []string
	NoNetwork              bool // the sandbox has none
	OneOutput              bool // both outputs of commands are the same
	Level                  slog.Level
	Hosts, Resolv          []byte
	Dockerfiles            []jobFile
	Config                 v1.Config
}

// A jobFile holds the parts of an [extensions.Dockerfile] that are needed to apply it.
type jobFile struct {
	Extension resolver.Module
	Image     extensions.ImageKind
	Path      string
	Content   []byte
	Args      []extensions.Arg
	Context   string
	SwitchTo  string
}

func whole(d jobFile) *extensions.Dockerfile {
	return &extensions.Dockerfile{
		Extension: d.Extension, Image: d.Image, Path: d.Path, Content: d.Content, Args: d.Args, Context: d.Context, SwitchTo: d.SwitchTo,
	}
}

// A question is what the program in a sandbox cannot do itself.
type question struct {
	// Exactly one is set.
	Layer   *int   // send a layer of the image
	Context *int   // send the build context of a Dockerfile, by its index
	Load    string // send an entry of the cache
	Save    string // store an entry of the cache; its layer follows if it has one
	Keep    string // add a layer to the result; its tar follows
	Get     string // download a URL

	HasLayer bool    // for Save: a layer follows
	IDs      *[2]int // for Save of a user lookup
}

type answer struct {
	Error string
	// For Load; the layer follows if the entry has one.
	Found, HasLayer bool
	Entry           entry

	Status       int // for Get; the body follows
	StatusText   string
	LastModified string
}

// A report is the result of a job.
type report struct {
	Config   v1.Config
	Author   string
	Executed int
	Layers   []reported
	Failure  *failure
}

// A reported layer was handed over before.
type reported struct {
	Extension   resolver.Module
	Instruction string
	Cached      bool
	DiffID      v1.Hash
}

// A failure is an error of [Applier.Apply].
type failure struct {
	Text string // of At's Err, if At is set

	At          *Error // Err is nil
	RootUser    bool
	NotPossible bool
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error(), RootUser: errors.Is(err, ErrRootUser), NotPossible: errors.Is(err, ErrNotPermitted)}
	if at, ok := errors.AsType[*Error](err); ok {
		f.Text = at.Err.Error()
		f.At = &Error{Path: at.Path, Line: at.Line, Instruction: at.Instruction, ExitCode: at.ExitCode}
	}
	return f
}

// err returns the error that was reported, as far as callers tell errors apart.
func (f *failure) err() error {
	if f == nil {
		return nil
	}
	err := error(&told{text: f.Text})
	switch {
	case f.RootUser:
		err = &told{f.Text, ErrRootUser}
	case f.NotPossible:
		err = &told{f.Text, ErrNotPermitted}
	}
	if f.At != nil {
		at := *f.At
		at.Err = err
		return &at
	}
	return err
}

// A told error has the text of an error elsewhere.
type told struct {
	text string
	kind error
}

func (e *told) Error() string { return e.text }
func (e *told) Unwrap() error { return e.kind }

//go:build linux

package apply

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/extensions"
)

// An Applier applies Dockerfiles.
type Applier struct {
	Root Root

	Image  string // reference of the image: the build arg base_image of the first Dockerfile
	Digest string // identifies the image's content; empty: nothing is cached

	// Extensions' build contexts ([extensions.Dockerfile.Context]) are relative to Generated.
	// App is the build context of an extension without one.
	Generated, App string

	// Cache is a directory where layers are kept for later builds, in a subdirectory of its
	// own, so the directory may be shared; empty: no caching. Layers older than TTL are
	// rebuilt; zero: two weeks.
	Cache string
	TTL   time.Duration

	// Spool is an existing directory for the files of layers that are not cached, and of
	// compressed layers. Required. The files must stay as long as the layers are used.
	Spool string

	// Env is the environment of this process. Commands inherit it, except for CNB_* and
	// variables that look like credentials; in an isolated root, or with OnlyProxies, they inherit
	// only the proxy variables. The image's environment and build args take precedence. Env is not
	// part of the cache key.
	Env         []string
	OnlyProxies bool

	// Sandbox, if set, is where the Dockerfiles are applied. Root.Dir is not used then.
	Sandbox *Sandbox

	// NoNetwork runs commands without a network.
	NoNetwork bool

	BuildID string       // the build arg build_id, a UUID; empty: a random one
	Client  *http.Client // for ADD of a URL; nil: http.DefaultClient

	Stdout, Stderr io.Writer    // output of commands; nil: discarded
	Log            *slog.Logger // nil: silent

	guest *guest // nil: not in a sandbox
}

// A Result is an extended image: the configuration and the layers to add.
type Result struct {
	Config   v1.Config // the image's configuration after all Dockerfiles
	Author   string    // from MAINTAINER; empty: unchanged
	Layers   []*Layer
	Executed int // number of instructions executed rather than found in the cache
}

// Errors that callers distinguish.
var (
	// ErrRootUser is wrapped by errors about run images whose user is root after extension
	// (platform.md, "extender").
	ErrRootUser = errors.New("the run image was left with root as its user")

	// ErrNotPermitted is wrapped by errors of a process that is not root, or is not permitted
	// to enter an isolated root.
	ErrNotPermitted = errors.New("applying Dockerfiles is not permitted")
)

// An Error reports the failure of an instruction.
type Error struct {
	Path        string // of the Dockerfile
	Line        int    // from 1
	Instruction string // as written
	ExitCode    int    // of a RUN command; 0: it did not run, or another instruction failed
	Err         error
}

func (e *Error) Error() string {
	return fmt.Sprintf("applying %s: line %d: %s: %v", e.Path, e.Line, e.Instruction, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// A pathError is an error about a file of the tree.
type pathError struct {
	op, path string
	err      error
}

func (e *pathError) Error() string { return e.op + " " + e.path + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

func unixTime(sec int64) time.Time { return time.Unix(sec, 0) }

// Apply applies Dockerfiles in order, each to the image that the previous one produced. It
// reads all of them before it executes anything. Errors of an instruction are of type [*Error].
func (a *Applier) Apply(ctx context.Context, dockerfiles []*extensions.Dockerfile, config v1.Config) (*Result, error) {
	b, err := a.begin(config)
	if err != nil {
		return nil, err
	}
	result, err := b.apply(ctx, dockerfiles)
	if err := errors.Join(err, b.end()); err != nil {
		return nil, err
	}
	return result, nil
}

func (b *build) apply(ctx context.Context, dockerfiles []*extensions.Dockerfile) (*Result, error) {
	stages := make([]*stage, len(dockerfiles))
	for i, d := range dockerfiles {
		var err error
		if stages[i], err = newStage(b, d); err != nil {
			return nil, err
		}
		stages[i].index = i
		if i > 0 && d.SwitchTo != "" {
			return nil, fmt.Errorf("applying %s: FROM %s: earlier Dockerfiles were applied to another image", d.Path, d.SwitchTo)
		}
	}
	if b.Sandbox != nil {
		return b.sandboxed(ctx, dockerfiles)
	}
	rebasable := true
	for i, s := range stages {
		delete(b.config.Labels, rebasableLabel)
		if err := s.apply(ctx, i); err != nil {
			return nil, err
		}
		rebasable = rebasable && b.config.Labels[rebasableLabel] == "true"
	}
	if err := b.finish(ctx, dockerfiles, rebasable); err != nil {
		return nil, err
	}
	return &Result{Config: b.config, Author: b.author, Layers: b.layers, Executed: b.executed}, nil
}

// rebasableLabel says whether an extended image can be rebased (platform.md, "extender").
const rebasableLabel = "io.buildpacks.rebasable"

// A build is the state of one call of Apply.
type build struct {
	*Applier
	config   v1.Config
	author   string
	layers   []*Layer
	executed int

	key      chain
	store    *store
	missed   bool     // an instruction was not cached, so later ones cannot be either
	volatile bool     // the key contains this build's ID
	pending  []*Layer // cached layers not yet unpacked into the tree

	tree         *tree // nil until something is executed or looked up
	skip         map[string]bool
	last         snapshot // of the tree; nil: out of date
	noNamespaces bool     // this container cannot create namespaces
}

func (a *Applier) begin(config v1.Config) (*build, error) {
	own := *a
	b := &build{Applier: &own, config: *config.DeepCopy()}
	if own.Root.Dir == "" && own.Sandbox == nil {
		return nil, errors.New("applying Dockerfiles: no root is set")
	}
	if own.NoNetwork && own.Sandbox == nil && !own.Root.isolated() {
		return nil, errors.New("applying Dockerfiles: commands that run in this container cannot be kept off its network")
	}
	if own.Spool == "" {
		return nil, errors.New("applying Dockerfiles: no spool directory is set")
	}
	if own.BuildID == "" {
		own.BuildID = newUUID()
	}
	if own.TTL == 0 {
		own.TTL = 14 * 24 * time.Hour
	}
	if own.Log == nil {
		own.Log = slog.New(slog.DiscardHandler)
	}
	if own.Client == nil {
		own.Client = http.DefaultClient
	}
	if own.Stdout == nil {
		own.Stdout = io.Discard
	}
	if own.Stderr == nil {
		own.Stderr = io.Discard
	}
	if len(config.OnBuild) > 0 {
		own.Log.Warn("the image's ONBUILD instructions are not executed", "image", own.Image)
	}
	if b.config.Labels == nil {
		b.config.Labels = map[string]string{}
	}
	if own.Cache != "" && own.Digest != "" {
		b.store = &store{dir: filepath.Join(own.Cache, storeName), ttl: own.TTL, log: own.Log, guest: own.guest}
		if err := os.MkdirAll(own.Cache, 0o755); err != nil {
			own.Log.Warn("building without a layer cache", "error", err)
			b.store = nil
		} else if err := b.store.open(); err != nil {
			own.Log.Warn("not using the layer cache: other users may be able to write to its directory", "error", err)
			b.store = nil
		}
	}
	b.key = newChain(own.Digest, own.Root.Exclude)
	if own.NoNetwork {
		b.key = b.key.next("no network")
	}
	return b, nil
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var u [16]byte
	rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// finish completes the image after the last Dockerfile.
func (b *build) finish(ctx context.Context, dockerfiles []*extensions.Dockerfile, rebasable bool) error {
	if len(dockerfiles) == 0 {
		return nil
	}
	if dockerfiles[len(dockerfiles)-1].Image == extensions.Build {
		return b.updateTree(ctx) // the build continues in this root
	}
	b.config.Labels[rebasableLabel] = fmt.Sprint(rebasable)
	uid, _, err := b.ids(ctx, b.config.User)
	if err != nil {
		return fmt.Errorf("looking up user %q of the extended image: %w", b.config.User, err)
	}
	if uid == 0 {
		return fmt.Errorf("%s: %w; end it with ARG user_id, ARG group_id and USER ${user_id}:${group_id}", dockerfiles[len(dockerfiles)-1].Path, ErrRootUser)
	}
	return nil
}

func (b *build) end() error {
	if b.store != nil {
		b.store.prune()
	}
	if b.tree == nil {
		return nil
	}
	return b.tree.close()
}

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
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/extensions"
)

// A Root is the file system that Dockerfiles are applied to.
//
// These paths are never part of a layer: /proc, /sys, /dev, mounts, /layers,
// /workspace, /platform, /kaniko, /cnb, and of the isolated root the lent
// /etc/resolv.conf and /etc/hosts. Nor are [Applier.App], [Applier.Cache] and
// [Applier.Spool], where they are in it.
type Root struct {
	// Dir is "/" to extend this container in place. Else it is an empty directory,
	// or one that does not exist yet, for an isolated root: nobody but root can
	// look into it, and the caller removes it in the end.
	Dir string

	// Layers open the uncompressed tars of the image that an isolated root starts
	// with, the lowest first (v1.Layer.Uncompressed is such a func). They are read
	// only when an instruction has to be executed.
	Layers []func() (io.ReadCloser, error)

	Exclude []string // further absolute paths that are never part of a layer
}

// excluded are the paths that belong to the container or to the platform, never
// to an image.
var excluded = []string{"/proc", "/sys", "/dev", "/layers", "/workspace", "/platform", "/kaniko", "/cnb"}

// isolated reports whether commands are shut into the root.
func (r *Root) isolated() bool { return filepath.Clean(r.Dir) != "/" }

// An Applier applies Dockerfiles.
type Applier struct {
	Root Root

	Image  string // the image's reference: the build arg base_image of the first Dockerfile
	Digest string // identifies the image's content; empty: nothing is cached

	// Generated is what [extensions.Dockerfile.Context] is relative to, and App
	// the build context of an extension that has none.
	Generated, App string

	// Cache keeps layers for later builds, in a folder of its own in this
	// directory, which others may use too; empty: nothing is cached. Layers older
	// than TTL are made again; zero: two weeks.
	Cache string
	TTL   time.Duration

	// Spool is an existing directory, required, for the files of layers that are
	// not cached, and of compressed ones. They have to stay as long as the layers
	// are used.
	Spool string

	// Env is what commands see beside the image's environment and their build args,
	// which win over it: in place the environment of the process, else at most
	// the proxies. CNB_* and what looks like a credential are left out.
	Env []string

	BuildID string       // the build arg build_id, a UUID; empty: a new one
	Client  *http.Client // for ADD of a URL; nil: http.DefaultClient

	Stdout, Stderr io.Writer    // for the output of commands; nil: none
	Log            *slog.Logger // nil: silent
}

// A Result is an extended image: the configuration and the layers to add.
type Result struct {
	Config   v1.Config // the image's, as the Dockerfiles changed it
	Layers   []*Layer
	Executed int // instructions that were executed rather than found in the cache
}

// Errors that callers tell apart.
var (
	// ErrRootUser is wrapped by errors about run images that were left with root as
	// their user (platform.md, "extender").
	ErrRootUser = errors.New("the run image was left with root as its user")

	// ErrNotPermitted is wrapped by errors of a process that is not root, or that
	// may not enter an isolated root.
	ErrNotPermitted = errors.New("applying Dockerfiles is not permitted")
)

// An Error is one about an instruction.
type Error struct {
	Path        string // of the Dockerfile
	Line        int    // from 1
	Instruction string // as written
	ExitCode    int    // of a command of RUN; 0: it did not run or another instruction failed
	Err         error
}

func (e *Error) Error() string {
	return fmt.Sprintf("applying %s: line %d: %s: %v", e.Path, e.Line, e.Instruction, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// A pathError names a file of the tree.
type pathError struct {
	op, path string
	err      error
}

func (e *pathError) Error() string { return e.op + " " + e.path + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

func unixTime(sec int64) time.Time { return time.Unix(sec, 0) }

// Apply applies Dockerfiles in order: each stands on the image that the one
// before it left. Nothing is executed before all of them have been read. Errors
// about an instruction are an [*Error].
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
		if i > 0 && d.SwitchTo != "" {
			return nil, fmt.Errorf("applying %s: FROM %s: Dockerfiles in front of it were applied to another image", d.Path, d.SwitchTo)
		}
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
	return &Result{Config: b.config, Layers: b.layers, Executed: b.executed}, nil
}

// rebasableLabel says whether an extended image may be rebased (platform.md, "extender").
const rebasableLabel = "io.buildpacks.rebasable"

// A build is what Apply knows while it goes.
type build struct {
	*Applier
	config   v1.Config
	layers   []*Layer
	executed int

	key      chain
	store    *store
	missed   bool     // what follows stands on files that were made anew
	volatile bool     // the build's own id is part of the key
	pending  []*Layer // cached layers that the tree lacks

	tree  *tree // nil until something has to be executed or looked up
	skip  map[string]bool
	last  snapshot // of the tree; nil: not taken
	plain bool     // this container may not make namespaces
}

func (a *Applier) begin(config v1.Config) (*build, error) {
	own := *a
	b := &build{Applier: &own, config: *config.DeepCopy()}
	if own.Root.Dir == "" {
		return nil, errors.New("applying Dockerfiles: no root is given")
	}
	if own.Spool == "" {
		return nil, errors.New("applying Dockerfiles: no directory for layers is given")
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
	if b.config.Labels == nil {
		b.config.Labels = map[string]string{}
	}
	if own.Cache != "" && own.Digest != "" {
		b.store = &store{dir: filepath.Join(own.Cache, storeName), ttl: own.TTL, log: own.Log}
	}
	b.key = newChain(own.Digest, own.Root.Exclude)
	return b, nil
}

// newUUID makes a random UUID (RFC 9562, version 4).
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
		return b.catchUp(ctx) // the build goes on in this root
	}
	b.config.Labels[rebasableLabel] = fmt.Sprint(rebasable)
	uid, _, err := b.ids(ctx, b.config.User)
	if err != nil {
		return fmt.Errorf("looking up user %q of the extended image: %w", b.config.User, err)
	}
	if uid == 0 {
		return fmt.Errorf("%s: %w: reset it with ARG user_id and USER ${user_id}", dockerfiles[len(dockerfiles)-1].Path, ErrRootUser)
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

// catchUp makes the tree hold all that was applied so far: it unpacks the image
// of an isolated root, and cached layers.
func (b *build) catchUp(ctx context.Context) error {
	if b.tree == nil {
		if err := b.openRoot(ctx); err != nil {
			return err
		}
	}
	for _, l := range b.pending {
		if err := b.unpack(ctx, l.Uncompressed); err != nil {
			return fmt.Errorf("unpacking a cached layer: %w", err)
		}
		b.last = nil
	}
	b.pending = nil
	return nil
}

func (b *build) unpack(ctx context.Context, open func() (io.ReadCloser, error)) error {
	r, err := open()
	if err != nil {
		return err
	}
	return errors.Join(b.tree.unpack(ctx, r), r.Close())
}

func (b *build) openRoot(ctx context.Context) error {
	dir := filepath.Clean(b.Root.Dir)
	if b.Root.isolated() {
		if os.Geteuid() != 0 {
			return fmt.Errorf("unpacking an image into %s as user %d: %w: it takes root", dir, os.Geteuid(), ErrNotPermitted)
		}
		var err error
		if dir, err = makeRoot(dir); err != nil {
			return err
		}
	} else if os.Geteuid() != 0 {
		return fmt.Errorf("extending / as user %d: %w: it takes root", os.Geteuid(), ErrNotPermitted)
	}
	t, err := openTree(dir)
	if err != nil {
		return err
	}
	b.tree = t
	for _, open := range b.Root.Layers {
		if err := b.unpack(ctx, open); err != nil {
			return fmt.Errorf("unpacking the image: %w", err)
		}
	}
	b.skip, err = skipped(t.dir, b.exclude())
	return err
}

// makeRoot makes the directory of an isolated root, in one that others cannot
// enter: its programs that run as root must not be within their reach.
func makeRoot(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("unpacking an image into %s: the directory is not empty", dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return "", err
	}
	root := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", err
	}
	return root, os.Chmod(root, 0o755)
}

// exclude lists the paths that are left out of layers.
func (b *build) exclude() []string {
	paths := slices.Concat(excluded, b.Root.Exclude)
	for _, p := range []string{b.App, b.Generated, b.Cache, b.Spool} {
		if rel, ok := strings.CutPrefix(filepath.Clean(p), strings.TrimSuffix(b.tree.dir, "/")+"/"); p != "" && ok {
			paths = append(paths, "/"+rel)
		}
	}
	return paths
}

// A step is an instruction that can change files.
type step struct {
	layer *Layer
	key   []string // all that its outcome depends on, beside what went before
	run   bool     // it is a RUN
	do    func(context.Context) error
}

// step takes a layer from the cache, or executes an instruction and takes what it changed.
func (b *build) step(ctx context.Context, s step) error {
	b.key = b.key.next(s.key...)
	b.volatile = b.volatile || slices.ContainsFunc(s.key, func(k string) bool { return strings.Contains(k, b.BuildID) })
	log := b.Log.With("extension", s.layer.Extension.ID, "instruction", s.layer.Instruction)
	if b.store != nil && !b.missed && !b.volatile {
		if e, ok := b.store.load(b.key); ok {
			log.Info("taking an instruction's layer from the cache")
			b.take(s.layer, e)
			return nil
		}
	}
	b.missed = true
	b.executed++
	log.Info("executing an instruction")
	if err := b.catchUp(ctx); err != nil {
		return err
	}
	if err := b.snapshot(); err != nil {
		return err
	}
	if err := s.do(ctx); err != nil {
		return err
	}
	return b.record(s)
}

// snapshot makes sure that the last snapshot is that of now.
func (b *build) snapshot() (err error) {
	if b.last == nil {
		b.last, err = b.tree.scan(b.skip)
	}
	if err != nil {
		return err
	}
	return b.last.settleClock()
}

// take adds the layer of a cache entry.
func (b *build) take(l *Layer, e entry) {
	if e.DiffID == (v1.Hash{}) {
		return
	}
	l.Cached, l.diffID, l.file = true, e.DiffID, e.file
	b.layers, b.pending = append(b.layers, l), append(b.pending, l)
}

// record takes what an instruction changed as a layer, and keeps it for the next build.
func (b *build) record(s step) error {
	now, err := b.tree.scan(b.skip)
	if err != nil {
		return err
	}
	var ignore map[string]bool
	if s.run && b.Root.isolated() {
		ignore = lentPaths
	}
	changes := now.since(b.last, ignore)
	quiet := func(*file) bool { return false }
	if !s.run {
		quiet = unchangedDirs(b.last, now)
	}
	b.last = now
	if len(changes) > 0 {
		err = b.write(s.layer, changes, quiet)
	}
	if err != nil {
		return fmt.Errorf("writing the layer: %w", err)
	}
	if b.store != nil && !b.volatile {
		b.store.save(b.key, s.layer)
	}
	return nil
}

func (b *build) write(l *Layer, changes []change, quiet func(*file) bool) (err error) {
	dir := b.Spool
	if b.store != nil && !b.volatile {
		dir = b.store.spool(dir)
	}
	l.file, l.diffID, _, err = spool(dir, "layer-*.tar", func(w io.Writer) error {
		return b.tree.writeLayer(w, changes, quiet)
	})
	if err == nil {
		b.layers = append(b.layers, l)
	}
	return err
}

// unchangedDirs finds the directories that only stand above a change: their
// times differ from one container to the next.
func unchangedDirs(before, now snapshot) func(*file) bool {
	same := map[string]bool{}
	for i, j := 0, 0; i < len(now) && j < len(before); {
		switch order := comparePaths(now[i].path, before[j].path); {
		case order < 0:
			i++
		case order > 0:
			j++
		default:
			if now[i].isDir() && now[i].same(&before[j]) {
				same[now[i].path] = true
			}
			i, j = i+1, j+1
		}
	}
	return func(f *file) bool { return same[f.path] }
}

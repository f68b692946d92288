package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/moby/client"

	"github.com/baseplan/baseplan/sbom/reference"
)

// load writes to a docker daemon, over a new connection, since one that was idle during a long
// build may be dead. Layers that the daemon has on top of the same layers are not sent, unless
// it rejects that. A daemon with containerd's image store needs all layers. It gets them as an
// OCI layout of uncompressed layers, so that the manifest's digest, its image ID, depends only
// on the draft.
func (w *Writer) load(ctx context.Context, d *Draft, names []reference.Reference) (*Written, error) {
	daemon, err := w.daemon()
	if err != nil {
		return nil, fmt.Errorf("connecting to the docker daemon: %w", err)
	}
	defer daemon.Close()
	l := loading{daemon: daemon, draft: d, cache: LaunchCache{w.LaunchCache}, spool: w.Spool, files: map[v1.Hash]string{}}
	defer l.clean()
	if err := l.begin(ctx); err != nil {
		return nil, err
	}
	var unkept error
	var keeping sync.WaitGroup
	if w.LaunchCache != "" {
		keeping.Go(func() { unkept = l.keep(ctx) })
	}
	written, err := l.write(ctx, names)
	keeping.Wait()
	if written != nil && w.LaunchCache != "" {
		unkept = errors.Join(unkept, l.keepSaved(ctx), l.cache.prune(l.kept()))
		if unkept != nil {
			written.LaunchCache = fmt.Errorf("writing launch cache %s: %w", w.LaunchCache, unkept)
		}
	}
	return written, err
}

// A loading is the state of writing a draft to a daemon.
type loading struct {
	daemon     *client.Client
	containerd bool // the daemon uses containerd's image store
	draft      *Draft
	parts      []part
	config     []byte
	configID   v1.Hash
	manifest   []byte  // for containerd's store; nil: not known yet
	id         v1.Hash // image ID in the daemon, now or after loading
	cache      LaunchCache

	spool string             // parent directory of temp
	temp  string             // directory of files; empty: not created yet
	files map[v1.Hash]string // layers as uncompressed tars, saved from the daemon or unpacked
}

func (l *loading) begin(ctx context.Context) error {
	info, err := l.daemon.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Errorf("asking the docker daemon at %s: %w", l.daemon.DaemonHost(), err)
	}
	l.containerd = slices.Contains(info.Info.DriverStatus, [2]string{"driver-type", "io.containerd.snapshotter.v1"})
	if l.parts, err = l.draft.parts(func(*Image) bool { return false }); err != nil {
		return err
	}
	if l.config, err = l.draft.config(l.parts); err != nil {
		return err
	}
	l.configID, _, err = v1.SHA256(bytes.NewReader(l.config))
	l.id = l.configID
	return err
}

// toKeep returns the layers for the launch cache: those above the base's and, if the daemon
// would have to save them for every image, the base's too.
func (l *loading) toKeep() []part {
	if l.containerd {
		return l.parts
	}
	return l.parts[len(l.draft.Base.Config.RootFS.DiffIDs):]
}

func (l *loading) kept() map[v1.Hash]bool {
	ids := map[v1.Hash]bool{}
	for _, p := range l.toKeep() {
		ids[p.diffID] = true
	}
	return ids
}

// keep adds the layers whose content is given to the launch cache. It saves none from the
// daemon.
func (l *loading) keep(ctx context.Context) error {
	var errs []error
	for _, p := range l.toKeep() {
		if p.layer != nil && !l.cache.has(p.diffID) {
			errs = append(errs, l.cache.put(ctx, p.diffID, p.layer.Uncompressed))
		}
	}
	return errors.Join(errs...)
}

// keepSaved adds the layers that had to be saved from the daemon to the launch cache, so that
// they need not be saved again.
func (l *loading) keepSaved(ctx context.Context) error {
	var errs []error
	for _, p := range l.toKeep() {
		if file, ok := l.files[p.diffID]; ok && !l.cache.has(p.diffID) {
			errs = append(errs, l.cache.put(ctx, p.diffID, func() (io.ReadCloser, error) { return os.Open(file) }))
		}
	}
	return errors.Join(errs...)
}

func (l *loading) write(ctx context.Context, names []reference.Reference) (*Written, error) {
	if err := l.send(ctx); err != nil {
		return nil, err
	}
	written := &Written{ID: l.id}
	var errs []error
	for _, name := range names {
		if _, err := l.daemon.ImageTag(ctx, client.ImageTagOptions{Source: l.id.String(), Target: name.Record()}); err != nil {
			errs = append(errs, fmt.Errorf("naming image %s in the docker daemon: %w", l.id, err))
			continue
		}
		written.Names = append(written.Names, name)
	}
	if len(written.Names) == 0 {
		written = nil
	}
	return written, errors.Join(errs...)
}

// send loads the image into the daemon, without a name.
func (l *loading) send(ctx context.Context) error {
	if !l.containerd && l.there(ctx) {
		return nil
	}
	if l.containerd {
		l.cache.heal(ctx, l.parts) // unlike the classic store, containerd's does not verify the digests of layers
	}
	base, all := l.known(l.draft.Base, l.draft.Under), l.known(l.draft.Base, l.draft.Under, l.draft.Previous)
	err := l.try(ctx, all)
	if err != nil && ctx.Err() == nil && (l.cache.heal(ctx, l.parts) || all > base) {
		err = l.try(ctx, base) // the previous image is gone
	}
	// Another build may have taken a layer out of the launch cache.
	if err != nil && ctx.Err() == nil && (base > 0 || errors.Is(err, fs.ErrNotExist)) {
		err = l.try(ctx, 0)
	}
	if err == nil && !l.there(ctx) {
		err = fmt.Errorf("loading into the docker daemon at %s: it made another image than %s", l.daemon.DaemonHost(), l.id)
	}
	return err
}

// there reports whether the daemon already has the image, for example if the build changed
// nothing.
func (l *loading) there(ctx context.Context) bool {
	found, err := l.daemon.ImageInspect(ctx, l.id.String())
	return err == nil && found.ID == l.id.String()
}

// known returns how many of the bottom layers the daemon has, in the same order, in one of the
// images.
func (l *loading) known(images ...*Image) int {
	if l.containerd {
		return 0
	}
	most := 0
	for _, img := range images {
		if img == nil || img.Files == nil {
			continue
		}
		ids := img.Config.RootFS.DiffIDs
		n := 0
		for n < min(len(ids), len(l.parts)) && ids[n] == l.parts[n].diffID {
			n++
		}
		most = max(most, n)
	}
	return most
}

// try sends the image without the known layers.
func (l *loading) try(ctx context.Context, known int) error {
	if err := l.save(ctx, known); err != nil {
		return err
	}
	if err := l.unpackLayers(ctx, known); err != nil {
		return err
	}
	if l.containerd {
		if err := l.describe(); err != nil {
			return err
		}
		if l.there(ctx) {
			return nil
		}
	}
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := l.archive(ctx, w, known)
		w.CloseWithError(err)
		sent <- err
	}()
	err := l.stream(ctx, r)
	_ = r.CloseWithError(errNotWanted) // the daemon may have answered early
	if sendErr := <-sent; sendErr != nil && !errors.Is(sendErr, errNotWanted) {
		return sendErr
	}
	return err
}

var errNotWanted = errors.New("the docker daemon stopped reading")

func (l *loading) stream(ctx context.Context, r io.Reader) error {
	resp, err := l.daemon.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("loading into the docker daemon at %s: %w", l.daemon.DaemonHost(), err)
	}
	defer resp.Close()
	for dec := json.NewDecoder(resp); ; {
		var message struct{ Error, Stream string }
		err := dec.Decode(&message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if strings.HasPrefix(message.Stream, "Error ") { // an error of unpacking, in containerd's store
			message.Error = strings.TrimSpace(message.Stream)
		}
		if err == nil && message.Error != "" {
			err = errors.New(message.Error)
		}
		if err != nil {
			return fmt.Errorf("loading into the docker daemon at %s: %w", l.daemon.DaemonHost(), err)
		}
	}
}

func (l *loading) clean() {
	if l.temp != "" {
		_ = os.RemoveAll(l.temp)
	}
}

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
	l := daemonLoad{daemon: daemon, draft: d, cache: LaunchCache{w.LaunchCache}, spool: w.Spool, files: map[v1.Hash]string{}}
	defer l.clean()
	if err := l.begin(ctx); err != nil {
		return nil, err
	}
	var cacheErr error
	var caching sync.WaitGroup
	if w.LaunchCache != "" {
		caching.Go(func() { cacheErr = l.cacheGiven(ctx) })
	}
	written, err := l.write(ctx, names)
	caching.Wait()
	if written != nil && w.LaunchCache != "" {
		cacheErr = errors.Join(cacheErr, l.cacheSaved(ctx), l.cache.prune(l.cachedIDs()))
		if cacheErr != nil {
			written.LaunchCache = fmt.Errorf("writing launch cache %s: %w", w.LaunchCache, cacheErr)
		}
	}
	return written, err
}

// A daemonLoad is the state of writing a draft to a daemon.
type daemonLoad struct {
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

func (l *daemonLoad) begin(ctx context.Context) error {
	info, err := l.daemon.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Errorf("contacting the docker daemon at %s: %w", l.daemon.DaemonHost(), err)
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

// toCache returns the layers for the launch cache: those above the base's and, if the daemon
// would have to save them for every image, the base's too.
func (l *daemonLoad) toCache() []part {
	if l.containerd {
		return l.parts
	}
	return l.parts[len(l.draft.Base.Config.RootFS.DiffIDs):]
}

func (l *daemonLoad) cachedIDs() map[v1.Hash]bool {
	ids := map[v1.Hash]bool{}
	for _, p := range l.toCache() {
		ids[p.diffID] = true
	}
	return ids
}

// cacheGiven adds the layers whose content is given to the launch cache. It saves none from the
// daemon.
func (l *daemonLoad) cacheGiven(ctx context.Context) error {
	var errs []error
	for _, p := range l.toCache() {
		if p.layer != nil && !l.cache.has(p.diffID) {
			errs = append(errs, l.cache.put(ctx, p.diffID, p.layer.Uncompressed))
		}
	}
	return errors.Join(errs...)
}

// cacheSaved adds the layers that had to be saved from the daemon to the launch cache, so that
// they need not be saved again.
func (l *daemonLoad) cacheSaved(ctx context.Context) error {
	var errs []error
	for _, p := range l.toCache() {
		if file, ok := l.files[p.diffID]; ok && !l.cache.has(p.diffID) {
			errs = append(errs, l.cache.put(ctx, p.diffID, func() (io.ReadCloser, error) { return os.Open(file) }))
		}
	}
	return errors.Join(errs...)
}

func (l *daemonLoad) write(ctx context.Context, names []reference.Reference) (*Written, error) {
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
func (l *daemonLoad) send(ctx context.Context) error {
	if !l.containerd && l.exists(ctx) {
		return nil
	}
	if l.containerd {
		l.cache.removeCorrupt(ctx, l.parts) // unlike the classic store, containerd's does not verify the digests of layers
	}
	base, all := l.knownLayers(l.draft.Base, l.draft.Under), l.knownLayers(l.draft.Base, l.draft.Under, l.draft.Previous)
	err := l.try(ctx, all)
	if err != nil && ctx.Err() == nil && (l.cache.removeCorrupt(ctx, l.parts) || all > base) {
		err = l.try(ctx, base) // the previous image is gone
	}
	// Another build may have taken a layer out of the launch cache.
	if err != nil && ctx.Err() == nil && (base > 0 || errors.Is(err, fs.ErrNotExist)) {
		err = l.try(ctx, 0)
	}
	if err == nil && !l.exists(ctx) {
		err = fmt.Errorf("loading into the docker daemon at %s: it created another image than %s", l.daemon.DaemonHost(), l.id)
	}
	return err
}

// exists reports whether the daemon already has the image, for example if the build changed
// nothing.
func (l *daemonLoad) exists(ctx context.Context) bool {
	found, err := l.daemon.ImageInspect(ctx, l.id.String())
	return err == nil && found.ID == l.id.String()
}

// knownLayers returns how many of the bottom layers the daemon has, in the same order, in one of the
// images.
func (l *daemonLoad) knownLayers(images ...*Image) int {
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
func (l *daemonLoad) try(ctx context.Context, known int) error {
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
		if l.exists(ctx) {
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

func (l *daemonLoad) stream(ctx context.Context, r io.Reader) error {
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

func (l *daemonLoad) clean() {
	if l.temp != "" {
		_ = os.RemoveAll(l.temp)
	}
}

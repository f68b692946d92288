package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/moby/client"
)

// load writes to a docker daemon, over a connection of its own: one that was idle during a long
// build may be dead. Layers that the daemon has below the same layers are left out of what is
// sent. If it takes offence at that, it gets all of them.
func (w *Writer) load(ctx context.Context, d *Draft, names []string) (*Written, error) {
	daemon, err := w.daemon()
	if err != nil {
		return nil, fmt.Errorf("connecting to the docker daemon: %w", err)
	}
	defer daemon.Close()
	l := loading{daemon: daemon, draft: d, cache: LaunchCache{w.LaunchCache}, spool: w.Spool}
	defer l.clean()
	if err := l.begin(ctx); err != nil {
		return nil, err
	}
	var keeping sync.WaitGroup
	if w.LaunchCache != "" {
		keeping.Go(func() { l.unkept = l.keep(ctx) })
	}
	written, err := l.write(ctx, names)
	keeping.Wait()
	if written != nil && w.LaunchCache != "" {
		l.unkept = errors.Join(l.unkept, l.keepSaved(ctx), l.cache.prune(l.added()))
		if l.unkept != nil {
			written.LaunchCache = fmt.Errorf("writing launch cache %s: %w", w.LaunchCache, l.unkept)
		}
	}
	return written, err
}

// A loading is a draft on its way to a daemon.
type loading struct {
	daemon     *client.Client
	containerd bool // it has containerd's store of images, which wants all layers
	draft      *Draft
	parts      []part
	config     []byte
	id         v1.Hash // of the configuration
	cache      LaunchCache
	unkept     error // why the launch cache is not what it should be

	spool string             // where temp is made
	temp  string             // directory of files; empty: not made yet
	saved map[v1.Hash]string // layers that came by docker save, as uncompressed tars
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
	l.id, _, err = v1.SHA256(bytes.NewReader(l.config))
	return err
}

// added is the layers above the base's, which the launch cache keeps.
func (l *loading) added() map[v1.Hash]bool {
	ids := map[v1.Hash]bool{}
	for _, add := range l.parts[len(l.draft.Base.Config.RootFS.DiffIDs):] {
		ids[add.diffID] = true
	}
	return ids
}

// keep puts the layers whose content is given into the launch cache. Nothing is saved from the
// daemon only for that.
func (l *loading) keep(ctx context.Context) error {
	var errs []error
	for _, p := range l.parts[len(l.draft.Base.Config.RootFS.DiffIDs):] {
		if p.layer != nil && !l.cache.has(p.diffID) {
			errs = append(errs, l.cache.put(ctx, p.diffID, p.layer.Uncompressed))
		}
	}
	return errors.Join(errs...)
}

// keepSaved puts the layers that had to be saved into the launch cache, so that they will not have
// to be again.
func (l *loading) keepSaved(ctx context.Context) error {
	var errs []error
	for id := range l.added() {
		if file, ok := l.saved[id]; ok && !l.cache.has(id) {
			errs = append(errs, l.cache.put(ctx, id, func() (io.ReadCloser, error) { return os.Open(file) }))
		}
	}
	return errors.Join(errs...)
}

func (l *loading) write(ctx context.Context, names []string) (*Written, error) {
	id := l.id
	if !l.there(ctx) {
		var err error
		if id, err = l.loaded(ctx, tagged(names[0])); err != nil {
			return nil, err
		}
	}
	written := &Written{ID: id}
	var errs []error
	for _, name := range names {
		if _, err := l.daemon.ImageTag(ctx, client.ImageTagOptions{Source: id.String(), Target: name}); err != nil {
			errs = append(errs, fmt.Errorf("naming image %s in the docker daemon: %w", id, err))
			continue
		}
		written.Names = append(written.Names, name)
	}
	if len(written.Names) == 0 {
		written = nil
	}
	return written, errors.Join(errs...)
}

// there says whether the daemon has the very image, as after a build in which nothing changed.
// In containerd's store it cannot be asked for by its configuration.
func (l *loading) there(ctx context.Context) bool {
	if l.containerd {
		return false
	}
	found, err := l.daemon.ImageInspect(ctx, l.id.String())
	return err == nil && found.ID == l.id.String()
}

// loaded is the ID of the image that is the daemon's now.
func (l *loading) loaded(ctx context.Context, name string) (v1.Hash, error) {
	base, all := l.known(l.draft.Base, l.draft.Under), l.known(l.draft.Base, l.draft.Under, l.draft.Previous)
	err := l.try(ctx, name, all)
	if err != nil && ctx.Err() == nil && (l.cache.heal(ctx, l.ids()) || all > base) {
		err = l.try(ctx, name, base) // the previous image is gone
	}
	if err != nil && ctx.Err() == nil && base > 0 {
		err = l.try(ctx, name, 0)
	}
	if err != nil {
		return v1.Hash{}, err
	}
	found, err := l.daemon.ImageInspect(ctx, name)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("inspecting %s in the docker daemon: %w", name, err)
	}
	if !l.containerd && found.ID != l.id.String() {
		return v1.Hash{}, fmt.Errorf("loading into the docker daemon: it made image %s of image %s", found.ID, l.id)
	}
	return v1.NewHash(found.ID)
}

func (l *loading) ids() []v1.Hash {
	ids := make([]v1.Hash, len(l.parts))
	for n, p := range l.parts {
		ids[n] = p.diffID
	}
	return ids
}

// known is how many of the lowest layers the daemon has, one on the other, in one of the images.
func (l *loading) known(images ...*Image) int {
	if l.containerd {
		return 0
	}
	most := 0
	ids := l.ids()
	for _, img := range images {
		if img == nil || img.Files == nil {
			continue
		}
		n := 0
		for n < min(len(ids), len(img.Config.RootFS.DiffIDs)) && ids[n] == img.Config.RootFS.DiffIDs[n] {
			n++
		}
		most = max(most, n)
	}
	return most
}

// try sends the image without the layers that are known.
func (l *loading) try(ctx context.Context, name string, known int) error {
	if err := l.save(ctx, known); err != nil {
		return err
	}
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := l.archive(ctx, w, name, known)
		w.CloseWithError(err)
		sent <- err
	}()
	err := l.send(ctx, r)
	_ = r.CloseWithError(errNotWanted) // the daemon may have answered before the end
	if sendErr := <-sent; sendErr != nil && !errors.Is(sendErr, errNotWanted) {
		return sendErr
	}
	return err
}

var errNotWanted = errors.New("the docker daemon stopped reading")

func (l *loading) send(ctx context.Context, r io.Reader) error {
	resp, err := l.daemon.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("loading into the docker daemon at %s: %w", l.daemon.DaemonHost(), err)
	}
	defer resp.Close()
	for dec := json.NewDecoder(resp); ; {
		var message struct {
			Error string `json:"error"`
		}
		err := dec.Decode(&message)
		if errors.Is(err, io.EOF) {
			return nil
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
		_ = os.RemoveAll(l.temp) // temporary
	}
}

// tagged adds the tag that docker takes for granted, which docker load does not.
func tagged(name string) string {
	if strings.Contains(name[strings.LastIndex(name, "/")+1:], ":") {
		return name
	}
	return name + ":latest"
}

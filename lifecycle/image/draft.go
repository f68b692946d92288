package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A Draft is an image to be written: a base and the layers that go on top of it.
type Draft struct {
	Base   *Image // required: its layers, and their history, come first
	Layers []Add  // on top of the base's, in order

	// Under is the image that Base was made from, where Base is a layout that has only the
	// blobs of its own layers (an extended run image). Blobs that Base has not are
	// taken from there. nil: none are missing, or whoever gets the image has them.
	Under *Image

	// Config is the configuration of the result: architecture, os, created, env and so on.
	// RootFS and History are filled in, from Base and Layers.
	Config v1.ConfigFile

	// Previous is where layers are taken from that Layers gives no content for; what is
	// stored there already is neither compressed nor sent again. nil: there is none.
	Previous *Image

	// NoHistory leaves the history without contents, as it is below Platform API 0.12. It has
	// an entry per layer all the same, since tools count them against the layers.
	NoHistory bool
}

// An Add is a layer of a [Draft].
type Add struct {
	DiffID  v1.Hash    // zero: asked of Layer
	Layer   v1.Layer   // nil: of Previous, or of the launch cache
	History v1.History // what the layer is and who made it
}

// Above is the layers above the one with that diff ID, the topmost such: what a rebase
// keeps. A [Draft] that has them, with the image as Previous, takes over their blobs.
func (i *Image) Above(top v1.Hash) ([]Add, error) {
	all := histories(i.Config)
	ids := i.Config.RootFS.DiffIDs
	for n := len(ids) - 1; n >= 0; n-- {
		if ids[n] != top {
			continue
		}
		var above []Add
		for m := n + 1; m < len(ids); m++ {
			above = append(above, Add{DiffID: ids[m], History: all[m]})
		}
		return above, nil
	}
	return nil, fmt.Errorf("finding the layers above the run image's: %s has no layer %s", i.Name, top)
}

// histories is an entry per layer. Entries of instructions that made no layer are left
// out; a history that does not fit the layers is as good as none.
func histories(cfg *v1.ConfigFile) []v1.History {
	var kept []v1.History
	for _, h := range cfg.History {
		if !h.EmptyLayer {
			kept = append(kept, h)
		}
	}
	if len(kept) != len(cfg.RootFS.DiffIDs) {
		return make([]v1.History, len(cfg.RootFS.DiffIDs))
	}
	return kept
}

// A part is a layer of the image to be, or of one that there is.
type part struct {
	diffID  v1.Hash
	history v1.History
	layer   v1.Layer       // nil: nobody is known to have its content
	desc    *v1.Descriptor // as the manifest it is from has it; nil: not in a manifest yet
}

// parts are the layers of an image. Those whose content it has not are without layer, as
// all of a daemon's image.
func (i *Image) parts() ([]part, error) {
	all := make([]part, len(i.Config.RootFS.DiffIDs))
	for n, h := range histories(i.Config) {
		all[n] = part{diffID: i.Config.RootFS.DiffIDs[n], history: h}
	}
	if i.Image == nil {
		return all, nil
	}
	manifest, err := i.Image.Manifest()
	if err != nil {
		return nil, fmt.Errorf("reading manifest of %s: %w", redact(i.Name.String()), err)
	}
	layers, err := i.Image.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading layers of %s: %w", redact(i.Name.String()), err)
	}
	if len(manifest.Layers) != len(all) || len(layers) != len(all) {
		return nil, fmt.Errorf("reading layers of %s: the manifest has %d, the configuration %d", redact(i.Name.String()), len(manifest.Layers), len(all))
	}
	for n := range all {
		all[n].desc = &manifest.Layers[n]
		if i.has == nil || i.has(all[n].desc.Digest) {
			all[n].layer = layers[n]
		}
	}
	return all, nil
}

// parts are the layers of the image to be. A layer that is both given and in Previous is
// taken from there if it is near to where it goes.
func (d *Draft) parts(near func(previous *Image) bool) ([]part, error) {
	all, err := d.Base.parts()
	if err != nil {
		return nil, err
	}
	under, err := d.Under.byDiffID()
	if err != nil {
		return nil, err
	}
	for n := range all {
		if p, ok := under[all[n].diffID]; ok { // whatever the base says of a layer that is not its own
			all[n].layer, all[n].desc = p.layer, p.desc
		}
	}
	previous, err := d.Previous.byDiffID()
	if err != nil {
		return nil, err
	}
	for _, add := range d.Layers {
		if add.DiffID == (v1.Hash{}) && add.Layer != nil {
			if add.DiffID, err = add.Layer.DiffID(); err != nil {
				return nil, fmt.Errorf("hashing layer: %w", err)
			}
		}
		p := part{diffID: add.DiffID, history: add.History, layer: add.Layer}
		if old, ok := previous[add.DiffID]; ok && (add.Layer == nil || near(d.Previous)) {
			p.layer, p.desc = old.layer, old.desc
		}
		all = append(all, p)
	}
	return all, nil
}

// byDiffID are the layers whose content the image has. It may be nil.
func (i *Image) byDiffID() (map[v1.Hash]part, error) {
	if i == nil {
		return nil, nil
	}
	all, err := i.parts()
	if err != nil {
		return nil, err
	}
	found := map[v1.Hash]part{}
	for _, p := range all {
		if p.layer != nil {
			found[p.diffID] = p
		}
	}
	return found, nil
}

// epoch is when a layer was made of which nobody says when, as that of all files in layers.
var epoch = time.Date(1980, time.January, 1, 0, 0, 1, 0, time.UTC)

// config is the configuration file of the image that has these layers.
func (d *Draft) config(parts []part) ([]byte, error) {
	cfg := d.Config
	cfg.RootFS = v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}}
	cfg.History = make([]v1.History, len(parts))
	for n, p := range parts {
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, p.diffID)
		if !d.NoHistory {
			cfg.History[n] = p.history
		}
		if cfg.History[n].Created.IsZero() {
			cfg.History[n].Created = v1.Time{Time: epoch} // else it would say the year 1
		}
	}
	raw, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("encoding configuration: %w", err)
	}
	return raw, nil
}

// An assembled image is what goes into a registry or a layout. It implements
// [partial.CompressedImageCore].
type assembled struct {
	manifest  []byte
	mediaType types.MediaType
	config    []byte
	layers    map[v1.Hash]v1.Layer
}

func (a *assembled) RawManifest() ([]byte, error)        { return a.manifest, nil }
func (a *assembled) RawConfigFile() ([]byte, error)      { return a.config, nil }
func (a *assembled) MediaType() (types.MediaType, error) { return a.mediaType, nil }
func (a *assembled) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	if l, ok := a.layers[h]; ok {
		return l, nil
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}

// assemble makes the manifest. All parts have their descriptors by now. The manifest is of
// the given kind, whatever kind the layers come from: their bytes are the same. Annotations
// of the base's manifest say things about the base, and are left out.
func assemble(kind types.MediaType, config []byte, parts []part) (v1.Image, error) {
	m := v1.Manifest{SchemaVersion: 2, MediaType: kind, Layers: []v1.Descriptor{}}
	hash, size, err := v1.SHA256(bytes.NewReader(config))
	if err != nil {
		return nil, err
	}
	m.Config = v1.Descriptor{MediaType: types.DockerConfigJSON, Size: size, Digest: hash}
	if kind == types.OCIManifestSchema1 {
		m.Config.MediaType = types.OCIConfigJSON
	}
	a := &assembled{mediaType: kind, config: config, layers: map[v1.Hash]v1.Layer{}}
	for _, p := range parts {
		desc := *p.desc
		desc.MediaType = layerType(desc.MediaType, kind)
		m.Layers = append(m.Layers, desc)
		if p.layer != nil {
			a.layers[desc.Digest] = p.layer
		}
	}
	if a.manifest, err = json.Marshal(m); err != nil {
		return nil, fmt.Errorf("encoding manifest: %w", err)
	}
	return partial.CompressedToImage(a)
}

// layerType is the name that a kind of layer has in a kind of manifest.
func layerType(layer, manifest types.MediaType) types.MediaType {
	for _, same := range [][2]types.MediaType{
		{types.DockerLayer, types.OCILayer},
		{types.DockerUncompressedLayer, types.OCIUncompressedLayer},
		{types.DockerForeignLayer, types.OCIRestrictedLayer},
	} {
		if layer == same[0] || layer == same[1] {
			if manifest == types.OCIManifestSchema1 {
				return same[1]
			}
			return same[0]
		}
	}
	return layer
}

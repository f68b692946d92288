package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/baseplan/baseplan/sbom/registry"
)

// A Draft describes an image to write: a base, and layers on top of it.
type Draft struct {
	Base   *Image // required: its layers and their history come first
	Layers []Add  // on top of the base's, in order

	// Under is the image that Base was built from, if Base is a layout that contains only the
	// blobs of its own layers (an extended run image). Blobs missing in Base are taken from
	// Under. nil: none are missing, or the destination has them.
	Under *Image

	// Config is the configuration of the result: architecture, os, created, env and so on.
	// RootFS and History are set from Base and Layers.
	Config v1.ConfigFile

	// Previous provides layers without content in Layers. Layers already stored there are
	// neither compressed nor sent again. nil: none.
	Previous *Image

	// NoHistory leaves history entries empty, as in Platform API < 0.12. There is still an
	// entry per layer, since tools match entries to layers.
	NoHistory bool
}

// An Add is a layer of a [Draft].
type Add struct {
	DiffID  v1.Hash    // zero: from Layer
	Layer   v1.Layer   // nil: from Previous or the launch cache
	History v1.History // how the layer was created, and by whom
}

// Above returns the layers above the topmost one with the given diff ID, which are the ones
// that a rebase keeps. A [Draft] with these layers, and the image as Previous, reuses their
// blobs.
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

// histories returns an entry per layer, without the entries of instructions that created no
// layer. If the history does not match the layers, the entries are empty.
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

// A part is a layer of an image, existing or to be written.
type part struct {
	diffID  v1.Hash
	history v1.History
	layer   v1.Layer       // nil: no known source of its content
	desc    *v1.Descriptor // from the manifest of its image; nil: not in a manifest yet
}

// parts returns the layers of an image. Layers whose content the image lacks have no layer; in
// a daemon's image, that is all of them.
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
		return nil, fmt.Errorf("reading manifest of %s: %w", registry.Redact(i.Name.String()), err)
	}
	layers, err := i.Image.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading layers of %s: %w", registry.Redact(i.Name.String()), err)
	}
	if len(manifest.Layers) != len(all) || len(layers) != len(all) {
		return nil, fmt.Errorf("reading layers of %s: the manifest has %d, the configuration %d", registry.Redact(i.Name.String()), len(manifest.Layers), len(all))
	}
	for n := range all {
		all[n].desc = &manifest.Layers[n]
		if i.has == nil || i.has(all[n].desc.Digest) {
			all[n].layer = layers[n]
		}
	}
	return all, nil
}

// parts returns the layers of the image to write. A layer that is both given and in Previous is
// taken from Previous if that is near the destination.
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
		if p, ok := under[all[n].diffID]; ok { // whatever the base says about a layer that is not its own
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

// byDiffID returns the layers whose content the image has. The image may be nil.
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

// epoch is the creation time of layers without one, the same as that of all files in layers.
var epoch = time.Date(1980, time.January, 1, 0, 0, 1, 0, time.UTC)

// config returns the configuration file of an image with these layers.
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
			cfg.History[n].Created = v1.Time{Time: epoch} // the zero time is the year 1
		}
	}
	raw, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("encoding configuration: %w", err)
	}
	return raw, nil
}

// An assembled image is written to a registry or a layout. It implements
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

// assemble builds the image and its manifest. All parts must have descriptors. Layers get the
// media types of the manifest's kind, since their bytes are the same in both. Annotations of
// the base's manifest describe the base and are dropped.
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

// layerType returns a layer's media type for a kind of manifest.
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

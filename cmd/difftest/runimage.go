//go:build linux

package main

import (
	"embed"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// Recorded observations have the digests of the run images, so these are kept byte for byte.
//
//go:embed runimage
var runImages embed.FS

// pushRunImages pushes the two run images.
func (r *Runner) pushRunImages(registry *lifecycletest.Host) error {
	for no, ref := range map[string]*string{"1": &r.Run1, "2": &r.Run2} {
		core := &runImage{}
		var err error
		for name, into := range map[string]*[]byte{"manifest.json": &core.manifest, "config.json": &core.config, "layer.tar.gz": &core.layer} {
			if *into, err = runImages.ReadFile(path.Join("runimage", no+"."+name)); err != nil {
				return err
			}
		}
		img, err := partial.CompressedToImage(core)
		if err != nil {
			return err
		}
		*ref = registry.Push("x/run:"+no, img)
	}
	return nil
}

// A runImage is an image of one layer. It implements [partial.CompressedImageCore].
type runImage struct{ manifest, config, layer []byte }

func (i *runImage) RawManifest() ([]byte, error)        { return i.manifest, nil }
func (i *runImage) RawConfigFile() ([]byte, error)      { return i.config, nil }
func (i *runImage) MediaType() (types.MediaType, error) { return types.DockerManifestSchema2, nil }
func (i *runImage) LayerByDigest(v1.Hash) (partial.CompressedLayer, error) {
	return static.NewLayer(i.layer, types.DockerLayer), nil
}

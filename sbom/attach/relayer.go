package attach

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layerTime is the modification time of files in buildpack tools' layers. It is constant so
// that the same files give the same layer.
var layerTime = time.Date(1980, time.January, 1, 0, 0, 1, 0, time.UTC)

const layerHistory = "baseplan sbom attach"

// layers pushes the image or index with the SBOM as the last layer of each image.
func (a *Attacher) layers(ctx context.Context, ref name.Reference, r *resolved, plans []*plan, o Options) ([]Attached, error) {
	images := map[v1.Hash]v1.Image{}
	var all []Attached
	for _, p := range plans {
		image, err := p.relayer()
		if err != nil {
			return nil, fmt.Errorf("attaching to %s: %w", p.target.Ref, err)
		}
		images[p.target.Digest] = image
		digest, err := image.Digest()
		if err != nil {
			return nil, fmt.Errorf("attaching to %s: %w", p.target.Ref, err)
		}
		all = append(all, p.attached("image", "", ref.Context().Digest(digest.String()).Name(), digest, digest != p.target.Digest))
	}
	var next remote.Taggable = images[r.desc.Digest]
	if r.index != nil {
		index, err := reindex(r.index, images)
		if err != nil {
			return nil, fmt.Errorf("attaching to %s: %w", ref, err)
		}
		next = index
	}
	if err := a.pushImage(ctx, ref, next, r.desc.Digest, o.Tag); err != nil {
		return nil, err
	}
	return all, nil
}

// pushImage pushes to the requested tag, or the tag of the reference, or by digest.
func (a *Attacher) pushImage(ctx context.Context, ref name.Reference, next remote.Taggable, old v1.Hash, tag name.Tag) error {
	raw, err := next.RawManifest()
	if err != nil {
		return fmt.Errorf("creating the new image: %w", err)
	}
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("creating the new image: %w", err)
	}
	var to name.Reference = ref.Context().Digest(digest.String())
	if t, ok := ref.(name.Tag); ok {
		to = t
	}
	other := tag != (name.Tag{}) && tag != to
	if tag != (name.Tag{}) {
		to = tag
	}
	if digest == old && !other {
		return nil
	}
	if err := remote.Push(to, next, a.Registry.Options(ctx, to.Context())...); err != nil {
		return fmt.Errorf("pushing %s: %w", to, a.Registry.Refused(to.Context(), err))
	}
	return nil
}

// relayer returns the image with the documents in its last layer, which replaces an existing
// SBOM layer, and with the labels.
func (p *plan) relayer() (v1.Image, error) {
	base, err := withoutSBOMLayer(p.target.Image)
	if err != nil {
		return nil, err
	}
	if len(p.documents) == 0 {
		if base != p.target.Image {
			base = p.target.Image // keeps its SBOM
		}
		return p.relabel(base, "")
	}
	layer, err := p.layer(base)
	if err != nil {
		return nil, err
	}
	id, err := layer.DiffID()
	if err != nil {
		return nil, err
	}
	media, err := layer.MediaType()
	if err != nil {
		return nil, err
	}
	image, err := mutate.Append(base, mutate.Addendum{
		Layer: layer, MediaType: media,
		History: v1.History{CreatedBy: layerHistory, Created: v1.Time{Time: layerTime}},
	})
	if err != nil {
		return nil, fmt.Errorf("appending the SBOM layer: %w", err)
	}
	return p.relabel(image, id.String())
}

func (p *plan) relabel(image v1.Image, diffID string) (v1.Image, error) {
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	if config.Config.Labels == nil {
		config.Config.Labels = map[string]string{}
	}
	if diffID != "" {
		config.Config.Labels[SBOMLabel] = diffID
	}
	if p.provides != nil {
		var compact bytes.Buffer
		if err := json.Compact(&compact, p.provides); err != nil {
			return nil, fmt.Errorf("encoding the provides declaration: %w", err)
		}
		config.Config.Labels[ProvidesLabel] = compact.String()
	}
	return mutate.ConfigFile(image, config)
}

// layer returns a layer with the documents. It is deterministic.
func (p *plan) layer(base v1.Image) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var errs []error
	for _, dir := range []string{"cnb/", layerDir + "/"} {
		errs = append(errs, w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: layerTime, Format: tar.FormatUSTAR}))
	}
	for _, d := range p.documents {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: layerDir + "/bom." + d.format.Ext(), Size: int64(len(d.data)), Mode: 0o644, ModTime: layerTime, Format: tar.FormatUSTAR}
		errs = append(errs, w.WriteHeader(h))
		_, err := w.Write(d.data)
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, w.Close())...); err != nil {
		return nil, fmt.Errorf("writing the SBOM layer: %w", err)
	}
	media := types.DockerLayer
	if t, err := base.MediaType(); err == nil && t == types.OCIManifestSchema1 {
		media = types.OCILayer
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }, tarball.WithMediaType(media))
}

// withoutSBOMLayer returns the image without its last layer if the label names that layer,
// else the image.
func withoutSBOMLayer(image v1.Image) (v1.Image, error) {
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	id, err := v1.NewHash(config.Config.Labels[SBOMLabel])
	if err != nil || len(config.RootFS.DiffIDs) == 0 || staleLayer(id, config.RootFS.DiffIDs) != "" {
		return image, nil // without a valid label there is no such layer
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, manifest.MediaType), manifest.Config.MediaType)
	var adds []mutate.Addendum
	for i, l := range layers[:len(layers)-1] {
		d := manifest.Layers[i]
		adds = append(adds, mutate.Addendum{Layer: l, MediaType: d.MediaType, Annotations: d.Annotations, URLs: d.URLs})
	}
	if base, err = mutate.Append(base, adds...); err != nil {
		return nil, fmt.Errorf("removing the SBOM layer: %w", err)
	}
	config = config.DeepCopy()
	config.RootFS.DiffIDs = config.RootFS.DiffIDs[:len(layers)-1]
	for i := range slices.Backward(config.History) {
		if !config.History[i].EmptyLayer {
			config.History = slices.Delete(config.History, i, i+1)
			break
		}
	}
	if base, err = mutate.ConfigFile(base, config); err != nil {
		return nil, fmt.Errorf("removing the SBOM layer: %w", err)
	}
	if len(manifest.Annotations) > 0 {
		base = mutate.Annotations(base, manifest.Annotations).(v1.Image)
	}
	return base, nil
}

// reindex returns the index with images replaced. It drops their BuildKit attestations, which
// name the old digests.
func reindex(index v1.ImageIndex, images map[v1.Hash]v1.Image) (v1.ImageIndex, error) {
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	next := mutate.IndexMediaType(empty.Index, m.MediaType)
	changed := func(digest string) bool {
		image, ok := images[hash(digest)]
		if !ok {
			return false
		}
		now, err := image.Digest()
		return err == nil && now.String() != digest
	}
	for _, d := range m.Manifests {
		if changed(d.Annotations[annotationReferenceDigest]) {
			continue
		}
		add := mutate.IndexAddendum{Descriptor: v1.Descriptor{MediaType: d.MediaType, Platform: d.Platform, Annotations: d.Annotations, URLs: d.URLs, ArtifactType: d.ArtifactType}}
		image, ours := images[d.Digest]
		switch {
		case ours:
			add.Add = image
		case d.MediaType.IsIndex():
			add.Add, err = index.ImageIndex(d.Digest)
		default:
			add.Add, err = index.Image(d.Digest)
		}
		if err != nil {
			return nil, err
		}
		next = mutate.AppendManifests(next, add)
	}
	if len(m.Annotations) > 0 {
		next = mutate.Annotations(next, m.Annotations).(v1.ImageIndex)
	}
	return next, nil
}

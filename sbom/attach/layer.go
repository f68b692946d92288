package attach

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom"
)

// Labels of a base image (buildpacks/spec, "Base Images"; provides is baseplan's).
const (
	SBOMLabel     = "io.buildpacks.base.sbom"
	ProvidesLabel = "io.buildpacks.base.provides"
)

const (
	layerDir      = "cnb/sbom"
	maxTarEntries = 10_000
)

// layer reads the layer that the image's label names.
func (r *search) layer(ctx context.Context) []Finding {
	f := Finding{Carrier: Layer, Result: None, Subject: r.Digest, Reference: "label " + SBOMLabel}
	a := artifact{Finding: f}
	config, err := r.config()
	if err != nil {
		return []Finding{a.failed(ctx, err)}
	}
	if config == nil {
		return []Finding{a.with(None, "the image's configuration is unknown")}
	}
	label := config.Config.Labels[SBOMLabel]
	if label == "" {
		return []Finding{f}
	}
	if a.Digest, err = v1.NewHash(label); err != nil {
		return []Finding{a.with(Unreadable, fmt.Sprintf("label %s is %q, not the DiffID of a layer", SBOMLabel, clip(label)))}
	}
	if stale := staleLayer(a.Digest, config.RootFS.DiffIDs); stale != "" {
		return []Finding{a.with(Stale, stale)}
	}
	if r.trust.restricted() {
		return []Finding{a.with(Unsigned, "a layer carries no signature of its own")}
	}
	files, err := r.layerFiles(ctx, a.Digest)
	if err != nil {
		return []Finding{a.failed(ctx, err)}
	}
	var all []Finding
	for _, file := range files {
		g := a.Finding
		g.Reference = "/" + layerDir + "/" + file.name
		all = append(all, r.evaluate(ctx, g, file.data))
		if isFound(all[len(all)-1]) && !r.all && r.Archive == nil {
			break
		}
	}
	if r.Archive != nil {
		rejectMixed(all)
	}
	if len(all) == 0 {
		all = append(all, a.with(Unreadable, "the layer has no /cnb/sbom/*.{cdx,spdx,syft}.json"))
	}
	return all
}

// rejectMixed rejects SBOMs that a daemon returns from one directory and that do not agree. The
// directory merges all layers, so one SBOM may be left from the SBOM layer of a parent image.
func rejectMixed(all []Finding) {
	agree := !slices.ContainsFunc(all, func(f Finding) bool {
		if !isFound(f) {
			return true
		}
		a, b := Differ(all[0].Document, f.Document)
		return len(a)+len(b) > 0
	})
	if agree {
		return
	}
	for i, f := range all {
		if isFound(f) {
			all[i].Result, all[i].Document, all[i].SBOM = Stale, nil, nil
			all[i].Detail = fmt.Sprintf("the daemon has %d SBOMs in /%s that disagree; some may be from an earlier layer", len(all), layerDir)
		}
	}
}

// config returns the image's configuration, or nil if unknown.
func (r *search) config() (*v1.ConfigFile, error) {
	if r.Config != nil || r.Image == nil {
		return r.Config, nil
	}
	return r.Image.ConfigFile()
}

// staleLayer returns why the layer does not describe the current image, or "".
func staleLayer(id v1.Hash, diffIDs []v1.Hash) string {
	switch after := len(diffIDs) - 1 - slices.Index(diffIDs, id); {
	case after == len(diffIDs):
		return fmt.Sprintf("layer %s is not a layer of the image", id)
	case after == 1:
		return fmt.Sprintf("layer %s is followed by another", id)
	case after > 1:
		return fmt.Sprintf("layer %s is followed by %d others", id, after)
	}
	return ""
}

// layerFiles reads the SBOMs in the layer. Opening and reading may block on the registry
// regardless of ctx, so they are abandoned when it ends.
func (r *search) layerFiles(ctx context.Context, id v1.Hash) ([]layerFile, error) {
	type outcome struct {
		files []layerFile
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		stream, err := r.openLayer(ctx, id)
		if err != nil {
			done <- outcome{err: err}
			return
		}
		stop := context.AfterFunc(ctx, func() { stream.Close() })
		defer func() {
			if stop() {
				stream.Close()
			}
		}()
		dir := layerDir
		if r.Archive != nil {
			dir = path.Base(layerDir)
		}
		files, err := readLayer(stream, dir, r.limits.SBOM)
		done <- outcome{files, err}
	}()
	select {
	case o := <-done:
		return o.files, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (r *search) openLayer(ctx context.Context, id v1.Hash) (io.ReadCloser, error) {
	if r.Archive != nil {
		stream, err := r.Archive(ctx, "/"+layerDir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, unreadable("the image has no /%s", layerDir)
		}
		return stream, err
	}
	if r.Image == nil {
		return nil, unreadable("the image's layers are not available")
	}
	layer, err := r.Image.LayerByDiffID(id)
	if err != nil {
		return nil, err
	}
	size, err := layer.Size()
	if err != nil {
		return nil, err
	}
	if size > r.limits.SBOM {
		return nil, tooLarge("layer", size, r.limits.SBOM)
	}
	return layer.Uncompressed()
}

type layerFile struct {
	name   string
	format sbom.Format
	data   []byte
}

// readLayer reads the SBOMs in dir from a tar stream, best format first. It reads at most
// twice the limit, since an image may have its SBOM in two formats.
func readLayer(r io.Reader, dir string, limit int64) ([]layerFile, error) {
	bounded := &io.LimitedReader{R: r, N: 2*limit + 1}
	in := tar.NewReader(bounded)
	var files []layerFile
	for range maxTarEntries {
		header, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			slices.SortStableFunc(files, func(a, b layerFile) int { return Rank(a.format) - Rank(b.format) })
			return files, nil
		case err != nil && bounded.N <= 0:
			return nil, unreadable("the layer holds more than %s", bytesOf(2*limit))
		case err != nil:
			return nil, unreadable("reading the layer: %w", err)
		}
		name, f := layerSBOM(header.Name, dir)
		if f == "" || header.Typeflag != tar.TypeReg {
			continue
		}
		if header.Size > limit {
			return nil, unreadable("/%s/%s: %w", layerDir, name, tooLarge("file", header.Size, limit))
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, unreadable("reading /%s/%s: %w", layerDir, name, err)
		}
		files = append(files, layerFile{name, f, data})
	}
	return nil, unreadable("the layer has more than %d entries", maxTarEntries)
}

// layerSBOM returns the format of a path in the stream, or "".
func layerSBOM(name, dir string) (base string, f sbom.Format) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if path.Dir(name) != dir {
		return "", ""
	}
	for _, f := range []sbom.Format{sbom.Syft, sbom.CycloneDX, sbom.SPDX} {
		if strings.HasSuffix(name, "."+f.Ext()) {
			return path.Base(name), f
		}
	}
	return "", ""
}

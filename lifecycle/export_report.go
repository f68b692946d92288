package lifecycle

import (
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// report is report.toml.
func (x *export) report(w *image.Written) (*platform.Report, error) {
	r := &platform.Report{Image: platform.ReportImage{Tags: x.tags(w), ManifestSize: w.ManifestSize}}
	if w.Digest.Hex == "" {
		r.Image.ImageID = w.ID.String()
	} else {
		r.Image.Digest = w.Digest.String()
	}
	if x.Resolution != nil {
		r.RunImage = &platform.ReportRunImage{Inventory: x.Resolution.RunImage.Inventory, SkippedExtensions: skipped(x.Resolution.Verdicts)}
	}
	if api.LegacyBOM.In(x.API) {
		bom, err := x.buildBOM()
		if err != nil {
			return nil, err
		}
		if len(bom) > 0 {
			r.Build = &platform.ReportBuild{BOM: bom}
		}
	}
	return r, nil
}

// tags are the names that are the image's now.
func (x *export) tags(w *image.Written) []string {
	var tags []string
	for n, place := range x.places {
		if slices.Contains(w.Names, place) {
			tags = append(tags, x.names[n])
		}
	}
	return tags
}

// buildBOM is the build's Bill-of-Materials: handed over by a builder in this process, else read from the
// files of the buildpacks.
func (x *export) buildBOM() ([]platform.BOMEntry, error) {
	if x.Build.BuildBOM != nil {
		return x.Build.BuildBOM, nil
	}
	var all []platform.BOMEntry
	for _, c := range x.buildpacks {
		entries, err := c.dir.BuildBOM(c.Version)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

// skipped are the extensions whose run.Dockerfile was left out since the run image has all it was for.
func skipped(verdicts []platform.Verdict) []string {
	var all []string
	for _, v := range verdicts {
		spared := v.Verdict == string(extensions.Satisfied) || v.Verdict == string(extensions.NoEffect)
		if v.Image == string(extensions.Run) && spared && !slices.Contains(all, v.Extension) {
			all = append(all, v.Extension)
		}
	}
	return all
}

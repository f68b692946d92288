package lifecycle

import (
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// report returns report.toml.
func (x *export) report(w *image.Written) (*platform.Report, error) {
	r := &platform.Report{Image: platform.ReportImage{Tags: x.tags(w), ManifestSize: w.ManifestSize}}
	if w.Digest.Hex == "" {
		r.Image.ImageID = w.ID.String()
	} else {
		r.Image.Digest = w.Digest.String()
	}
	if x.tookPart() {
		r.RunImage = &platform.ReportRunImage{Inventory: x.Resolution.RunImage.Inventory, SkippedExtensions: skipped(x.Resolution.Verdicts)}
	}
	if bom := x.buildBOM; api.LegacyBOM.In(x.API) && len(bom) > 0 {
		r.Build = &platform.ReportBuild{BOM: bom}
	}
	return r, nil
}

// tookPart reports whether the run image's inventory or extensions influenced this
// build. If not, report.toml has only what the specification defines.
func (x *export) tookPart() bool {
	return x.Resolution != nil && (len(x.Resolution.Verdicts) > 0 || x.Resolution.RunImage.Inventory != "unknown")
}

// tags returns the tags of the written image.
func (x *export) tags(w *image.Written) []string {
	var tags []string
	for n, place := range x.places {
		if slices.Contains(w.Names, place) {
			tags = append(tags, x.names[n].String())
		}
	}
	return tags
}

// skipped returns the extensions whose run.Dockerfile was skipped because the run image already has everything.
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

package lifecycle

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// legacySBOM is the file with the Bill-of-Materials that older buildpacks list in launch.toml
// and build.toml (platform.md, "exporter").
const legacySBOM = "sbom.legacy.json"

// collectBOM collects the entries of buildpacks before Buildpack API 0.9. A builder in this process
// passes them on; otherwise they are read from the buildpacks' files, since metadata.toml does not have them.
func (x *export) collectBOM() error {
	x.launchBOM, x.buildBOM = x.Build.BOM, x.Build.BuildBOM
	for _, c := range x.buildpacks {
		v, err := api.Parse(c.API)
		if err != nil || !api.BOM.In(v) {
			continue
		}
		launch, build, err := c.dir.BOM(c.Version)
		if err != nil {
			return err
		}
		if x.Build.BOM == nil {
			x.launchBOM = append(x.launchBOM, launch...)
		}
		if x.Build.BuildBOM == nil {
			x.buildBOM = append(x.buildBOM, build...)
		}
	}
	return nil
}

// labelBOM returns the Bill-of-Materials for the label io.buildpacks.build.metadata, or nil if the
// Platform API has none.
func (x *export) labelBOM() *[]platform.BOMEntry {
	if !api.LegacyBOM.In(x.API) {
		return nil
	}
	return &x.launchBOM
}

// legacySBOMs writes sbom.legacy.json for launch and build. An empty list is written as null, as
// other lifecycles do: a layer is reused only if it is identical.
func (x *export) legacySBOMs() error {
	for folder, bom := range map[string][]platform.BOMEntry{launchSBOMs: x.launchBOM, buildSBOMs: x.buildBOM} {
		var b bytes.Buffer
		if err := json.NewEncoder(&b).Encode(bom); err != nil {
			return fmt.Errorf("encoding %s: %w", legacySBOM, err)
		}
		if err := x.writeSBOM(b.Bytes(), legacySBOM, folder); err != nil {
			return fmt.Errorf("writing %s: %w", legacySBOM, err)
		}
	}
	return nil
}

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// left reads the outcome of a build from its layers directory, or from a resolution.toml alone. In the directory, all
// other files may be missing, since not every phase of every platform keeps them.
func (c *Console) left(path string) (*outcome, error) {
	if path == stdin {
		data, err := c.readFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading --from: %w", err)
		}
		return alone(platform.DecodeResolution(data, calledStdin))
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading --from: %w", err)
	case info.IsDir():
		return c.leftIn(path)
	}
	return alone(platform.ReadFile(path, platform.DecodeResolution))
}

// alone returns the outcome that a resolution.toml records.
func alone(record *platform.Resolution, err error) (*outcome, error) {
	if err != nil {
		return nil, err
	}
	return &outcome{record: *record, inventory: record.RunImage.Inventory}, nil
}

func (c *Console) leftIn(layers string) (*outcome, error) {
	record, err := platform.ReadFileIn(layers, filepath.Join(layers, "resolution.toml"), platform.DecodeResolution)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &hinted{err, "baseplan's detector and creator write it into the layers directory, unless CNB_RUN_SBOM is off"}
	}
	if err != nil {
		return nil, err
	}
	o := &outcome{record: *record, inventory: record.RunImage.Inventory}
	group, err := optional(layers, "group.toml", platform.DecodeGroup)
	if err != nil {
		return nil, err
	}
	o.group = group.ExtensionModules()
	for _, m := range group.Buildpacks {
		o.group = append(o.group, m.Resolver(resolver.Buildpack))
	}
	plan, err := optional(layers, "plan.toml", platform.DecodePlan)
	if err != nil {
		return nil, err
	}
	o.plan = plan.Entries
	if err := o.analyzed(layers); err != nil {
		return nil, err
	}
	o.readDockerfiles(layers)
	return o, c.sourceOf(o, layers)
}

// readDockerfiles reads the instructions of the Dockerfiles that are still in the layers directory.
func (o *outcome) readDockerfiles(layers string) {
	o.dockerfiles = map[string][]extensions.Instruction{}
	for _, v := range o.record.Verdicts {
		path := filepath.FromSlash(v.Dockerfile)
		if !filepath.IsLocal(path) {
			continue // a resolution.toml of somebody else does not decide what is read
		}
		data, err := files.ReadWithin(layers, filepath.Join(layers, path))
		if err != nil {
			continue
		}
		if d, err := extensions.Parse(v.Dockerfile, data, extensions.ImageKind(v.Image)); err == nil {
			o.dockerfiles[v.Dockerfile] = d.Instructions()
		}
	}
}

// optional reads a file of the layers directory, or returns an empty value if it is missing.
func optional[T any](layers, name string, decode func([]byte, string) (*T, error)) (*T, error) {
	v, err := platform.ReadFileIn(layers, filepath.Join(layers, name), decode)
	if errors.Is(err, fs.ErrNotExist) {
		return new(T), nil
	}
	return v, err
}

// analyzed reads the final state for the platform: a phase after the one that wrote resolution.toml may have turned
// the extender off.
func (o *outcome) analyzed(layers string) error {
	a, err := optional(layers, "analyzed.toml", platform.DecodeAnalyzed)
	if err != nil || a.RunImage == nil {
		return err
	}
	o.record.Result.ExtendRun = o.record.Result.ExtendRun && a.RunImage.Extend
	return nil
}

// sourceOf reads the source of the run image's inventory.
func (c *Console) sourceOf(o *outcome, layers string) error {
	path := filepath.Join(layers, "run-image.toml")
	data, err := files.ReadWithin(layers, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	report, err := platform.DecodeRunImageReport(data, path)
	if err != nil {
		return err
	}
	if report.Digest != o.record.RunImage.Digest {
		c.warn("ignoring %s: it describes another image than resolution.toml", path)
		return nil
	}
	o.source, o.searched = report.SBOM, report.Searched
	if s := report.SBOM; s != nil {
		words := []string{string(s.Carrier), string(s.Format)}
		if s.Reference != "" {
			words = append(words, "from "+s.Reference)
		}
		o.inventory = strings.Join(words, ", ")
	}
	return nil
}

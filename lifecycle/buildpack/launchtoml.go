package buildpack

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/launch"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
)

// A launchFile is launch.toml (buildpack.md, "launch.toml").
type launchFile struct {
	Processes []launchProcess  `toml:"processes"`
	Slices    []platform.Slice `toml:"slices"`
	Labels    []platform.Label `toml:"labels"`
	BOM       []bomFile        `toml:"bom"`
}

type launchProcess struct {
	Type       string         `toml:"type"`
	Command    launch.Command `toml:"command"` // a string before Buildpack API 0.9
	Args       []string       `toml:"args"`
	Direct     bool           `toml:"direct"` // before Buildpack API 0.9
	Default    bool           `toml:"default"`
	WorkingDir string         `toml:"working-dir"`
	ExecEnv    []string       `toml:"exec-env"`
}

type bomFile struct {
	Name     string         `toml:"name"`
	Metadata map[string]any `toml:"metadata"`
}

var processType = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

func (d *Descriptor) readLaunch(h Host, dir LayersDir, b *Built) error {
	path := filepath.Join(dir.Path, "launch.toml")
	var file launchFile
	err := dir.readTOML("launch.toml", &file, h.Unknown)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for i, p := range file.Processes {
		if err := checkProcess(p, file.Processes[:i], b.Default); err != nil {
			return fmt.Errorf("reading %s: key \"processes\", element %d: %w", path, i+1, err)
		}
		if p.Default {
			b.Default = p.Type
		}
		b.Processes = append(b.Processes, d.process(p))
	}
	for i, l := range file.Labels {
		if l.Key == "" || slices.ContainsFunc(file.Labels[:i], func(other platform.Label) bool { return other.Key == l.Key }) {
			return fmt.Errorf("reading %s: key \"labels\", element %d: the label's key %q is empty or there twice", path, i+1, l.Key)
		}
	}
	b.Slices, b.Labels = file.Slices, file.Labels
	b.BOM = d.bom(file.BOM)
	return nil
}

func checkProcess(p launchProcess, before []launchProcess, defaultType string) error {
	switch {
	case !processType.MatchString(p.Type) || p.Type == "." || p.Type == "..":
		return fmt.Errorf("key \"type\": %q: only letters, numbers, '.', '_' and '-' are allowed", p.Type)
	case len(p.Command) == 0 || p.Command[0] == "":
		return fmt.Errorf("process %q: key \"command\" is missing", p.Type)
	case slices.ContainsFunc(before, func(other launchProcess) bool { return other.Type == p.Type }):
		return fmt.Errorf("process %q is there twice", p.Type)
	case p.Default && defaultType != "":
		return fmt.Errorf("both %q and %q are to be the default process", defaultType, p.Type)
	}
	return nil
}

// process is a process as metadata.toml has it. From Buildpack API 0.9 no process has a shell.
func (d *Descriptor) process(p launchProcess) launch.Process {
	out := launch.Process{
		Type: p.Type, Command: p.Command, Args: p.Args, Direct: p.Direct, WorkingDir: p.WorkingDir, BuildpackID: d.ID,
	}
	if api.DefaultArgs.In(d.API) {
		out.Direct = true
	}
	if api.LaunchExecEnv.In(d.API) {
		out.ExecEnv = p.ExecEnv
	}
	return out
}

func (d *Descriptor) bom(entries []bomFile) []platform.BOMEntry {
	var all []platform.BOMEntry
	for _, e := range entries {
		all = append(all, platform.BOMEntry{Name: e.Name, Metadata: e.Metadata, Buildpack: platform.BOMBuildpack{ID: d.ID, Version: d.Version}})
	}
	return all
}

// readBuild reads build.toml (buildpack.md, "build.toml").
func (d *Descriptor) readBuild(h Host, dir LayersDir, plan []resolver.Require, b *Built) error {
	path := filepath.Join(dir.Path, "build.toml")
	var file struct {
		Unmet []struct {
			Name string `toml:"name"`
		} `toml:"unmet"`
		BOM []bomFile `toml:"bom"`
	}
	err := dir.readTOML("build.toml", &file, h.Unknown)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for i, u := range file.Unmet {
		if !slices.ContainsFunc(plan, func(r resolver.Require) bool { return r.Name == u.Name }) {
			return fmt.Errorf("reading %s: key \"unmet\", element %d: nothing by the name %q was asked of %s", path, i+1, u.Name, d.Module())
		}
		b.Unmet = append(b.Unmet, u.Name)
	}
	b.BuildBOM = d.bom(file.BOM)
	return nil
}

// BuildBOM is the Bill-of-Materials of build.toml, which metadata.toml has no room for.
func (d LayersDir) BuildBOM(version string) ([]platform.BOMEntry, error) {
	var file struct {
		BOM []bomFile `toml:"bom"`
	}
	err := d.readTOML("build.toml", &file, nil)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return (&Descriptor{ID: d.ID, Version: version}).bom(file.BOM), nil
}

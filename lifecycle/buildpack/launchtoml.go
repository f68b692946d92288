package buildpack

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

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
	Type       string   `toml:"type"`
	Command    command  `toml:"command"`
	Args       []string `toml:"args"`
	Direct     *bool    `toml:"direct"` // before Buildpack API 0.9
	Default    bool     `toml:"default"`
	WorkingDir string   `toml:"working-dir"`
	ExecEnv    []string `toml:"exec-env"`
}

// A command is a string before Buildpack API 0.9, and a list from then on.
type command struct {
	launch.Command
	list bool
}

// UnmarshalTOML decodes either form.
func (c *command) UnmarshalTOML(v any) error {
	_, c.list = v.([]any)
	return c.Command.UnmarshalTOML(v)
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
		if err := d.checkProcess(p, b.Default); err != nil {
			return fmt.Errorf("reading %s: key \"processes\", element %d: %w", path, i+1, err)
		}
		if !processType.MatchString(p.Type) {
			h.warn("%s: process type %q: only letters, numbers, '.', '_' and '-' are allowed", path, p.Type)
		}
		same := func(other launch.Process) bool { return other.Type == p.Type }
		if slices.ContainsFunc(b.Processes, same) {
			h.warn("%s: process %q is defined twice; using the last definition", path, p.Type)
			b.Processes = slices.DeleteFunc(b.Processes, same)
		}
		if p.Default {
			b.Default = p.Type
		}
		b.Processes = append(b.Processes, d.process(p))
	}
	for i, l := range file.Labels {
		if l.Key == "" {
			return fmt.Errorf("reading %s: key \"labels\", element %d: key \"key\" is missing", path, i+1)
		}
		same := func(other platform.Label) bool { return other.Key == l.Key }
		if slices.ContainsFunc(b.Labels, same) {
			h.warn("%s: label %q is defined twice; using the last definition", path, l.Key)
			b.Labels = slices.DeleteFunc(b.Labels, same)
		}
		b.Labels = append(b.Labels, l)
	}
	b.Slices = file.Slices
	if api.BOM.In(d.API) {
		b.BOM = d.bom(file.BOM)
	}
	return nil
}

// checkProcess returns an error for a process that cannot be started as the buildpack intends.
func (d *Descriptor) checkProcess(p launchProcess, defaultType string) error {
	list := api.DefaultArgs.In(d.API)
	switch {
	case p.Type == "" || p.Type == "." || p.Type == ".." || strings.ContainsAny(p.Type, "/\x00\n"):
		return fmt.Errorf("key \"type\": invalid process type %q: only letters, numbers, '.', '_' and '-' are allowed", p.Type)
	case len(p.Command.Command) == 0 || p.Command.Command[0] == "":
		return fmt.Errorf("process %q: key \"command\" is missing", p.Type)
	case list && !p.Command.list:
		return fmt.Errorf("process %q: key \"command\" must be a list of strings in Buildpack API %s", p.Type, d.API)
	case !list && p.Command.list:
		return fmt.Errorf("process %q: key \"command\" must be a string in Buildpack API %s", p.Type, d.API)
	case list && p.Direct != nil && !*p.Direct:
		return fmt.Errorf("process %q: key \"direct\": false is not supported in Buildpack API %s: processes no longer run in a shell; start one with command = [\"bash\", \"-c\", ...]", p.Type, d.API)
	case p.Default && defaultType != "" && defaultType != p.Type:
		return fmt.Errorf("both %q and %q are marked as the default process", defaultType, p.Type)
	}
	return nil
}

// process returns a process for metadata.toml. From Buildpack API 0.9 no process has a shell.
func (d *Descriptor) process(p launchProcess) launch.Process {
	out := launch.Process{
		Type: p.Type, Command: p.Command.Command, Args: p.Args, BuildpackID: d.ID,
		Direct: api.DefaultArgs.In(d.API) || p.Direct != nil && *p.Direct,
	}
	if api.WorkingDir.In(d.API) {
		out.WorkingDir = p.WorkingDir
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
			return fmt.Errorf("reading %s: key \"unmet\", element %d: there is no %q in the plan of %s", path, i+1, u.Name, d.Module())
		}
		b.Unmet = append(b.Unmet, u.Name)
	}
	if api.BOM.In(d.API) {
		b.BuildBOM = d.bom(file.BOM)
	}
	return nil
}

// BOM reads the Bills-of-Materials in launch.toml and build.toml of a buildpack before
// Buildpack API 0.9; nil if there is none. version is the buildpack's.
func (d LayersDir) BOM(version string) (launch, build []platform.BOMEntry, err error) {
	of := &Descriptor{ID: d.ID, Version: version}
	read := func(name string) ([]platform.BOMEntry, error) {
		var file struct {
			BOM []bomFile `toml:"bom"`
		}
		err := d.readTOML(name, &file, nil)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return of.bom(file.BOM), nil
	}
	if launch, err = read("launch.toml"); err != nil {
		return nil, nil, err
	}
	build, err = read("build.toml")
	return launch, build, err
}

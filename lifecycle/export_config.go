package lifecycle

import (
	"fmt"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

const (
	launcherPath = "/cnb/lifecycle/launcher"
	processDir   = "/cnb/process"
)

// processTypes returns the types of all processes, sorted.
func (x *export) processTypes() []string {
	var types []string
	for _, p := range x.Build.Processes {
		types = append(types, p.Type)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// chooseProcess returns the process type that the app image starts; empty for the launcher itself.
func (x *export) chooseProcess() (string, error) {
	types := x.processTypes()
	chosen, by := x.ProcessType, "as requested"
	if chosen == "" {
		chosen, by = x.Build.DefaultProcess, "the default of a buildpack"
	}
	if chosen == "" {
		x.log.Info("no default process type")
		return "", nil
	}
	if !slices.Contains(types, chosen) {
		return "", fmt.Errorf("choosing the default process: there is no process type %q (%s); the buildpacks define %q", chosen, by, types)
	}
	return chosen, nil
}

// checkExtended checks that the extended run image is based on the run image, whose top layer is
// where a rebase cuts.
func (x *export) checkExtended() error {
	if x.Extended == nil {
		return nil
	}
	run, extended := x.RunImage.Config.RootFS.DiffIDs, x.Extended.Config.RootFS.DiffIDs
	if len(extended) < len(run) || !slices.Equal(extended[:len(run)], run) {
		return fmt.Errorf("the extended run image %s is not based on the run image %s", x.Extended.Name, x.RunImage.Name)
	}
	return nil
}

// configFile returns the configuration of the app image: the run image's with the specified changes. A command
// of the run image is dropped, since it would become arguments of the app.
func (x *export) configFile(base *image.Image) (*v1.ConfigFile, error) {
	cfg := base.Config.DeepCopy()
	cfg.Created = v1.Time{Time: layers.Epoch}
	if x.Created != nil && api.SourceDateEpoch.In(x.API) {
		cfg.Created = v1.Time{Time: x.Created.UTC()}
	}
	cfg.Config.Entrypoint = []string{launcherPath}
	cfg.Config.Cmd = nil
	cfg.Config.WorkingDir = x.App
	cfg.Config.Env = x.environ(cfg.Config.Env)
	labels, err := x.labels(base)
	if err != nil {
		return nil, err
	}
	if cfg.Config.Labels == nil {
		cfg.Config.Labels = map[string]string{}
	}
	for _, own := range []string{platform.RequirementsLabel, platform.ResolutionLabel} {
		delete(cfg.Config.Labels, own) // the run image may have been an app image
	}
	for _, l := range labels {
		x.log.Info(fmt.Sprintf("Adding label '%s'", l.Key))
		cfg.Config.Labels[l.Key] = l.Value
	}
	if x.defaultProcess != "" {
		x.log.Info(fmt.Sprintf("Setting default process type '%s'", x.defaultProcess))
		cfg.Config.Entrypoint = []string{path.Join(processDir, x.defaultProcess)}
	}
	return cfg, nil
}

// environ returns the run image's environment with the launcher's variables.
func (x *export) environ(env []string) []string {
	env = slices.Clone(env)
	search := processDir + ":" + path.Dir(launcherPath)
	if n := indexOf(env, "PATH"); n >= 0 {
		if _, old, _ := strings.Cut(env[n], "="); old != "" {
			search += ":" + old
		}
	}
	for _, v := range []struct{ name, value string }{
		{"PATH", search},
		{"CNB_LAYERS_DIR", x.Layers},
		{"CNB_APP_DIR", x.App},
		{"CNB_PLATFORM_API", x.API.String()},
		{"CNB_DEPRECATION_MODE", "quiet"},
	} {
		if n := indexOf(env, v.name); n >= 0 {
			env[n] = v.name + "=" + v.value
			continue
		}
		env = append(env, v.name+"="+v.value)
	}
	return env
}

func indexOf(env []string, name string) int {
	return slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
}

// labels returns the labels of the app image. A buildpack's label cannot replace one that the lifecycle
// writes; of several with the same key, the last wins.
func (x *export) labels(base *image.Image) ([]platform.Label, error) {
	all, err := x.ownLabels(base)
	if err != nil {
		return nil, err
	}
	own := len(all)
	for n, l := range x.Build.Labels {
		same := func(other platform.Label) bool { return other.Key == l.Key }
		if slices.ContainsFunc(all[:own], same) {
			x.log.Warn(fmt.Sprintf("ignoring a buildpack's label '%s': it is reserved for the lifecycle", l.Key))
		} else if !slices.ContainsFunc(x.Build.Labels[n+1:], same) {
			all = append(all, l)
		}
	}
	return all, nil
}

// ownLabels returns the labels that the lifecycle writes.
func (x *export) ownLabels(base *image.Image) ([]platform.Label, error) {
	project := x.Project
	if project == nil {
		project = &platform.ProjectMetadata{}
	}
	type label struct {
		key   string
		value any
	}
	values := []label{
		{platform.LifecycleMetadataLabel, x.metadata()},
		{platform.BuildMetadataLabel, x.buildLabel()},
		{platform.ProjectMetadataLabel, project},
	}
	if x.Extended != nil {
		values = append(values, label{platform.RebasableLabel, base.Config.Config.Labels[platform.RebasableLabel] == "true"})
	}
	if r := x.Resolution.RunImageRequirements(); r != nil {
		values = append(values, label{platform.RequirementsLabel, r})
	}
	var all []platform.Label
	if api.ExecEnv.In(x.API) && x.ExecEnv != "" {
		all = append(all, platform.Label{Key: platform.ExecEnvLabel, Value: x.ExecEnv})
	}
	for _, v := range values {
		text, err := platform.EncodeLabel(v.value)
		if err != nil {
			return nil, err
		}
		all = append(all, platform.Label{Key: v.key, Value: text})
	}
	if x.tookPart() || x.Resolution != nil && len(x.Group.Extensions) > 0 {
		e := x.Resolution.Explanation(x.Group)
		e.Result.ExtendRun = x.Extended != nil
		text, err := e.Encode()
		if err != nil {
			return nil, err
		}
		all = append(all, platform.Label{Key: platform.ResolutionLabel, Value: text})
	}
	return all, nil
}

// metadata returns the label io.buildpacks.lifecycle.metadata.
func (x *export) metadata() platform.AppMetadata {
	m := platform.AppMetadata{
		Buildpacks: []platform.BuildpackLayers{},
		Config:     x.config.ref(), Launcher: x.launcher.ref(), RunImage: x.runImage(),
	}
	for i := range x.app {
		m.App = append(m.App, x.app[i].ref())
	}
	if x.sbom != nil {
		ref := x.sbom.ref()
		m.SBOM = &ref
	}
	if x.processes != nil {
		m.ProcessTypes = x.processes.ref()
	}
	for _, c := range x.buildpacks {
		b := platform.BuildpackLayers{Key: c.ID, Version: c.Version, Layers: map[string]platform.Layer{}, Store: c.store}
		for n, l := range c.launch {
			b.Layers[l.Name] = describe(l, c.pieces[n].ref())
		}
		m.Buildpacks = append(m.Buildpacks, b)
	}
	if api.ExecEnv.In(x.API) {
		m.ExecEnv = x.ExecEnv
		if m.ExecEnv == "" {
			m.ExecEnv = "production"
		}
	}
	names := x.runImageNames()
	if names.Image != "" {
		m.Stack = &platform.Stack{RunImage: names}
	}
	return m
}

func (p *piece) ref() platform.LayerRef { return platform.LayerRef{SHA: p.diffID.String()} }

// runImage describes the run image for a rebase. Layers of extensions are above its top layer.
func (x *export) runImage() platform.AppRunImage {
	var run platform.AppRunImage
	if ids := x.RunImage.Config.RootFS.DiffIDs; len(ids) > 0 {
		run.TopLayer = ids[len(ids)-1].String()
	}
	if x.Analyzed != nil && x.Analyzed.RunImage != nil {
		run.Reference = x.Analyzed.RunImage.Reference
		if reference.Recorded(run.Reference).Digest == "" { // not completed by a restorer
			run.Reference = x.RunImage.Reference().Record()
		}
	}
	if api.TargetData.In(x.API) {
		names := x.runImageNames()
		run.Image, run.Mirrors = names.Image, names.Mirrors
	}
	return run
}

// runImageNames returns the names of the run image in run.toml or stack.toml, else its own (platform.md, "Run Image
// Resolution"). If run.toml does not list the run image, its first image is recorded, unless an extension may have
// switched the run image: a rebase would undo the switch.
func (x *export) runImageNames() platform.RunImageNames {
	if x.Analyzed == nil {
		return platform.RunImageNames{}
	}
	own := x.Analyzed.RunImage.Name()
	names, found := x.RunFile.Names(reference.Parse(own))
	if !found && api.TargetData.In(x.API) && (names.Image == "" || len(x.Group.Extensions) > 0) {
		return platform.RunImageNames{Image: own}
	}
	return names
}

// buildLabel returns the label io.buildpacks.build.metadata.
func (x *export) buildLabel() platform.BuildLabel {
	l := platform.BuildLabel{
		BOM: x.labelBOM(), Buildpacks: labelModules(x.Group.Buildpacks), Launcher: x.LauncherLabel, DefaultType: x.Build.DefaultProcess,
		Processes: []platform.LabelProcess{},
	}
	if api.Extensions.In(x.API) {
		l.Extensions = labelModules(x.Group.Extensions)
	}
	for _, p := range x.Build.Processes {
		var command any = []string(p.Command)
		if !api.CommandList.In(x.API) {
			p = p.SingleCommand()
			command = p.Command[0]
		}
		lp := platform.LabelProcess{
			Type: p.Type, Command: command, Args: p.Args, Direct: p.Direct,
			BuildpackID: p.BuildpackID, WorkingDir: p.WorkingDir, ExecEnv: p.ExecEnv,
		}
		if api.ProcessExecEnv.In(x.API) && len(lp.ExecEnv) == 0 {
			lp.ExecEnv = []string{"*"}
		}
		l.Processes = append(l.Processes, lp)
	}
	return l
}

// labelModules returns modules for labels: without their API, as all lifecycles write them.
func labelModules(all []platform.Module) []platform.LabelModule {
	var out []platform.LabelModule
	for _, m := range all {
		out = append(out, platform.LabelModule{ID: m.ID, Version: m.Version, Homepage: m.Homepage})
	}
	return out
}

package platformtest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A Platform builds apps with a builder, as real platforms do. Empty volumes are created at
// the first use and kept between builds, except the layers.
type Platform struct {
	Docker
	API       string   // Platform API
	Builder   string   // image in the daemon
	Lifecycle string   // image in the daemon
	RunImage  string   // in the daemon for daemon builds, else in a registry
	Publish   bool     // to a registry instead of the daemon
	Auth      string   // CNB_REGISTRY_AUTH, for the phases that get it
	Config    string   // volume with docker's config.json, for phases that access images
	User      string   // "1000:1000", for all phases; empty: each phase's own user
	Options   []string // additional options of "docker run", for all phases

	Name     string   // of the app image
	Tags     []string // additional names
	Previous string
	Process  string // -process-type
	UID, GID int    // of the builder

	CacheImage string // instead of the cache volume
	SkipLayers bool
	Debug      bool
	Env        []string            // for every phase, NAME=VALUE
	Flags      map[string][]string // additional flags, by phase
	Mounts     []string            // the user's volumes, for detector, builder and extender
	Before     func(phase string)  // called before each phase; nil: not called

	Cache, LaunchCache, Kaniko string // volumes
	Layers, App                string // volumes of the last build
}

// A Built is the result of a build.
type Built struct {
	Log    string
	Phases []string // executed phases
	Failed string   // the phase that failed; empty: none
	Exit   int
}

// Has reports whether the log contains a text.
func (b Built) Has(text string) bool { return strings.Contains(b.Log, text) }

func (p *Platform) volumes(app Files) {
	p.T.Helper()
	p.Layers, p.App = p.Volume(nil), p.Volume(app)
	p.Shell(p.App, fmt.Sprintf("chown -R %d:%d .", p.UID, p.GID))
	for _, v := range []*string{&p.Cache, &p.LaunchCache, &p.Kaniko} {
		if *v == "" {
			*v = p.Volume(nil)
		}
	}
	if p.User != "" {
		for _, v := range []string{p.Layers, p.Cache, p.LaunchCache} {
			p.Shell(v, fmt.Sprintf("chown -R %s .", p.User))
		}
	}
}

// runTOML writes files that platforms leave in /layers before the first phase: a run.toml that
// lists an image twice and an empty project-metadata.toml.
func (p *Platform) runTOML() {
	p.T.Helper()
	p.Put(p.Layers, Files{
		"run.toml":              fmt.Sprintf("[[images]]\nimage = %q\n[[images]]\nimage = %[1]q\n", p.RunImage),
		"stack.toml":            fmt.Sprintf("[run-image]\nimage = %q\n", p.RunImage),
		"project-metadata.toml": "",
	})
}

// run runs one phase in a container.
func (p *Platform) run(b *Built, phase, image, user string, mounts, env, args []string) bool {
	p.T.Helper()
	b.Phases = append(b.Phases, phase)
	if p.User != "" {
		user = p.User
	}
	if p.Before != nil {
		p.Before(phase)
	}
	env = append([]string{"CNB_PLATFORM_API=" + p.API}, env...)
	if p.since(15) {
		env = append(env, "CNB_EXEC_ENV=production")
	}
	name, _, _ := strings.Cut(phase, " ")
	all := slices.Concat(
		[]string{"run", "--rm", "--network", "host", "-v", p.Layers + ":/layers", "-v", p.App + ":/workspace"}, given("--user", user), p.Options,
		each("-v", mounts), each("-e", env), each("-e", p.Env), []string{"--entrypoint", "/cnb/lifecycle/" + name})
	if phase == "extender run" {
		all = append(all, "-w", "/")
	}
	all = slices.Concat(all, []string{image}, p.Flags[name], p.logLevel(), args)
	out, code := p.Try(nil, all...)
	b.Log += out
	if code != 0 {
		b.Failed, b.Exit = phase, code
	}
	return code == 0
}

// given returns a flag with a value, or nothing for an empty value.
func given(flag, value string) []string {
	if value == "" {
		return nil
	}
	return []string{flag, value}
}

// each returns the flag with each of the values.
func each(flag string, values []string) (args []string) {
	for _, v := range values {
		args = append(args, flag, v)
	}
	return args
}

func (p *Platform) since(minor int) bool {
	var m int
	_, _ = fmt.Sscanf(p.API, "0.%d", &m)
	return m >= minor
}

// logLevel returns the arguments that every phase gets.
func (p *Platform) logLevel() []string {
	if p.Debug {
		return []string{"-log-level", "debug"}
	}
	return nil
}

func (p *Platform) user() []string {
	return []string{fmt.Sprintf("CNB_USER_ID=%d", p.UID), fmt.Sprintf("CNB_GROUP_ID=%d", p.GID)}
}

func (p *Platform) sock() string { return p.Socket() + ":/var/run/docker.sock" }

// FivePhases builds an app with each phase in its own container.
func (p *Platform) FivePhases(app Files) Built {
	p.T.Helper()
	p.volumes(app)
	p.runTOML()
	var b Built
	if !p.analyzer(&b) || !p.phase(&b, "detector", nil) {
		return b
	}
	extendBuild := p.hasBuildDockerfile()
	if !p.restorer(&b, extendBuild) {
		return b
	}
	analyzed := p.Analyzed()
	run := analyzed.RunImage != nil && analyzed.RunImage.Extend
	if extendBuild {
		if !p.run(&b, "extender build", p.Builder, "0", append(p.Mounts, p.Kaniko+":/kaniko"), p.user(), []string{"-app", "/workspace"}) {
			return b
		}
	} else if !p.phase(&b, "builder", nil) {
		return b
	}
	if run && !p.extendRun(&b, analyzed.RunImage.Reference) {
		return b
	}
	p.exporter(&b, run)
	return b
}

// phase runs the detector or the builder, which need only the builder image.
func (p *Platform) phase(b *Built, phase string, env []string) bool {
	p.T.Helper()
	return p.run(b, phase, p.Builder, "", p.Mounts, env, []string{"-app", "/workspace"})
}

// connected returns the mounts and environment of a phase that accesses images.
func (p *Platform) connected(auth bool) (mounts, env []string) {
	env = p.user()
	if p.Config != "" {
		mounts, env = []string{p.Config + ":/docker-config"}, append(env, "DOCKER_CONFIG=/docker-config")
	}
	if p.Publish {
		if auth && p.Auth != "" {
			env = append(env, "CNB_REGISTRY_AUTH="+p.Auth)
		}
		return mounts, env
	}
	return append(mounts, p.sock()), env
}

func (p *Platform) analyzer(b *Built) bool {
	p.T.Helper()
	mounts, env := p.connected(true)
	args := slices.Concat(given("-cache-image", p.CacheImage), p.runFlag(), []string{"-run-image", p.RunImage}, each("-tag", p.Tags), given("-previous-image", p.Previous))
	if !p.Publish {
		args = append(args, "-daemon")
		if p.since(9) {
			args = append(args, "-launch-cache", "/launch-cache")
			mounts = append(mounts, p.LaunchCache+":/launch-cache")
		}
	}
	if p.SkipLayers && p.since(9) {
		args = append(args, "-skip-layers")
	}
	return p.run(b, "analyzer", p.Lifecycle, "0", mounts, env, append(args, p.Name))
}

func (p *Platform) runFlag() []string {
	if p.since(12) {
		return []string{"-run", "/layers/run.toml"}
	}
	return []string{"-stack", "/layers/stack.toml"}
}

func (p *Platform) restorer(b *Built, extendBuild bool) bool {
	p.T.Helper()
	analyzed := p.Analyzed()
	switched := analyzed.RunImage != nil && (analyzed.RunImage.Extend || analyzed.RunImage.Name() != p.RunImage)
	mounts, env := p.connected(p.CacheImage != "" || extendBuild || switched)
	mounts = append(mounts, p.Kaniko+":/kaniko")
	var args []string
	if p.SkipLayers {
		args = append(args, "-skip-layers")
	}
	if p.CacheImage != "" {
		args = append(args, "-cache-image", p.CacheImage)
	} else {
		args = append(args, "-cache-dir", "/cache")
		mounts = append(mounts, p.Cache+":/cache")
	}
	if extendBuild {
		args = append(args, "-build-image", p.Builder)
	}
	if !p.Publish && p.since(12) {
		args = append(args, "-daemon")
	}
	return p.run(b, "restorer", p.Lifecycle, "0", mounts, env, args)
}

// extendRun runs the extender in the run image, with the lifecycle's layer on top.
func (p *Platform) extendRun(b *Built, reference string) bool {
	p.T.Helper()
	tag := "baseplan-e2e/extend-run:" + strings.ToLower(p.Layers[:12])
	p.Image(tag, "FROM "+p.Lifecycle+" AS lifecycle\nFROM "+reference+"\nUSER 0\nCOPY --from=lifecycle /cnb/lifecycle /cnb/lifecycle\n", nil)
	return p.run(b, "extender run", tag, "0", []string{p.Kaniko + ":/kaniko"}, nil, []string{"-app", "/workspace", "-kind", "run"})
}

// exporting returns the mounts, the environment and the arguments that exporter and creator have in common.
func (p *Platform) exporting() (mounts, env, args []string) {
	mounts, env = p.connected(true)
	if !p.Publish {
		args = append(args, "-daemon", "-launch-cache", "/launch-cache")
		mounts = append(mounts, p.LaunchCache+":/launch-cache")
	}
	return mounts, env, slices.Concat(args, []string{"-app", "/workspace", "-cache-dir", "/cache"}, given("-process-type", p.Process), given("-cache-image", p.CacheImage))
}

func (p *Platform) exporter(b *Built, extended bool) bool {
	p.T.Helper()
	mounts, env, args := p.exporting()
	if p.CacheImage == "" {
		mounts = append(mounts, p.Cache+":/cache")
	}
	if extended {
		mounts = append(mounts, p.Kaniko+":/kaniko")
	}
	return p.run(b, "exporter", p.Lifecycle, "0", mounts, env, slices.Concat(args, p.runFlag(), []string{p.Name}, p.Tags))
}

// Creator builds an app with the creator, as root if no user is set.
func (p *Platform) Creator(app Files) Built {
	p.T.Helper()
	p.volumes(app)
	mounts, env, args := p.exporting()
	args = slices.Concat(args, []string{"-run-image", p.RunImage}, each("-tag", p.Tags), given("-previous-image", p.Previous))
	if p.SkipLayers {
		args = append(args, "-skip-restore")
	}
	var b Built
	p.run(&b, "creator", p.Builder, "0", append(append(mounts, p.Cache+":/cache"), p.Mounts...), env, append(args, p.Name))
	return b
}

// Rebase rebases the app image onto the current image of the run image's name.
func (p *Platform) Rebase(flags ...string) (log string, code int) {
	p.T.Helper()
	mounts, env := p.connected(true)
	args := slices.Concat([]string{"run", "--rm", "--network", "host", "-e", "CNB_PLATFORM_API=" + p.API, "--entrypoint", "/cnb/lifecycle/rebaser"},
		each("-v", mounts), each("-e", env), each("-e", p.Env), []string{p.Lifecycle})
	if !p.Publish {
		args = append(args, "-daemon")
	}
	return p.Try(nil, slices.Concat(args, p.Flags["rebaser"], []string{"-report", "/tmp/report.toml"}, flags, []string{p.Name})...)
}

// Analyzed returns analyzed.toml of the last build.
func (p *Platform) Analyzed() *platform.Analyzed {
	p.T.Helper()
	a, err := platform.DecodeAnalyzed([]byte(p.Get(p.Layers, "analyzed.toml")), "analyzed.toml")
	if err != nil {
		p.T.Fatal(err)
	}
	return a
}

// hasBuildDockerfile reports whether <generated> has a build.Dockerfile, as platforms check.
func (p *Platform) hasBuildDockerfile() bool {
	p.T.Helper()
	pattern := "generated/build/*"
	if p.since(13) {
		pattern = "generated/*/build.Dockerfile"
	}
	found, err := filepath.Glob(filepath.Join(p.path(p.Layers), pattern))
	if err != nil {
		p.T.Fatal(err)
	}
	return len(found) > 0
}

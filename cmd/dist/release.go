package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/sbom/keyless"
)

const module = "github.com/baseplan/baseplan"

// The platforms of the lifecycle and the baseplan command.
var (
	lifecyclePlatforms = platforms("linux/amd64", "linux/arm64", "linux/ppc64le", "linux/s390x")
	commandPlatforms   = platforms("linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64")
)

func platforms(names ...string) []v1.Platform {
	var all []v1.Platform
	for _, n := range names {
		goos, arch, _ := strings.Cut(n, "/")
		all = append(all, v1.Platform{OS: goos, Architecture: arch})
	}
	return all
}

// A release is the published artifacts of one version.
type release struct {
	Source  string // directory of the module
	Out     string // output directory
	Version string // semantic version, without the prefix v
	Commit  string // empty: unknown
	Created time.Time
	Only    []v1.Platform // nil: all

	Settings []byte // baseplan.toml of the lifecycle image; nil: none

	// Compile builds a command of the module, such as "lifecycle", and returns the binary's path.
	Compile  func(ctx context.Context, command string, p v1.Platform, dir string) (string, error)
	Progress io.Writer // gets a line for each file

	written []string // paths below Out
}

// semantic matches https://semver.org without build metadata, which labels and tags do not
// allow.
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

// Make writes the release and returns the lifecycle image, which is empty if no platform of
// the lifecycle is selected.
func (r *release) Make(ctx context.Context) (v1.ImageIndex, error) {
	if !semantic.MatchString(r.Version) {
		return nil, fmt.Errorf("reading the version: %q is not a semantic version such as 1.2.3 or 1.2.3-rc.1", r.Version)
	}
	if err := os.MkdirAll(r.Out, 0o755); err != nil {
		return nil, err
	}
	images := map[string]v1.Image{} // by platform
	for _, p := range r.selected(lifecyclePlatforms) {
		image, err := r.lifecycle(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("building the lifecycle for %s: %w", p, err)
		}
		images[p.String()] = image
	}
	for _, p := range r.selected(commandPlatforms) {
		if err := r.command(ctx, p); err != nil {
			return nil, fmt.Errorf("building baseplan for %s: %w", p, err)
		}
	}
	if len(r.written) == 0 {
		return nil, fmt.Errorf("none of the platforms %v is supported", r.Only)
	}
	index := index(images)
	if len(images) > 0 {
		if err := r.layout(ctx, index); err != nil {
			return nil, fmt.Errorf("writing the lifecycle image: %w", err)
		}
	}
	return index, r.checksums()
}

func (r *release) selected(all []v1.Platform) []v1.Platform {
	return slices.DeleteFunc(slices.Clone(all), func(p v1.Platform) bool {
		return r.Only != nil && !slices.ContainsFunc(r.Only, p.Equals)
	})
}

// lifecycle builds the tarball and the image for one platform.
func (r *release) lifecycle(ctx context.Context, p v1.Platform) (v1.Image, error) {
	commands := []string{"lifecycle", "launcher", keyless.Name}
	if sandboxed(p) {
		commands = append(commands, "sandbox")
	}
	files, err := r.binaries(ctx, p, commands...)
	if err != nil {
		return nil, err
	}
	if sandboxed(p) {
		if err := r.write("extender", p, extender(files)); err != nil {
			return nil, err
		}
	}
	files = append(files, phases()...)
	described, err := describe(r.Version).TOML()
	if err != nil {
		return nil, err
	}
	tarball := append(below("lifecycle", files), entry{name: "lifecycle.toml", mode: 0o644, body: described})
	if err := r.write("lifecycle", p, tarball); err != nil {
		return nil, err
	}
	img, err := r.image(ctx, p, files, described)
	if err != nil {
		return nil, fmt.Errorf("building the image: %w", err)
	}
	return img, nil
}

// extender returns the files of an extender for another lifecycle: a binary acts as the phase that it is named after.
func extender(lifecycle []entry) (files []entry) {
	for _, f := range lifecycle {
		name, of := strings.CutPrefix(f.name, "lifecycle")
		if of {
			f.name = "extender" + name
		}
		if of || strings.HasPrefix(f.name, "sandbox") {
			files = append(files, f)
		}
	}
	return files
}

// sandboxed reports whether there is a sandbox for a platform: gVisor runs on two architectures.
func sandboxed(p v1.Platform) bool {
	return p.OS == "linux" && (p.Architecture == "amd64" || p.Architecture == "arm64")
}

// command builds the tarball of baseplan and its verifier for one platform.
func (r *release) command(ctx context.Context, p v1.Platform) error {
	files, err := r.binaries(ctx, p, "baseplan", keyless.Name)
	if err != nil {
		return err
	}
	license, err := os.ReadFile(filepath.Join(r.Source, "LICENSE"))
	if err != nil {
		return err
	}
	return r.write("baseplan", p, append(files, entry{name: "LICENSE", mode: 0o644, body: license}))
}

// binaries returns commands for a platform, each with its SBOMs.
func (r *release) binaries(ctx context.Context, p v1.Platform, commands ...string) ([]entry, error) {
	dir, err := os.MkdirTemp("", "dist-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var files []entry
	for _, command := range commands {
		path, err := r.Compile(ctx, command, p, dir)
		if err != nil {
			return nil, err
		}
		binary, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		sboms, err := r.sboms(ctx, command, path)
		if err != nil {
			return nil, fmt.Errorf("describing %s: %w", command, err)
		}
		files = append(append(files, entry{name: command, mode: 0o755, body: binary}), sboms...)
	}
	return files, nil
}

// compile is the default of [release.Compile]. The binary has its version but no path of this
// machine.
func (r *release) compile(ctx context.Context, command string, p v1.Platform, dir string) (string, error) {
	path := filepath.Join(dir, command)
	vars := module + "/cmd/internal/build."
	cmd := exec.CommandContext(ctx, "go", "build", "-modfile=cmd/dist/release.mod", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X "+vars+"Version="+r.Version+" -X "+vars+"Commit="+r.Commit, "-o", path, module+"/cmd/"+command)
	cmd.Dir = r.Source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOTMPDIR="+dir, "GOOS="+p.OS, "GOARCH="+p.Architecture,
		"GOAMD64=v1", "GOARM64=v8.0", "GOPPC64=power8")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling %s: %w\n%s", command, err, out)
	}
	return path, nil
}

// write writes a tarball: PRODUCT-VERSION-OS-ARCH.tgz.
func (r *release) write(product string, p v1.Platform, files []entry) error {
	name := fmt.Sprintf("%s-%s-%s-%s.tgz", product, r.Version, p.OS, p.Architecture)
	data, err := compress(files)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.Out, name), data, 0o644); err != nil { // it is to be published
		return err
	}
	r.wrote(name, int64(len(data)))
	return nil
}

func (r *release) wrote(name string, size int64) {
	r.written = append(r.written, name)
	fmt.Fprintf(r.Progress, "%9d  %s\n", size, name)
}

// checksums writes checksums.txt in the format of sha256sum.
func (r *release) checksums() error {
	var lines strings.Builder
	for _, name := range slices.Sorted(slices.Values(r.written)) {
		data, err := os.ReadFile(filepath.Join(r.Out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256(data), name)
	}
	return os.WriteFile(filepath.Join(r.Out, "checksums.txt"), []byte(lines.String()), 0o644) // it is to be published
}

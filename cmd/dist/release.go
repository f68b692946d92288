package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
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
	commandPlatforms   = platforms("linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64")
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

	Settings []byte        // baseplan.toml of the lifecycle image; nil: none
	Sign     crypto.Signer // of the checksums and of what is attached to the image of baseplan; nil: unsigned
	URL      string        // of the directories of releases, for the formula

	// Compile builds a command of the module, such as "lifecycle", and returns the binary's path.
	Compile  func(ctx context.Context, command string, p v1.Platform, dir string) (string, error)
	Progress io.Writer // gets a line for each file

	written   []string          // paths below Out
	described map[string][]byte // CycloneDX of baseplan's binary, by platform of its image
}

// semantic matches https://semver.org without build metadata, which labels and tags do not
// allow.
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

// The images of a release, each an OCI layout in a directory of this name.
const (
	lifecycleImage = "lifecycle-image"
	commandImage   = "baseplan-image"
)

// Make writes the release and returns its images by their names. An image is empty if none of its platforms
// is selected.
func (r *release) Make(ctx context.Context) (map[string]v1.ImageIndex, error) {
	if !semantic.MatchString(r.Version) {
		return nil, fmt.Errorf("reading the version: %q is not a semantic version such as 1.2.3 or 1.2.3-rc.1", r.Version)
	}
	if err := os.MkdirAll(r.Out, 0o755); err != nil {
		return nil, err
	}
	images := map[string]v1.ImageIndex{}
	for _, product := range []struct {
		name      string
		platforms []v1.Platform
		make      func(context.Context, v1.Platform) (v1.Image, error)
	}{{lifecycleImage, lifecyclePlatforms, r.lifecycle}, {commandImage, commandPlatforms, r.command}} {
		made := map[string]v1.Image{} // by platform
		for _, p := range r.selected(product.platforms) {
			img, err := product.make(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("building %s for %s: %w", strings.TrimSuffix(product.name, "-image"), p, err)
			}
			if img != nil {
				made[p.String()] = img
			}
		}
		images[product.name] = index(product.platforms, made)
		if len(made) > 0 {
			if err := r.layout(ctx, product.name, images[product.name]); err != nil {
				return nil, fmt.Errorf("writing the %s: %w", product.name, err)
			}
		}
	}
	if len(r.written) == 0 {
		return nil, fmt.Errorf("none of the platforms %v is supported", r.Only)
	}
	return images, r.checksums()
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

// archive returns the name of an archive: PRODUCT-VERSION-OS-ARCH.tgz, or .zip for Windows.
func (r *release) archive(product string, p v1.Platform) string {
	extension := ".tgz"
	if p.OS == "windows" {
		extension = ".zip"
	}
	return fmt.Sprintf("%s-%s-%s-%s%s", product, r.Version, p.OS, p.Architecture, extension)
}

// write writes an archive.
func (r *release) write(product string, p v1.Platform, files []entry) error {
	pack := compress
	if p.OS == "windows" {
		pack = zipped
	}
	data, err := pack(files)
	if err != nil {
		return err
	}
	return r.publish(r.archive(product, p), data)
}

// publish writes a file of the release.
func (r *release) publish(name string, data []byte) error {
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

// checksums writes checksums.txt in the format of sha256sum, and its signature as "cosign verify-blob" reads it. If all that
// it needs was made, it writes the formula first.
func (r *release) checksums() error {
	sums := map[string]string{}
	for _, name := range r.written {
		data, err := os.ReadFile(filepath.Join(r.Out, name))
		if err != nil {
			return err
		}
		sums[name] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	if formula := r.formula(sums); !strings.Contains(formula, `sha256 ""`) {
		sums["baseplan.rb"] = fmt.Sprintf("%x", sha256.Sum256([]byte(formula)))
		if err := r.publish("baseplan.rb", []byte(formula)); err != nil {
			return err
		}
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&lines, "%s  %s\n", sums[name], name)
	}
	if err := r.publish("checksums.txt", []byte(lines.String())); err != nil || r.Sign == nil {
		return err
	}
	signature, err := signed(r.Sign, []byte(lines.String()))
	if err != nil {
		return fmt.Errorf("signing the checksums: %w", err)
	}
	return r.publish("checksums.txt.sig", signature)
}

// signed returns a signature in base64: of the SHA-256 with ECDSA, of the content with Ed25519.
func signed(key crypto.Signer, content []byte) ([]byte, error) {
	options := crypto.SignerOpts(crypto.Hash(0))
	if _, ok := key.Public().(*ecdsa.PublicKey); ok {
		sum := sha256.Sum256(content)
		content, options = sum[:], crypto.SHA256
	}
	signature, err := key.Sign(rand.Reader, content, options)
	return []byte(base64.StdEncoding.EncodeToString(signature)), err
}

//go:build e2e

package lifecycle_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/scan"
)

// docker runs the docker CLI with the daemon at DOCKER_HOST, which these tests need.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	if os.Getenv("DOCKER_HOST") == "" {
		t.Fatal("DOCKER_HOST is not set: start a docker daemon and set it to its socket (unix:///…)")
	}
	cmd := exec.Command("docker", args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// pulled is an image in a registry and in the daemon.
func pulled(t *testing.T, host *lifecycletest.Host, name string, img v1.Image) string {
	t.Helper()
	ref := host.Push(name, img)
	docker(t, "pull", "-q", ref)
	t.Cleanup(func() { docker(t, "rmi", "-f", ref) })
	return ref
}

func inDaemon(name string) string { return "docker://" + name }

func daemonRef(name reference.Reference) reference.Reference {
	return reference.Parse(inDaemon(name.String()))
}

func daemonInspector(opener *image.Opener) *base.Reader {
	return &base.Reader{Images: opener, Finder: &attach.Finder{}, Scan: scanTree}
}

// TestDaemonAnalyze finds target and SBOM of an image that is not saved.
func TestDaemonAnalyze(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	img := lifecycletest.Debian("curl") // no labels: its distribution is in a file
	run := pulled(t, host, "run:1", img)
	attached(t, run, img)
	opener := amd64()
	a := lifecycle.Analyzer{
		API: version(t, "0.15"), Images: &image.Writer{Opener: opener}, Locator: daemonRef, Names: refs("baseplan-e2e/none:1"),
		RunImage: reference.Parse(run), Layers: "/layers", Root: t.TempDir(), Reader: daemonInspector(opener),
	}
	out, err := a.Run(t.Context())
	check(t, err)
	id := docker(t, "inspect", "-f", "{{.Id}}", run)
	want := &platform.RunImage{
		Reference: id, Image: run, Target: &platform.Target{OS: "linux", Arch: "amd64", Distro: &platform.Distro{Name: "debian", Version: "12"}},
	}
	if diff := gocmp.Diff(want, out.Analyzed.RunImage); diff != "" {
		t.Error(diff)
	}
	if out.Analyzed.PreviousImage != nil {
		t.Errorf("%+v", out.Analyzed.PreviousImage)
	}
	if r := out.RunImage.Report; r.SBOM == nil || r.SBOM.Carrier != attach.Referrer || r.Digest != id {
		t.Errorf("%+v", r)
	}
}

// TestDaemonAnalyzeMissing: a run image that the daemon does not have is left to the exporter, under its first name.
// A daemon that does not answer stays an error.
func TestDaemonAnalyzeMissing(t *testing.T) {
	const first, mirror = "baseplan-e2e/run:missing", "registry.example/run:missing"
	docker(t, "version")
	runFile := &platform.RunFile{Images: []platform.RunImageNames{{Image: first, Mirrors: []string{mirror}}}}
	for _, tt := range []struct {
		api, run string
		file     *platform.RunFile
		want     platform.RunImage
	}{
		{"0.15", first, nil, platform.RunImage{Reference: first, Image: first}},
		{"0.11", mirror, runFile, platform.RunImage{Reference: mirror}},
		{"0.12", "", runFile, platform.RunImage{Reference: first, Image: first}},
	} {
		opener := amd64()
		a := lifecycle.Analyzer{
			API: version(t, tt.api), Images: &image.Writer{Opener: opener}, Locator: daemonRef, Names: refs("baseplan-e2e/none:1"),
			RunImage: reference.Parse(tt.run), RunFile: tt.file, Layers: "/layers", Root: t.TempDir(), Reader: daemonInspector(opener),
		}
		out, err := a.Run(t.Context())
		check(t, err)
		if diff := gocmp.Diff(&tt.want, out.Analyzed.RunImage); diff != "" {
			t.Error(diff)
		}
		if out.RunImage.Report != nil || out.RunImage.Why != base.NotInDaemon {
			t.Errorf("%+v", out.RunImage)
		}
		opener.DockerHost = "unix:///no/such/socket"
		if out, err := a.Run(t.Context()); err == nil {
			t.Errorf("without a daemon: %+v", out.Analyzed.RunImage)
		}
	}
}

// TestRestorerSavesBaseImagesOfADaemon: what is to be extended is saved from its registry and gets a reference that platforms can pull, what is not
// stays an image ID, since exporters open that.
func TestRestorerSavesBaseImagesOfADaemon(t *testing.T) {
	for name, img := range map[string]v1.Image{"has it": lifecycletest.Debian("curl"), "has it not": lifecycletest.Debian()} {
		t.Run(name, func(t *testing.T) {
			d := newDetectedBuild(t)
			d.ref, d.scan = daemonRef, scanTree
			run := pulled(t, d.host, "run:1", lifecycletest.Labelled(img, bookworm))
			d.detect(run, d.user(needsCurl), extension("acme/curl", "curl", installCurl))
			d.bases.Locator = daemonRef
			out := d.restore()
			got := out.Analyzed.RunImage.Reference
			if name == "has it" {
				d.want(out, false, map[string]string{"acme/curl": "satisfied"}, "acme_curl/run.Dockerfile.ignore")
				if got != docker(t, "inspect", "-f", "{{.Id}}", run) {
					t.Errorf("the reference is %s", got)
				}
				return
			}
			d.want(out, true, map[string]string{"acme/curl": "apply"}, "acme_curl/run.Dockerfile")
			digest := digestOf(t, lifecycletest.Labelled(img, bookworm)).String()
			if got != d.host.Name+"/run@"+digest {
				t.Errorf("the reference is %s", got)
			}
			saved, err := amd64().Open(t.Context(), reference.Parse("oci:"+filepath.Join(d.bases.Kaniko, "cache/base", digest)))
			check(t, err)
			check(t, saved.Close())
		})
	}
}

// TestDaemonRebuildAndRebase restores SBOMs of a daemon's image, with and without its layers in the launch cache,
// and puts it on another run image.
func TestDaemonRebuildAndRebase(t *testing.T) {
	for _, cached := range []bool{false, true} {
		x := newExporting(t, map[string]string{"layers/acme_ruby/gems.sbom.cdx.json": `{"of": "gems"}`})
		run := pulled(t, x.registry, "run:base", mustImage(t, x, "base"))
		name := "baseplan-e2e/app:" + strings.ToLower(filepath.Base(filepath.Dir(x.root)))
		t.Cleanup(func() { docker(t, "rmi", "-f", name) })
		x.e.Names, x.e.Locator = refs(name), daemonRef
		x.e.RunImage = x.open(inDaemon(run))
		x.e.Analyzed.RunImage = &platform.RunImage{Reference: x.e.RunImage.Digest.String(), Image: run}
		x.e.RunFile = &platform.RunFile{Images: []platform.RunImageNames{{Image: run}}}
		if cached {
			x.e.Writer.LaunchCache = t.TempDir()
		}
		_, err := x.try(t.Context())
		check(t, err)

		root := t.TempDir()
		a := lifecycle.Analyzer{
			API: x.e.API, Images: x.e.Writer, LaunchCache: x.e.Writer.LaunchCache, Locator: daemonRef, Names: refs(name), RunImage: reference.Parse(run), Layers: "/layers", Root: root,
		}
		out, err := a.Run(t.Context())
		check(t, err)
		if got := docker(t, "inspect", "-f", "{{.Id}}", name); out.Analyzed.PreviousImage.Reference != got {
			t.Errorf("the previous image is %s, want %s", out.Analyzed.PreviousImage.Reference, got)
		}
		want := map[string]string{
			"launch/acme_ruby/gems/sbom.cdx.json":                  `{"of": "gems"}`,
			"launch/buildpacksio_lifecycle/launcher/sbom.cdx.json": `{"of": "launcher"}`,
			"launch/sbom.legacy.json":                              "null\n",
		}
		if diff := gocmp.Diff(want, contents(t, filepath.Join(root, "layers/sbom"))); diff != "" {
			t.Error(diff)
		}

		next := pulled(t, x.registry, "run:base", mustImage(t, x, "next"))
		r := lifecycle.Rebaser{API: x.e.API, Images: x.e.Writer, Locator: daemonRef, Names: refs(name)}
		report, err := r.Run(t.Context())
		check(t, err)
		if got := docker(t, "inspect", "-f", "{{.Id}}", name); report.Image.ImageID != got {
			t.Errorf("the report has %s, the daemon %s", report.Image.ImageID, got)
		}
		app, base := x.open(inDaemon(name)), x.open(inDaemon(next))
		meta, err := platform.DecodeAppMetadata(app.Config.Config.Labels[platform.LifecycleMetadataLabel], name)
		check(t, err)
		if meta.RunImage.Reference != base.Digest.String() || app.Config.RootFS.DiffIDs[0] != base.Config.RootFS.DiffIDs[0] || len(app.Config.RootFS.DiffIDs) != 9 {
			t.Errorf("%+v on %v", meta.RunImage, app.Config.RootFS.DiffIDs)
		}
		check(t, app.Close())
		check(t, base.Close())
	}
}

// mustImage is a run image of the tests of the exporter.
func mustImage(t *testing.T, x *exporting, content string) v1.Image {
	t.Helper()
	img := x.open(x.pushRun(content))
	return img.Image
}

// scanTree generates inventories of a daemon's images, as the phases do.
func scanTree(ctx context.Context, img *image.Image) (*sbom.Document, error) {
	if img.Files != nil {
		return scan.Tree(ctx, img.Files)
	}
	return scanned(ctx, img)
}

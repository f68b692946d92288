package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/scan"
)

// A door is a registry with somebody at the door who counts and refuses.
type door struct {
	name   string
	refuse func(*http.Request) int // 0: not at all; nil: nothing

	mu       sync.Mutex
	requests []string
}

// guard gives a registry a second address, with a door.
func guard(t testing.TB, host *lifecycletest.Host) *door {
	d := &door{}
	handler := host.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		d.mu.Lock()
		d.requests = append(d.requests, req.Method+" "+req.URL.Path)
		d.mu.Unlock()
		if d.refuse != nil {
			if code := d.refuse(req); code != 0 {
				w.WriteHeader(code)
				return
			}
		}
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	d.name = strings.TrimPrefix(server.URL, "http://")
	return d
}

func (d *door) asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.requests)
}

func amd64() *image.Opener {
	return &image.Opener{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}
}

// scanned generates inventories, as the phases do.
func scanned(ctx context.Context, img *image.Image) (*sbom.Document, error) {
	return scan.Image(ctx, img.Image, scan.Options{})
}

var bookworm = map[string]string{"io.buildpacks.base.distro.name": "debian", "io.buildpacks.base.distro.version": "12"}

func TestAnalyzeFirstBuild(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	host.Push("run:1", lifecycletest.Labelled(lifecycletest.Debian(), bookworm))
	d := guard(t, host)
	a := lifecycle.Analyzer{
		API: version(t, "0.15"), Images: &image.Writer{Opener: amd64()},
		Names: refs(d.name+"/app:1", d.name+"/app:latest"), RunImage: reference.Parse(d.name + "/run:1"), Layers: "/layers", Root: t.TempDir(),
	}
	out, err := a.Run(t.Context())
	check(t, err)
	if asked := d.asked(); len(asked) > 5 {
		t.Errorf("%d requests, more than 5:\n%s", len(asked), strings.Join(asked, "\n"))
	}
	digest, err := lifecycletest.Labelled(lifecycletest.Debian(), bookworm).Digest()
	check(t, err)
	want := &platform.Analyzed{RunImage: &platform.RunImage{
		Reference: d.name + "/run@" + digest.String(), Image: d.name + "/run:1",
		Target: &platform.Target{OS: "linux", Arch: "amd64", Distro: &platform.Distro{Name: "debian", Version: "12"}},
	}}
	if diff := gocmp.Diff(want, out.Analyzed); diff != "" {
		t.Error(diff)
	}
	if out.RunImage.Report != nil {
		t.Error("an inventory, though they are off")
	}

	a.API = version(t, "0.11")
	out, err = a.Run(t.Context())
	check(t, err)
	if run := out.Analyzed.RunImage; run.Image != "" || run.Target != nil {
		t.Errorf("what Platform API 0.11 does not know: %+v", run)
	}
}

// TestAnalyzePrevious reads what an exporter wrote.
func TestAnalyzePrevious(t *testing.T) {
	x := newExporting(t, map[string]string{"layers/acme_ruby/gems.sbom.cdx.json": `{"of": "gems"}`})
	before := x.run()
	root := t.TempDir()
	a := lifecycle.Analyzer{
		API: x.e.API, Images: &image.Writer{Opener: x.opener}, Names: x.e.Names, RunImage: reference.Parse(x.registry.Name + "/run:base"), Layers: "/layers", Root: root,
	}
	out, err := a.Run(t.Context())
	check(t, err)
	if diff := gocmp.Diff(*before.meta, out.Analyzed.Metadata); diff != "" {
		t.Error(diff)
	}
	if got, want := out.Analyzed.PreviousImage.Reference, x.digestOf(x.e.Names[0].String()); got != want {
		t.Errorf("the previous image is %s, want %s", got, want)
	}
	want := map[string]string{
		"launch/acme_ruby/gems/sbom.cdx.json":                  `{"of": "gems"}`,
		"launch/buildpacksio_lifecycle/launcher/sbom.cdx.json": `{"of": "launcher"}`,
		"launch/sbom.legacy.json":                              "null\n",
	}
	if diff := gocmp.Diff(want, contents(t, filepath.Join(root, "layers/sbom"))); diff != "" {
		t.Error(diff)
	}

	for name, change := range map[string]func(*lifecycle.Analyzer){
		"skipped":                    func(a *lifecycle.Analyzer) { a.SkipSBOM = true },
		"before there were any":      func(a *lifecycle.Analyzer) { a.API = version(t, "0.7") },
		"a previous image elsewhere": func(a *lifecycle.Analyzer) { a.Previous = reference.Parse(x.registry.Name + "/other:1") },
	} {
		t.Run(name, func(t *testing.T) {
			other := a
			other.Root = t.TempDir()
			change(&other)
			_, err := other.Run(t.Context())
			check(t, err)
			if got := contents(t, other.Root); len(got) > 0 {
				t.Errorf("restored %v", got)
			}
		})
	}
}

func TestAnalyzeUnusablePreviousImages(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	run := host.Push("run:1", lifecycletest.Labelled(lifecycletest.Scratch(), bookworm))
	for name, label := range map[string]string{"no app image": "", "no JSON": "{", "other types": `{"buildpacks": 1}`, "no layer": `{"sbom": {"sha": "sha256:` + strings.Repeat("0", 64) + `"}}`} {
		t.Run(name, func(t *testing.T) {
			previous := lifecycletest.Image(lifecycletest.Layer{"app": "1"})
			if label != "" {
				previous = lifecycletest.Labelled(previous, map[string]string{platform.LifecycleMetadataLabel: label})
			}
			var log record
			a := lifecycle.Analyzer{
				API: version(t, "0.15"), Images: &image.Writer{Opener: amd64()}, Names: refs(host.Push("app:1", previous)), RunImage: reference.Parse(run),
				Layers: "/layers", Root: t.TempDir(), Log: log.log(0),
			}
			out, err := a.Run(t.Context())
			check(t, err)
			if out.Analyzed.PreviousImage == nil || len(out.Analyzed.Metadata.Buildpacks) > 0 {
				t.Errorf("%+v", out.Analyzed)
			}
			if warned := strings.Contains(log.String(), "level=WARN"); warned != (label != "") {
				t.Errorf("log:\n%s", log.String())
			}
		})
	}
}

func TestAnalyzeChoosesTheRunImage(t *testing.T) {
	near, far := lifecycletest.Registry(), lifecycletest.Registry()
	defer near.Close()
	defer far.Close()
	img := lifecycletest.Labelled(lifecycletest.Scratch(), bookworm)
	near.Push("run:near", img)
	far.Push("run:far", img)
	n, f := near.Name, far.Name
	for _, tt := range []struct {
		name, given, image string
		mirrors            []string
		want               string // empty: none
	}{
		{"in the registry of the app", "", f + "/run:far", []string{n + "/run:near"}, n + "/run:near"},
		{"elsewhere if it is not there", "", n + "/run:lost", []string{f + "/run:far"}, f + "/run:far"},
		{"the first of several", "", n + "/run:near", []string{f + "/run:far"}, n + "/run:near"},
		{"given, as it is", f + "/run:far", n + "/run:near", nil, f + "/run:far"},
		{"given, and lost", f + "/run:lost", n + "/run:near", nil, ""},
		{"all lost", "", n + "/run:lost", []string{f + "/run:lost"}, ""},
		{"none named", "", "", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runFile := &platform.RunFile{}
			if tt.image != "" {
				runFile.Images = []platform.RunImageNames{{Image: tt.image, Mirrors: tt.mirrors}, {Image: n + "/run:near"}}
			}
			a := lifecycle.Analyzer{
				API: version(t, "0.15"), Images: &image.Writer{Opener: amd64()}, Names: refs(n + "/app:1"),
				RunImage: reference.Parse(tt.given), RunFile: runFile, Layers: "/layers", Root: t.TempDir(),
			}
			out, err := a.Run(t.Context())
			if tt.want == "" {
				if fail.CodeOf(err) != fail.Analyze || out != nil {
					t.Fatalf("%+v, %v", out, err)
				}
				for _, ref := range append([]string{tt.given}, tt.mirrors...) {
					if !strings.Contains(err.Error(), ref) {
						t.Errorf("the message does not name %s: %v", ref, err)
					}
				}
				return
			}
			check(t, err)
			if got := out.Analyzed.RunImage.Image; got != tt.want {
				t.Errorf("chose %s, want %s", got, tt.want)
			}
		})
	}
}

// TestAnalyzeAccess names image and operation, with the phase's exit code.
func TestAnalyzeAccess(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	host.Push("run:1", lifecycletest.Labelled(lifecycletest.Scratch(), bookworm))
	host.Push("cache:1", lifecycletest.Scratch())
	for name, tt := range map[string]struct {
		method, path string // what is refused
		want         string // in the message; empty: all is well
	}{
		"all allowed":        {"", "", ""},
		"app not writable":   {http.MethodPost, "/v2/app/", "writ"},
		"tag not writable":   {http.MethodPost, "/v2/tag/", "/tag:2"},
		"cache not writable": {http.MethodPost, "/v2/cache/", "/cache:1"},
		"cache not readable": {http.MethodHead, "/v2/cache/", "/cache:1"},
		"run not readable":   {http.MethodGet, "/v2/run/", "/run:1"},
		"app not readable":   {http.MethodGet, "/v2/app/", "/app:1"},
	} {
		t.Run(name, func(t *testing.T) {
			d := guard(t, host)
			d.refuse = func(req *http.Request) int {
				if req.Method == tt.method && strings.HasPrefix(req.URL.Path, tt.path) {
					return http.StatusForbidden
				}
				return 0
			}
			a := lifecycle.Analyzer{
				API: version(t, "0.15"), Images: &image.Writer{Opener: amd64()}, Names: refs(d.name+"/app:1", d.name+"/tag:2"),
				RunImage: reference.Parse(d.name + "/run:1"), CacheImage: reference.Parse(d.name + "/cache:1"), Layers: "/layers", Root: t.TempDir(),
			}
			_, err := a.Run(t.Context())
			if tt.want == "" {
				check(t, err)
			} else if fail.CodeOf(err) != fail.Analyze || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), d.name) {
				t.Errorf("code %d: %v", fail.CodeOf(err), err)
			}
		})
	}
}

func TestAnalyzeCanBeCancelled(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	d := guard(t, host)
	d.refuse = func(*http.Request) int { cancel(reason); <-ctx.Done(); return http.StatusServiceUnavailable }
	a := lifecycle.Analyzer{API: version(t, "0.15"), Images: &image.Writer{Opener: amd64()}, Names: refs(d.name + "/app:1"), RunImage: reference.Parse(d.name + "/run:1")}
	if _, err := a.Run(ctx); !errors.Is(err, reason) {
		t.Errorf("%v, want %v", err, reason)
	}
}

// attached gives an image in a registry an SBOM: what is really in it.
func attached(t testing.TB, ref string, img v1.Image) {
	t.Helper()
	doc, err := scan.Image(t.Context(), img, scan.Options{})
	check(t, err)
	var data strings.Builder
	check(t, format.Encode(&data, doc, sbom.CycloneDX))
	_, err = (&attach.Attacher{}).Attach(t.Context(), lifecycletest.Reference(ref), attach.Options{
		Material: func(context.Context, attach.Target) (attach.Material, error) {
			return attach.Material{SBOMs: [][]byte{[]byte(data.String())}}, nil
		},
	})
	check(t, err)
}

func TestAnalyzeInventory(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	img := lifecycletest.Debian("curl")
	bare := host.Push("run:bare", img)
	described := lifecycletest.Labelled(img, map[string]string{"described": "true"})
	with := host.Push("run:with", described)
	attached(t, with, described)
	for _, tt := range []struct {
		run    string
		policy platform.RunSBOM
		want   attach.Carrier // empty: none
		code   fail.Code
	}{
		{with, platform.Auto, attach.Referrer, 0}, {with, platform.Generate, attach.Referrer, 0}, {with, platform.Attached, attach.Referrer, 0},
		{bare, platform.Auto, "", 0}, {bare, platform.Generate, attach.Generated, 0}, {bare, platform.Attached, "", fail.Analyze},
	} {
		t.Run(fmt.Sprintf("%s %s", tt.run[strings.LastIndex(tt.run, ":")+1:], tt.policy), func(t *testing.T) {
			opener := amd64()
			a := lifecycle.Analyzer{
				API: version(t, "0.15"), Images: &image.Writer{Opener: opener}, Names: refs(host.Name + "/app:1"), RunImage: reference.Parse(tt.run),
				Layers: "/layers", Root: t.TempDir(),
				Reader: &base.Reader{Images: opener, Finder: &attach.Finder{}, Policy: tt.policy, Scan: scanned},
			}
			out, err := a.Run(t.Context())
			if tt.code != 0 {
				if fail.CodeOf(err) != tt.code || !errors.Is(err, attach.ErrNoSBOM) || !strings.Contains(err.Error(), "referrer") {
					t.Errorf("code %d: %v", fail.CodeOf(err), err)
				}
				return
			}
			check(t, err)
			report := out.RunImage.Report
			if report.Image != tt.run || report.Config == nil || !strings.HasSuffix(out.Analyzed.RunImage.Reference, report.Digest) {
				t.Errorf("the report is not about the run image: %+v", report)
			}
			if tt.want == "" {
				if out.RunImage.Set != nil || len(report.Searched) == 0 {
					t.Errorf("%+v", report)
				}
				return
			}
			doc, err := format.Decode(strings.NewReader(string(out.RunImage.Data)), "run-image.sbom")
			check(t, err)
			if report.SBOM.Carrier != tt.want || report.SBOM.Packages != len(doc.Packages) || doc.Format != report.SBOM.Format {
				t.Errorf("%+v", report.SBOM)
			}
			if answer := out.RunImage.Set.Answer("curl", ">= 7"); !answer.Met {
				t.Errorf("curl: %s", answer.Reason)
			}
		})
	}
}

func TestAnalyzeLayout(t *testing.T) {
	dir := t.TempDir()
	ref := func(name reference.Reference) reference.Reference {
		return reference.Parse("oci:" + filepath.Join(dir, name.String()))
	}
	path, err := layout.Write(filepath.Join(dir, "run"), empty.Index)
	check(t, err)
	run := lifecycletest.Debian()
	check(t, path.AppendImage(run))
	a := lifecycle.Analyzer{
		API: version(t, "0.15"), Images: &image.Writer{Opener: amd64()}, Locator: ref, Names: refs("app"), RunImage: reference.Parse("run"), Layers: "/layers", Root: t.TempDir(),
	}
	out, err := a.Run(t.Context())
	check(t, err)
	digest, err := run.Digest()
	check(t, err)
	want := &platform.RunImage{
		Reference: filepath.Join(dir, "run") + "@" + digest.String(), Image: "run",
		Target: &platform.Target{OS: "linux", Arch: "amd64", Distro: &platform.Distro{Name: "debian", Version: "12"}},
	}
	if diff := gocmp.Diff(want, out.Analyzed.RunImage); diff != "" {
		t.Error(diff)
	}
	if _, err := amd64().Open(t.Context(), reference.Parse("oci:"+out.Analyzed.RunImage.Reference)); err != nil {
		t.Errorf("the reference cannot be opened: %v", err)
	}
}

func TestTarget(t *testing.T) {
	const release = "NAME=x\nID=ubuntu\nVERSION_ID=\"24.04\"\n"
	type L = lifecycletest.Layer
	for _, tt := range []struct {
		name   string
		layers []L
		labels map[string]string
		want   string // name and version
	}{
		{"labels", []L{{"etc/os-release": release}}, bookworm, "debian 12"},
		{"one label", []L{{"etc/os-release": release}}, map[string]string{"io.buildpacks.base.distro.name": "debian"}, "debian "},
		{"file", []L{{"etc/os-release": release}}, nil, "ubuntu 24.04"},
		{"single quotes", []L{{"etc/os-release": "ID='rhel'\nVERSION_ID='9.4'"}}, nil, "rhel 9.4"},
		{"no version", []L{{"etc/os-release": "ID=arch\n"}}, nil, "arch "},
		{"link", []L{{"etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": release}}, nil, "ubuntu 24.04"},
		{"absolute link", []L{{"etc/os-release": "-> /usr/lib/os-release"}, {"usr/lib/os-release": release}}, nil, "ubuntu 24.04"},
		{"hard link", []L{{"usr/lib/os-release": release, "usr/lib/x": "=> usr/lib/os-release", "etc/os-release": "=> usr/lib/os-release"}}, nil, "ubuntu 24.04"},
		{"link in a circle", []L{{"etc/os-release": "-> os-release"}}, nil, "error"},
		{"topmost", []L{{"etc/os-release": "ID=old\nVERSION_ID=1"}, {"etc/os-release": release}, {"etc/other": ""}}, nil, "ubuntu 24.04"},
		{"removed", []L{{"etc/os-release": release}, {"etc/.wh.os-release": ""}}, nil, ""},
		{"removed with its directory", []L{{"etc/os-release": release}, {".wh.etc": ""}}, nil, ""},
		{"hidden", []L{{"etc/os-release": release}, {"etc/.wh..wh..opq": ""}}, nil, ""},
		{"none", []L{{"etc/passwd": ""}}, nil, ""},
		{"bionic", []L{{"etc/passwd": ""}}, map[string]string{"io.buildpacks.stack.id": "io.buildpacks.stacks.bionic"}, "ubuntu 18.04"},
		{"of another system", []L{{"etc/os-release": release}}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			img := lifecycletest.Labelled(lifecycletest.Image(tt.layers...), tt.labels)
			cfg, err := img.ConfigFile()
			check(t, err)
			cfg = cfg.DeepCopy()
			cfg.Variant = "v2"
			if tt.name == "of another system" {
				cfg.OS = "freebsd"
			}
			img, err = mutate.ConfigFile(img, cfg)
			check(t, err)
			target, err := lifecycle.TargetOf(t.Context(), &image.Image{Name: reference.Parse("run"), Config: cfg, Image: img})
			if tt.want == "error" {
				if err == nil {
					t.Errorf("%+v", target)
				}
				return
			}
			check(t, err)
			want := &platform.Target{OS: cfg.OS, Arch: "amd64", Variant: "v2"}
			if name, version, ok := strings.Cut(tt.want, " "); ok {
				want.Distro = &platform.Distro{Name: name, Version: version}
			}
			if diff := gocmp.Diff(want, target); diff != "" {
				t.Error(diff)
			}
		})
	}
}

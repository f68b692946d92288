package lifecycle_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// A rebasing is an app image that was exported, and a rebaser for it.
type rebasing struct {
	*exporting
	before exported
	r      lifecycle.Rebaser
	said   record
}

// newRebasing exports the reference's app on a run image, and gives that run image's name another image, whose
// configuration may be changed first.
func newRebasing(t *testing.T, old, next v1.Image, requirements string, change func(*v1.ConfigFile)) *rebasing {
	t.Helper()
	x := newExporting(t, nil)
	oldRef := x.registry.Push("run:stable", labelledForRebase(t, old, func(*v1.ConfigFile) {}))
	x.e.RunImage = x.open(oldRef)
	x.e.Analyzed.RunImage = &platform.RunImage{Reference: x.digestOf(oldRef), Image: oldRef}
	x.e.RunFile = &platform.RunFile{Images: []platform.RunImageNames{{Image: oldRef, Mirrors: []string{x.registry.Name + "/mirror:stable"}}}}
	if requirements != "" {
		var label platform.Requirements
		check(t, json.Unmarshal([]byte(requirements), &label))
		x.e.Resolution = &platform.Resolution{Relies: label.Requirements}
	}
	out := &rebasing{exporting: x, before: x.run()}
	x.registry.Push("run:stable", labelledForRebase(t, next, change))
	out.r = lifecycle.Rebaser{
		API: version(t, "0.15"), Images: &image.Writer{Opener: x.opener}, Names: x.e.Names,
		Reader: &base.Reader{Images: x.opener, Finder: &attach.Finder{}, Scan: scanned, Log: out.said.log(slog.LevelInfo)},
		Log:    out.said.log(slog.LevelInfo),
	}
	return out
}

func labelledForRebase(t *testing.T, img v1.Image, change func(*v1.ConfigFile)) v1.Image {
	t.Helper()
	cfg, err := lifecycletest.Labelled(img, bookworm).ConfigFile()
	check(t, err)
	cfg = cfg.DeepCopy()
	cfg.Config.Labels["io.buildpacks.base.released"] = "today"
	cfg.Config.Labels["io.buildpacks.stack.id"] = "acme"
	change(cfg)
	img, err = mutate.ConfigFile(img, cfg)
	check(t, err)
	return img
}

// rebased is the image under a name, checked.
func (r *rebasing) rebased(name string) (v1.Image, *v1.ConfigFile, *platform.AppMetadata) {
	r.t.Helper()
	img, err := remote.Image(lifecycletest.Reference(name))
	check(r.t, err)
	check(r.t, validate.Image(img))
	cfg, err := img.ConfigFile()
	check(r.t, err)
	meta, err := platform.DecodeAppMetadata(cfg.Config.Labels[platform.LifecycleMetadataLabel], name)
	check(r.t, err)
	return img, cfg, meta
}

var (
	oldRun = lifecycletest.Image(lifecycletest.Layer{"etc/base": "1"}, lifecycletest.Layer{"etc/base": "2"})
	newRun = lifecycletest.Image(lifecycletest.Layer{"etc/base": "3"})
)

func TestRebase(t *testing.T) {
	r := newRebasing(t, oldRun, newRun, "", func(cfg *v1.ConfigFile) {
		cfg.Config.Labels["io.buildpacks.base.released"] = "tomorrow"
		cfg.Config.Labels["io.buildpacks.base.homepage"] = "https://new.example"
		delete(cfg.Config.Labels, "io.buildpacks.stack.id")
		cfg.Config.Labels["other"] = "of the run image alone"
		cfg.Config.Env = []string{"PATH=/elsewhere"}
	})
	r.r.Names = append(r.r.Names, reference.Parse(r.registry.Name+"/app:2"))
	report, err := r.r.Run(t.Context())
	check(t, err)
	img, cfg, meta := r.rebased(r.r.Names[1].String())
	digest, err := img.Digest()
	check(t, err)
	size, err := img.Size()
	check(t, err)
	want := &platform.Report{Image: platform.ReportImage{Tags: []string{r.r.Names[0].String(), r.r.Names[1].String()}, Digest: digest.String(), ManifestSize: size}}
	if diff := gocmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}
	if first, _, _ := r.rebased(r.r.Names[0].String()); digestOf(t, first) != digest {
		t.Error("the tags differ")
	}

	run, err := newRun.ConfigFile()
	check(t, err)
	ids := slices.Concat(run.RootFS.DiffIDs, r.before.config.RootFS.DiffIDs[2:])
	if diff := gocmp.Diff(ids, cfg.RootFS.DiffIDs); diff != "" {
		t.Error(diff)
	}
	if len(cfg.History) != len(ids) || cfg.History[len(ids)-1].CreatedBy != "Buildpacks Process Types" {
		t.Errorf("history: %v", cfg.History)
	}
	labels := r.before.config.Config.Labels
	labels["io.buildpacks.base.released"] = "tomorrow"
	labels["io.buildpacks.base.homepage"] = "https://new.example"
	delete(labels, "io.buildpacks.stack.id")
	delete(labels, platform.LifecycleMetadataLabel)
	got := cfg.DeepCopy()
	delete(got.Config.Labels, platform.LifecycleMetadataLabel)
	if diff := gocmp.Diff(r.before.config.Config, got.Config); diff != "" {
		t.Errorf("the configuration has changed:\n%s", diff)
	}
	expect := *r.before.meta
	expect.RunImage.TopLayer, expect.RunImage.Reference = ids[0].String(), r.digestOf(r.registry.Name+"/run:stable")
	if diff := gocmp.Diff(&expect, meta); diff != "" {
		t.Error(diff)
	}

	// Onto the same run image again: the same image.
	again, err := r.r.Run(t.Context())
	check(t, err)
	if again.Image.Digest != report.Image.Digest {
		t.Error("the same rebase gave another image")
	}
}

func digestOf(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	digest, err := img.Digest()
	check(t, err)
	return digest
}

// TestRebaseWritesOnlyTheNamedImages: only the images that are named are written.
func TestRebaseWritesOnlyTheNamedImages(t *testing.T) {
	r := newRebasing(t, oldRun, newRun, "", func(*v1.ConfigFile) {})
	r.r.Previous, r.r.Names = r.r.Names[0], refs(r.registry.Name+"/other:1")
	_, err := r.r.Run(t.Context())
	check(t, err)
	if before, _, _ := r.rebased(r.r.Previous.String()); digestOf(t, before) != digestOf(t, r.before.image) {
		t.Error("the previous image was written")
	}
	r.rebased(r.r.Names[0].String())
}

func TestRebaseSafety(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*rebasing)
		next   func(*v1.ConfigFile)
		refuse string // from Platform API 0.12, unless forced; empty: never refused
	}{
		{"a mirror", func(r *rebasing) { r.r.RunImage = reference.Parse(r.registry.Name + "/mirror:stable") }, nil, ""},
		{"another name", func(r *rebasing) { r.r.RunImage = reference.Parse(r.registry.Name + "/foreign:1") }, nil, "is not the run image"},
		{"another os", nil, func(c *v1.ConfigFile) { c.OS = "freebsd" }, "os"},
		{"another architecture", func(r *rebasing) { r.r.RunImage = reference.Parse("") }, func(c *v1.ConfigFile) { c.Architecture = "arm64" }, "architecture"},
		{"another distribution", nil, func(c *v1.ConfigFile) { c.Config.Labels[platform.DistroNameLabel] = "ubuntu" }, "distribution"},
		{"another version", nil, func(c *v1.ConfigFile) { c.Config.Labels[platform.DistroVersionLabel] = "13" }, "version"},
		{"a variant", nil, func(c *v1.ConfigFile) { c.Variant = "v3" }, ""},
		{"no labels", nil, func(c *v1.ConfigFile) { c.Config.Labels = nil }, "distribution"},
		{"not rebasable", func(r *rebasing) {
			img, err := remote.Image(lifecycletest.Reference(r.r.Names[0].String()))
			check(r.t, err)
			r.registry.Push("app:1", lifecycletest.Labelled(img, map[string]string{platform.RebasableLabel: "false"}))
		}, nil, "not rebasable"},
	} {
		for _, mode := range []string{"0.15", "0.15 forced", "0.11"} {
			t.Run(tt.name+" "+mode, func(t *testing.T) {
				next := tt.next
				if next == nil {
					next = func(*v1.ConfigFile) {}
				}
				r := newRebasing(t, oldRun, newRun, "", next)
				for _, name := range []string{"mirror:stable", "foreign:1"} {
					r.registry.Push(name, labelledForRebase(t, newRun, func(*v1.ConfigFile) {}))
				}
				if tt.change != nil {
					tt.change(r)
				}
				before, _, _ := r.rebased(r.r.Names[0].String())
				v, forced := strings.CutSuffix(mode, " forced")
				r.r.API, r.r.Force = version(t, v), forced
				_, err := r.r.Run(t.Context())
				after, cfg, meta := r.rebased(r.r.Names[0].String())
				if tt.refuse != "" && mode == "0.15" {
					if fail.CodeOf(err) != fail.Rebase || !strings.Contains(err.Error(), tt.refuse) {
						t.Errorf("code %d: %v", fail.CodeOf(err), err)
					}
					if digestOf(t, before) != digestOf(t, after) {
						t.Error("the image was written")
					}
					return
				}
				check(t, err)
				if digestOf(t, before) == digestOf(t, after) {
					t.Error("the image was not written")
				}
				if forced && tt.refuse != "" && !strings.Contains(r.said.String(), tt.refuse) {
					t.Errorf("no warning:\n%s", r.said.String())
				}
				if forced && tt.next != nil {
					expect, err := labelledForRebase(t, newRun, tt.next).ConfigFile()
					check(t, err)
					if cfg.OS != expect.OS || cfg.Architecture != expect.Architecture || cfg.Variant != expect.Variant ||
						cfg.Config.Labels[platform.DistroNameLabel] != expect.Config.Labels[platform.DistroNameLabel] {
						t.Errorf("the target is not the new run image's: %+v", cfg)
					}
				}
				if forced && tt.name == "another name" {
					want := platform.AppRunImage{TopLayer: meta.RunImage.TopLayer, Reference: meta.RunImage.Reference, Image: r.r.RunImage.String()}
					if diff := gocmp.Diff(want, meta.RunImage); diff != "" {
						t.Error(diff)
					}
				}
			})
		}
	}
}

// TestRebaseOfAnUnsuitableImage names what is wrong with the image.
func TestRebaseOfAnUnsuitableImage(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	for name, tt := range map[string]struct{ label, want string }{
		"no app image":  {"", "not an app image"},
		"no JSON":       {"{", platform.LifecycleMetadataLabel},
		"no run image":  {`{"runImage": {"topLayer": "sha256:` + strings.Repeat("0", 64) + `"}}`, "-run-image"},
		"lost layer":    {`{"runImage": {"image": "HOST/run:1", "topLayer": "sha256:` + strings.Repeat("0", 64) + `"}}`, "no layer"},
		"invalid layer": {`{"runImage": {"image": "HOST/run:1", "topLayer": "x"}}`, platform.LifecycleMetadataLabel},
		"no image":      {"lost", "no such image"},
	} {
		t.Run(name, func(t *testing.T) {
			host.Push("run:1", lifecycletest.Scratch())
			app := host.Name + "/lost:1"
			if tt.label != "lost" {
				app = host.Push("app:1", lifecycletest.Labelled(lifecycletest.Scratch(), map[string]string{
					platform.LifecycleMetadataLabel: strings.ReplaceAll(tt.label, "HOST", host.Name)}))
			}
			r := lifecycle.Rebaser{API: version(t, "0.15"), Images: &image.Writer{Opener: amd64()}, Names: refs(app)}
			if _, err := r.Run(t.Context()); fail.CodeOf(err) != fail.Rebase || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("code %d: %v", fail.CodeOf(err), err)
			}
		})
	}
}

// TestRebaseCheck: a run image without what the app relies on is refused (docs/design.md, "Verdicts").
func TestRebaseCheck(t *testing.T) {
	const curl = `{"version": "1.0", "requirements": [
		{"name": "curl", "constraint": ">= 7", "rule": "deb", "evidence": ["pkg:deb/debian/curl"], "required-by": "acme/app"},
		{"name": "libcurl4", "evidence": ["pkg:deb/debian/libcurl4"], "proved-by-effect": "acme/php"}]}`
	with, without := lifecycletest.Debian("curl"), lifecycletest.Debian()
	alpine := lifecycletest.Alpine()
	for _, tt := range []struct {
		name, label string
		next        v1.Image
		check       string
		force       bool
		attach      bool
		refuse      []string // in the message; none: it is rebased
		warn        string
	}{
		{"has it", curl, with, "", false, false, nil, ""},
		{"has it, attached", curl, with, "fail", false, true, nil, ""},
		{"lacks it", curl, without, "", false, false, []string{"curl >= 7, required by acme/app", "libcurl4, for which the extension acme/php was skipped", "/run:stable"}, ""},
		{"lacks it, attached", curl, without, "fail", false, true, []string{"curl"}, ""},
		{"lacks it, forced", curl, without, "", true, false, nil, "required by acme/app"},
		{"lacks it, warned", curl, without, "warn", false, false, nil, "required by acme/app"},
		{"lacks it, off", curl, without, "off", false, false, nil, ""},
		{"another distribution's", curl, alpine, "", false, false, []string{"curl"}, ""},
		{"no database", curl, newRun, "", false, false, []string{"curl"}, ""},
		{"no label", "", without, "", false, false, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			later := func(c *v1.ConfigFile) { c.Config.Labels["io.buildpacks.base.released"] = "tomorrow" }
			r := newRebasing(t, with, tt.next, tt.label, later)
			if tt.attach {
				ref := r.registry.Name + "/run:stable"
				attached(t, ref, labelledForRebase(t, tt.next, later))
				attached(t, r.before.meta.RunImage.Reference, labelledForRebase(t, with, func(*v1.ConfigFile) {}))
				r.r.Reader.Scan = nil // what is attached has to do
			}
			r.r.Check, r.r.Force = tt.check, tt.force
			_, err := r.r.Run(t.Context())
			after, _, _ := r.rebased(r.r.Names[0].String())
			if written := digestOf(t, after) != digestOf(t, r.before.image); written != (tt.refuse == nil) {
				t.Errorf("written: %t (%v)", written, err)
			}
			if tt.refuse == nil {
				check(t, err)
			} else if fail.CodeOf(err) != fail.Rebase {
				t.Errorf("code %d: %v", fail.CodeOf(err), err)
			}
			for _, part := range tt.refuse {
				if !strings.Contains(fmt.Sprint(err), part) {
					t.Errorf("the message does not say %q: %v", part, err)
				}
			}
			if warned := strings.Contains(r.said.String(), "level=WARN"); warned != (tt.warn != "") || !strings.Contains(r.said.String(), tt.warn) {
				t.Errorf("log:\n%s", r.said.String())
			}
			if lists := strings.Contains(r.said.String(), "Packages removed: deb curl"); lists != (tt.name == "lacks it, attached") {
				t.Errorf("lists packages: %t\n%s", lists, r.said.String())
			}
		})
	}
}

// TestRebaseComparesWithTheRecordedImage: the reference of the old run image is read as the exporter records it, which
// may be the path of a layout or an image ID.
func TestRebaseComparesWithTheRecordedImage(t *testing.T) {
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	check(t, err)
	check(t, path.AppendImage(lifecycletest.Debian("curl")))
	for recorded, want := range map[string]string{
		dir:                                 "looking for the SBOM of oci:" + dir + ": no usable SBOM is attached",
		"sha256:" + strings.Repeat("0", 64): "opening image docker://sha256:" + strings.Repeat("0", 64),
	} {
		r := newRebasing(t, lifecycletest.Debian("curl"), lifecycletest.Debian(), `{"version": "1.0", "requirements": [{"name": "tzdata", "evidence": ["pkg:deb/debian/tzdata"]}]}`, func(*v1.ConfigFile) {})
		attached(t, r.registry.Name+"/run:stable", labelledForRebase(t, lifecycletest.Debian(), func(*v1.ConfigFile) {}))
		r.before.meta.RunImage.Reference = recorded
		label, err := platform.EncodeLabel(r.before.meta)
		check(t, err)
		r.registry.Push("app:1", lifecycletest.Labelled(r.before.image, map[string]string{platform.LifecycleMetadataLabel: label}))
		r.r.Log = r.said.log(slog.LevelDebug)
		_, err = r.r.Run(t.Context())
		check(t, err)
		if !strings.Contains(r.said.String(), "cannot compare with the old run image: "+want) {
			t.Errorf("recorded as %s: %s", recorded, r.said.String())
		}
	}
}

// TestRebaseWithoutInventory: an unreadable inventory is a warning, not an error.
func TestRebaseWithoutInventory(t *testing.T) {
	r := newRebasing(t, oldRun, newRun, `{"version": "1.0", "requirements": [{"name": "curl", "evidence": ["pkg:deb/debian/curl"]}]}`, func(*v1.ConfigFile) {})
	r.r.Reader.Scan = nil
	_, err := r.r.Run(t.Context())
	check(t, err)
	if !strings.Contains(r.said.String(), "is not checked") {
		t.Errorf("log:\n%s", r.said.String())
	}
}

// TestRebaseUnreadableLabel: an unreadable label counts as unmet requirements.
func TestRebaseUnreadableLabel(t *testing.T) {
	for _, label := range []string{"{", `{"version": "2.0", "requirements": []}`, `{"version": "1.0", "requirements": [{"name": "x", "constraint": "?"}]}`} {
		r := newRebasing(t, oldRun, newRun, "", func(*v1.ConfigFile) {})
		r.registry.Push("app:1", lifecycletest.Labelled(r.before.image, map[string]string{platform.RequirementsLabel: label}))
		if _, err := r.r.Run(t.Context()); fail.CodeOf(err) != fail.Rebase || !strings.Contains(err.Error(), platform.RequirementsLabel) {
			t.Errorf("%s: code %d: %v", label, fail.CodeOf(err), err)
		}
	}
}

// TestRebaseWithoutWriting: where the registry refuses, the image stays, and the message says which and why.
func TestRebaseWithoutWriting(t *testing.T) {
	r := newRebasing(t, oldRun, newRun, "", func(*v1.ConfigFile) {})
	d := guard(t, r.registry)
	d.refuse = func(req *http.Request) int {
		if req.Method == http.MethodPut || req.Method == http.MethodPost {
			return http.StatusForbidden
		}
		return 0
	}
	r.r.Previous, r.r.Names = r.r.Names[0], refs(d.name+"/app:1")
	report, err := r.r.Run(t.Context())
	if fail.CodeOf(err) != fail.Rebase || !strings.Contains(err.Error(), d.name+"/app:1") || report != nil {
		t.Errorf("code %d: %v, %+v", fail.CodeOf(err), err, report)
	}
}

package attach

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/registry"
)

const declaration = `{"version":"1.0","provides":[{"name":"shell","evidence":["pkg:rpm/centos/bash"]}]}`

func quick() *Attacher { return &Attacher{Settle: 40 * time.Millisecond} }

func everything(t testing.TB) Material {
	m := Material{Provides: []byte(declaration)}
	for _, f := range []sbom.Format{sbom.CycloneDX, sbom.SPDX, sbom.Syft} {
		m.SBOMs = append(m.SBOMs, fixtures(t)[f])
	}
	return m
}

// TestAttach attaches in every form on every registry, finds it again, and
// attaches it again, which changes nothing.
func TestAttach(t *testing.T) {
	key := ecdsaKey(t)
	for kind, handler := range registries {
		for _, c := range []struct {
			name    string
			options Options
			carrier Carrier
			keys    bool
		}{
			{"referrer", Options{}, Referrer, false},
			{"referrer, signed", Options{As: AsReferrer, Sign: key}, Referrer, true},
			{"cosign", Options{As: AsCosign}, CosignSBOM, false},
			{"cosign, signed", Options{As: AsCosign, Sign: key}, CosignAttestation, true},
			{"layer", Options{As: AsLayer}, Layer, false},
		} {
			for where, opts := range map[string][]worldOption{"image": nil, "index": {indexed}} {
				t.Run(kind+"/"+c.name+"/"+where, func(t *testing.T) {
					w := newWorld(t, handler(), opts...)
					c.options.Material = material(everything(t))
					done := must(quick().Attach(shortCtx(t), w.ref, c.options))(t)
					for _, a := range done {
						if !a.Changed || a.Digest.Hex == "" {
							t.Errorf("%s %s: changed is %t, digest %q", a.What, a.Format, a.Changed, a.Digest)
						}
					}
					before := snapshot(t, w)
					s := w.resolved(t)
					if c.carrier != Layer && s.Digest != w.digest {
						t.Errorf("the image's digest changed from %s to %s", w.digest, s.Digest)
					}
					f := &Finder{}
					if c.keys {
						f.Trust.Keys = publicOf(key)
					}
					r := must(f.Find(shortCtx(t), s))(t)
					if r.Found == nil || r.Found.Carrier != c.carrier || r.Found.Document.Format != sbom.Syft {
						t.Fatalf("want Syft in %s, got %v\n%v", c.carrier, r.Found, r.Missing("run"))
					}
					if r.Declaration == nil && c.carrier == Referrer || len(r.Warnings) > 0 {
						t.Errorf("the declaration is %v, warnings %v", r.Declaration, r.Warnings)
					}
					again := must(quick().Attach(shortCtx(t), w.ref, c.options))(t)
					for i, a := range again {
						if a.Changed || a.Digest != done[i].Digest {
							t.Errorf("attached again: %s %s is changed %t, digest %s, want %s", a.What, a.Format, a.Changed, a.Digest, done[i].Digest)
						}
					}
					if diff := cmp.Diff(before, snapshot(t, w)); diff != "" {
						t.Errorf("attaching again changed tags (-before +after):\n%s", diff)
					}
				})
			}
		}
	}
}

// resolved is the subject as the reference stands for it now.
func (w *world) resolved(t *testing.T) Subject {
	t.Helper()
	desc := must(ggcr.Get(w.ref))(t)
	s := Subject{Ref: w.ref, HasDatabase: func(context.Context) (bool, error) { return true, nil }}
	if !desc.MediaType.IsIndex() {
		s.Image, s.Digest = must(desc.Image())(t), desc.Digest
		return s
	}
	s.Index = must(desc.ImageIndex())(t)
	m := must(s.Index.IndexManifest())(t)
	s.Digest = m.Manifests[0].Digest
	s.Image = must(s.Index.Image(s.Digest))(t)
	return s
}

// snapshot is every tag and its digest.
func snapshot(t *testing.T, w *world) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, tag := range must(ggcr.List(w.ref.Context()))(t) {
		all[tag] = must(ggcr.Head(w.ref.Context().Tag(tag)))(t).Digest.String()
	}
	return all
}

// Others must be able to read what we write.
func TestInterop(t *testing.T) {
	t.Run("oras-go lists and reads referrers", func(t *testing.T) {
		for kind, handler := range registries {
			w := newWorld(t, handler())
			must(quick().Attach(shortCtx(t), w.ref, Options{Material: material(everything(t))}))(t)
			repo := w.oras()
			found := map[string]string{}
			check(t, repo.Referrers(t.Context(), w.subjectDesc(false), "", func(page []ocispec.Descriptor) error {
				for _, d := range page {
					rc := must(repo.Manifests().Fetch(t.Context(), d))(t)
					var m ocispec.Manifest
					check(t, json.NewDecoder(rc).Decode(&m))
					if len(m.Layers) != 1 || m.Layers[0].MediaType != m.ArtifactType || m.Subject.Digest.String() != w.digest.String() {
						t.Errorf("%s: %+v", kind, m)
					}
					found[m.ArtifactType] = string(must(io.ReadAll(must(repo.Blobs().Fetch(t.Context(), m.Layers[0]))(t)))(t))
				}
				return nil
			}))
			want := map[string]string{DeclarationType: declaration}
			for f, data := range fixtures(t) {
				want[f.MediaType()] = string(data)
			}
			if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("%s: %s", kind, diff)
			}
		}
	})
	t.Run("go-containerregistry lists referrers", func(t *testing.T) {
		for kind, handler := range registries {
			if kind == "paged referrers" {
				continue // it follows no pages
			}
			w := newWorld(t, handler())
			must(quick().Attach(shortCtx(t), w.ref, Options{Material: material(everything(t))}))(t)
			index := must(ggcr.Referrers(w.ref.Context().Digest(w.digest.String())))(t)
			if n := len(must(index.IndexManifest())(t).Manifests); n != 4 {
				t.Errorf("%s: %d referrers, want 4", kind, n)
			}
		}
	})
	t.Run("go-containerregistry reads cosign's tags", func(t *testing.T) {
		key := ecdsaKey(t)
		w := newWorld(t, ggcrRegistry(false))
		must(quick().Attach(shortCtx(t), w.ref, Options{As: AsCosign, Material: material(everything(t))}))(t)
		must(quick().Attach(shortCtx(t), w.ref, Options{As: AsCosign, Sign: key, Material: material(everything(t))}))(t)
		for _, suffix := range []string{".sbom", ".att"} {
			image := must(ggcr.Image(w.ref.Context().Tag(digestTag(w.digest, suffix))))(t)
			check(t, validate.Image(image, validate.Fast))
			layers := must(image.Layers())(t)
			if len(layers) != 3 {
				t.Errorf("%s: %d layers, want 3", suffix, len(layers))
			}
		}
	})
	t.Run("sigstore-go reads bundles", func(t *testing.T) {
		key := ecdsaKey(t)
		w := newWorld(t, ggcrRegistry(true))
		done := must(quick().Attach(shortCtx(t), w.ref, Options{Sign: key, Material: material(Material{SBOMs: [][]byte{fixtures(t)[sbom.SPDX]}})}))(t)
		repo := newRepository(w.ref.Context(), &registry.Client{}, Limits{})
		_, raw, err := repo.manifest(t.Context(), done[0].Digest.String())
		check(t, err)
		m := must(decodeManifest(raw))(t)
		var b bundle.Bundle
		check(t, b.UnmarshalJSON(must(repo.blob(t.Context(), m.Layers[0], 1<<20))(t)))
		content := must(b.SignatureContent())(t)
		if s := must(content.EnvelopeContent().Statement())(t); s.GetPredicateType() != predicateSPDX || s.GetSubject()[0].GetDigest()["sha256"] != w.digest.Hex {
			t.Errorf("sigstore-go reads %v", s)
		}
	})
}

func TestAttachOnePlatform(t *testing.T) {
	other := newImage(t, worldOptions{})
	w := newWorld(t, ggcrRegistry(true), indexed, func(o *worldOptions) {
		o.adorn = func(v1.Image) []mutate.IndexAddendum {
			return []mutate.IndexAddendum{{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}}}
		}
	})
	m := Material{SBOMs: [][]byte{cdxOf("tzdata", "all")}}
	done := must(quick().Attach(shortCtx(t), w.ref, Options{Material: material(m), Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}))(t)
	if len(done) != 1 || done[0].Target.DigestStr() != must(other.Digest())(t).String() {
		t.Errorf("attached to %v, want the arm64 image", done)
	}
	if _, err := quick().Attach(shortCtx(t), w.ref, Options{Material: material(m), Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}}); err == nil || !strings.Contains(err.Error(), "no image for linux/s390x") {
		t.Errorf("got %v", err)
	}
	if done = must(quick().Attach(shortCtx(t), w.ref, Options{Material: material(m)}))(t); len(done) != 2 {
		t.Errorf("attached to %d images, want both", len(done))
	}
}

// A failed check leaves nothing behind, on whichever platform it failed.
func TestAttachWritesNothingWhenACheckFails(t *testing.T) {
	good := fixtures(t)[sbom.SPDX]
	for name, o := range map[string]Options{
		"caller's check": {Material: func(context.Context, Target) (Material, error) {
			return Material{}, errors.New("jre is not backed by the inventory")
		}},
		"another platform's":   {Material: material(Material{SBOMs: [][]byte{cdxOf("curl", "arm64")}})},
		"not an SBOM":          {Material: material(Material{SBOMs: [][]byte{good, []byte("<html>")}})},
		"two of one format":    {Material: material(Material{SBOMs: [][]byte{good, good}})},
		"nothing":              {Material: material(Material{})},
		"broken declaration":   {Material: material(Material{SBOMs: [][]byte{good}, Provides: []byte("{")})},
		"no material":          {},
		"unknown form":         {As: "fax", Material: material(Material{SBOMs: [][]byte{good}})},
		"signed layer":         {As: AsLayer, Sign: ecdsaKey(t), Material: material(Material{SBOMs: [][]byte{good}})},
		"second platform only": {Material: secondFails(good)},
	} {
		t.Run(name, func(t *testing.T) {
			other := newImage(t, worldOptions{})
			w := newWorld(t, ggcrRegistry(true), indexed, func(opt *worldOptions) {
				opt.adorn = func(v1.Image) []mutate.IndexAddendum {
					return []mutate.IndexAddendum{{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}}}
				}
			})
			if _, err := quick().Attach(shortCtx(t), w.ref, o); err == nil {
				t.Error("want an error")
			}
			for _, r := range w.seen() {
				if !strings.HasPrefix(r, "GET") && !strings.HasPrefix(r, "HEAD") {
					t.Errorf("wrote: %s", r)
				}
			}
		})
	}
}

func secondFails(good []byte) func(context.Context, Target) (Material, error) {
	n := 0
	return func(context.Context, Target) (Material, error) {
		if n++; n == 2 {
			return Material{}, errors.New("no")
		}
		return Material{SBOMs: [][]byte{good}}, nil
	}
}

// A second SBOM layer takes the place of the first, and the image below is as
// it was.
func TestAttachLayerReplaces(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true))
	layers := len(must(w.image.Layers())(t))
	attach := func(m Material, to name.Tag) Attached {
		t.Helper()
		return must(quick().Attach(shortCtx(t), w.ref, Options{As: AsLayer, Material: material(m), Tag: to}))(t)[0]
	}
	first := attach(Material{SBOMs: [][]byte{fixtures(t)[sbom.SPDX]}}, name.Tag{})
	attach(Material{SBOMs: [][]byte{fixtures(t)[sbom.Syft]}, Provides: []byte(declaration)}, name.Tag{})
	image := must(ggcr.Image(w.ref))(t)
	check(t, validate.Image(image))
	if n := len(must(image.Layers())(t)); n != layers+1 {
		t.Errorf("%d layers, want %d", n, layers+1)
	}
	config := must(image.ConfigFile())(t)
	if n := len(config.History); n != layers+1 {
		t.Errorf("%d entries of history, want %d", n, layers+1)
	}
	if config.Config.Labels[ProvidesLabel] != declaration {
		t.Errorf("label is %q", config.Config.Labels[ProvidesLabel])
	}
	r := must(new(Finder).Find(shortCtx(t), w.resolved(t)))(t)
	if r.Found == nil || r.Found.Document.Format != sbom.Syft || string(r.Declaration.Data) != declaration {
		t.Errorf("found %v, declaration %v", r.Found, r.Declaration)
	}
	tag := w.ref.Context().Tag("other")
	back := attach(Material{SBOMs: [][]byte{fixtures(t)[sbom.SPDX]}, Provides: []byte(declaration)}, tag)
	if back.Digest == first.Digest {
		t.Error("the label of the declaration is gone")
	}
	if got := must(ggcr.Head(tag))(t).Digest; got != back.Digest {
		t.Errorf("tag other is %s, want %s", got, back.Digest)
	}
}

// BuildKit's attestations of an image that is no more must not be carried on.
func TestAttachLayerDropsAttestations(t *testing.T) {
	w := newWorld(t, ggcrRegistry(true), buildkitIndex(func(subject string) []byte {
		return inToto(t, statementV01, predicateSPDX, json.RawMessage(fixtures(t)[sbom.SPDX]), subject)
	}, ownDigest))
	must(quick().Attach(shortCtx(t), w.ref, Options{As: AsLayer, Material: material(Material{SBOMs: [][]byte{fixtures(t)[sbom.Syft]}})}))(t)
	s := w.resolved(t)
	if n := len(must(s.Index.IndexManifest())(t).Manifests); n != 1 {
		t.Errorf("%d entries in the index, want the image alone", n)
	}
	if r := must(new(Finder).Find(shortCtx(t), s))(t); r.Found == nil || r.Found.Carrier != Layer {
		t.Errorf("got %v", outcomes(r))
	}
}

func TestAttachCreated(t *testing.T) {
	epoch := time.Unix(1700000000, 0)
	w := newWorld(t, ggcrRegistry(true))
	done := must(quick().Attach(shortCtx(t), w.ref, Options{Created: epoch, Material: material(Material{SBOMs: [][]byte{fixtures(t)[sbom.Syft]}})}))(t)
	_, raw, err := newRepository(w.ref.Context(), &registry.Client{}, Limits{}).manifest(t.Context(), done[0].Digest.String())
	check(t, err)
	if got := must(decodeManifest(raw))(t).Annotations[ocispec.AnnotationCreated]; got != "2023-11-14T22:13:20Z" {
		t.Errorf("created %q, want SOURCE_DATE_EPOCH's", got)
	}
}

// numbered is an SBOM unlike that of any other i.
func numbered(i int) []byte {
	return fmt.Appendf(nil, `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{"type":"library","name":"p%d","version":"1","purl":"pkg:deb/debian/p%d@1"}]}`, i, i)
}

// TestConcurrentAttachers holds that none of many publishers is lost on a
// registry where they all write one tag, whether they are goroutines or
// processes that know nothing of one another.
func TestConcurrentAttachers(t *testing.T) {
	const each = 8
	for kind := range registries {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, registries[kind]())
			var wg sync.WaitGroup
			errs := make([]error, 2*each)
			for i := range each {
				wg.Go(func() {
					a := &Attacher{Settle: 400 * time.Millisecond}
					_, errs[i] = a.Attach(shortCtx(t), w.ref, Options{Material: material(Material{SBOMs: [][]byte{numbered(i)}})})
				})
				wg.Go(func() {
					cmd := exec.CommandContext(shortCtx(t), os.Args[0], "-test.run", "^TestAttacherProcess$", "-test.count=1")
					cmd.Env = append(os.Environ(), "ATTACH_TO="+w.ref.Name(), fmt.Sprintf("ATTACH_DOCUMENT=%d", each+i))
					if out, err := cmd.CombinedOutput(); err != nil {
						errs[each+i] = fmt.Errorf("%w: %s", err, out)
					}
				})
			}
			wg.Wait()
			check(t, errors.Join(errs...))
			found := map[string]bool{}
			repo := w.oras()
			check(t, repo.Referrers(t.Context(), w.subjectDesc(false), "", func(page []ocispec.Descriptor) error {
				for _, d := range page {
					rc := must(repo.Manifests().Fetch(t.Context(), d))(t)
					var m ocispec.Manifest
					check(t, json.NewDecoder(rc).Decode(&m))
					found[m.Layers[0].Digest.String()] = true
				}
				return nil
			}))
			for i := range 2 * each {
				if !found[blobOf("", numbered(i)).desc.Digest.String()] {
					t.Errorf("document %d is lost", i)
				}
			}
		})
	}
}

// TestAttacherProcess is one publisher of TestConcurrentAttachers.
func TestAttacherProcess(t *testing.T) {
	to := os.Getenv("ATTACH_TO")
	if to == "" {
		t.Skip("runs as a process of TestConcurrentAttachers")
	}
	var i int
	must(fmt.Sscan(os.Getenv("ATTACH_DOCUMENT"), &i))(t)
	a := &Attacher{Settle: 400 * time.Millisecond}
	must(a.Attach(shortCtx(t), must(name.ParseReference(to))(t), Options{Material: material(Material{SBOMs: [][]byte{numbered(i)}})}))(t)
}

// A registry that is slow to answer a read does not make an attachment new.
func TestAttachAgainWithASlowRegistry(t *testing.T) {
	key := ecdsaKey(t)
	for name, o := range map[string]Options{"cosign": {As: AsCosign}, "cosign, signed": {As: AsCosign, Sign: key}} {
		t.Run(name, func(t *testing.T) {
			var slow atomic.Pointer[sync.Map] // paths that were read; nil: answer at once
			w := newWorld(t, intercept(ggcrRegistry(true), func(_ http.ResponseWriter, r *http.Request) bool {
				seen := slow.Load()
				if seen == nil || !strings.Contains(r.URL.Path, "/manifests/sha256-") {
					return false
				}
				if _, again := seen.LoadOrStore(r.URL.Path, true); again {
					return false
				}
				<-r.Context().Done() // until the publisher gives up
				return true
			}))
			o.Material = material(everything(t))
			first := must(quick().Attach(shortCtx(t), w.ref, o))(t)
			seen := &sync.Map{}
			slow.Store(seen)
			for i, a := range must(quick().Attach(shortCtx(t), w.ref, o))(t) {
				if a.Changed || a.Digest != first[i].Digest {
					t.Errorf("%s %s: changed is %t, digest %s, want that of before, %s", a.What, a.Format, a.Changed, a.Digest, first[i].Digest)
				}
			}
			if _, read := seen.Load("/v2/" + w.ref.Context().RepositoryStr() + "/manifests/" + digestTag(w.digest, ".att")); !read && o.Sign != nil {
				t.Error("the tag was not read")
			}
		})
	}
}

// A publisher with the worst timing overwrites the tag right after we wrote it:
// it must not cost us our entry, nor it its own.
func TestAttachSurvivesALateWriter(t *testing.T) {
	base := ggcrRegistry(false)
	var w *world
	var once sync.Once
	w = newWorld(t, intercept(base, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || w == nil || !strings.HasSuffix(r.URL.Path, digestTag(w.digest, "")) {
			return false
		}
		base.ServeHTTP(rw, r)
		once.Do(func() {
			theirs := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":7,"artifactType":"application/vnd.example"}]}`, w.digest)
			late := r.Clone(context.Background())
			late.Body = io.NopCloser(bytes.NewReader(theirs))
			late.ContentLength = int64(len(theirs))
			base.ServeHTTP(discard{http.Header{}}, late)
		})
		return true
	}))
	must(quick().Attach(shortCtx(t), w.ref, Options{Material: material(everything(t))}))(t)
	repo := newRepository(w.ref.Context(), &registry.Client{}, Limits{})
	_, raw, err := repo.manifest(t.Context(), digestTag(w.digest, ""))
	check(t, err)
	var index ocispec.Index
	check(t, json.Unmarshal(raw, &index))
	if len(index.Manifests) != 5 || !slices.ContainsFunc(index.Manifests, func(d ocispec.Descriptor) bool { return d.ArtifactType == "application/vnd.example" }) {
		t.Errorf("the tag lists %d entries, want our 4 and theirs", len(index.Manifests))
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// A tag that holds something else is left alone.
func TestAttachRespectsForeignTag(t *testing.T) {
	w := newWorld(t, ggcrRegistry(false))
	tag := w.ref.Context().Tag(digestTag(w.digest, ""))
	check(t, ggcr.Write(tag, newImage(t, worldOptions{})))
	before := snapshot(t, w)
	_, err := quick().Attach(shortCtx(t), w.ref, Options{Material: material(everything(t))})
	if err == nil || !strings.Contains(err.Error(), "not an index of referrers") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, snapshot(t, w)); diff != "" {
		t.Error(diff)
	}
}

// TestAttachReplacesADeclaration: builds use the declaration that was attached last, and attaching it again changes
// nothing.
func TestAttachReplacesADeclaration(t *testing.T) {
	for _, kind := range []string{"no referrers API", "distribution 3"} { // go-containerregistry's API lists no annotations
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, registries[kind]())
			for i := range 6 {
				declared := []byte(fmt.Sprintf(`{"version": "1.0", "provides": [{"name": "name-%d", "evidence": ["file:/bin/sh"]}]}`, i%3))
				for again := range 2 {
					attached := must(quick().Attach(t.Context(), w.ref, Options{Material: material(Material{Provides: declared})}))(t)
					if attached[0].Changed != (again == 0) {
						t.Fatalf("declaration %d, changed: %t", i, attached[0].Changed)
					}
					r := must((&Finder{}).Find(shortCtx(t), w.subject()))(t)
					if r.Declaration == nil || string(r.Declaration.Data) != string(declared) || r.Declaration.Reference != attached[0].Reference {
						t.Fatalf("declaration %d: a build uses %v", i, r.Declaration)
					}
				}
			}
		})
	}
}

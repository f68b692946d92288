//go:build e2e

package main

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// missingRunImage is a platform whose run image is in no daemon and in no registry.
func missingRunImage(t *testing.T, s *site, api string) *platformtest.Platform {
	t.Helper()
	p := s.full("baseplan-e2e/app:missing-" + s.id)
	p.API, p.RunImage = api, s.repository+"/run:missing"
	return p
}

// failsAt checks how a build without its run image ended.
func failsAt(t *testing.T, b platformtest.Built, phase string, exit int, texts ...string) {
	t.Helper()
	if b.Failed != phase || b.Exit != exit {
		t.Errorf("%q ended with %d, want %s to end with %d\n%s", b.Failed, b.Exit, phase, exit, b.Log)
	}
	for _, text := range texts {
		if !b.Has(text) {
			t.Errorf("nobody says %q:\n%s", text, b.Log)
		}
	}
}

// TestRunImageIsMissing builds on a daemon without the run image: only what needs it fails.
func TestRunImageIsMissing(t *testing.T) {
	t.Parallel()
	const warning = "the run image is missing and has to be pulled before the app image is exported"
	for _, api := range []string{"0.7", "0.11", "0.12", "0.15"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			p := missingRunImage(t, s, api)
			failsAt(t, p.FivePhases(app("one")), "exporter", 62, warning, "opening image docker://"+p.RunImage+": no such image")
			b := p.Creator(app("one"))
			failsAt(t, b, "creator", 62, warning, "===> EXPORTING", "opening image docker://"+p.RunImage+": no such image")

			p.Before = func(phase string) {
				if phase == "exporter" {
					s.runImage(p.RunImage, "")
				}
			}
			built(t, p.FivePhases(app("one")))
			s.outputs(t, p.Name, "one")
			late := s.imageID(p.Name)
			p.Before = nil
			built(t, p.FivePhases(app("one")))
			if id := s.imageID(p.Name); id != late {
				t.Errorf("the image is %s where the run image comes late, and %s where it is there", late, id)
			}
		})
	}
	t.Run("publish", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		p := missingRunImage(t, s, "0.15")
		p.Publish, p.Name = true, s.repository+"/app:missing"
		failsAt(t, p.FivePhases(app("one")), "analyzer", 32, "opening image "+p.RunImage+":", "no such image")
		failsAt(t, p.Creator(app("one")), "creator", 32, "opening image "+p.RunImage+":", "no such image")
	})
}

// TestRunImageIsPulledLate has the run image in a registry, as an index, until the exporter needs it.
func TestRunImageIsPulledLate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := missingRunImage(t, s, "0.15")
	s.runImage(p.RunImage, "")
	s.Do(nil, "push", "-q", p.RunImage)
	asIndex(t, p.RunImage)
	s.Do(nil, "rmi", "-f", p.RunImage)
	failsAt(t, p.FivePhases(app("one")), "exporter", 62, "no such image")
	p.Before = func(phase string) {
		if phase == "exporter" {
			s.Do(nil, "pull", "-q", p.RunImage)
		}
	}
	built(t, p.FivePhases(app("one")))
	s.outputs(t, p.Name, "one")

	s.Do(nil, "rmi", "-f", p.RunImage)
	p.Before = func(phase string) {
		if phase == "exporter" {
			s.runImage(p.RunImage, "RUN echo new > /new")
			s.Do(nil, "push", "-q", p.RunImage)
		}
	}
	failsAt(t, p.FivePhases(app("one")), "exporter", 62, "the docker daemon's "+p.RunImage+" is another image")
}

// asIndex puts an index of the image in a registry in place of it.
func asIndex(t *testing.T, reference string) {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, lifecycletest.Index(map[string]v1.Image{"amd64": img})); err != nil {
		t.Fatal(err)
	}
}

// TestMissingRunImageIsNeeded before the exporter: to extend it, or for what it may have.
func TestMissingRunImageIsNeeded(t *testing.T) {
	t.Parallel()
	t.Run("extend", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "curl:launch", "curl")
		s.RunImage = s.site.repository + "/run:missing"
		failsAt(t, s.FivePhases(app("one")), "restorer", 42, "opening image docker://"+s.RunImage, "opening image "+s.RunImage)
		b := s.Creator(app("one"))
		failsAt(t, b, "creator", 42, "===> RESTORING", "opening image docker://"+s.RunImage, "opening image "+s.RunImage)
		if strings.Contains(b.Log, "cannot read the packages") {
			t.Errorf("the creator looks into a run image that is not there:\n%s", b.Log)
		}
	})
	t.Run("require", func(t *testing.T) {
		t.Parallel()
		s := newStage(t, "curl:launch")
		s.RunImage = s.site.repository + "/run:missing"
		const known, way = "are unknown: the analyzer did not find it in the docker daemon.", "If it has what is missing, pull it before the build."
		failsAt(t, s.FivePhases(app("one")), "detector", 20, known, way)
		failsAt(t, s.Creator(app("one")), "creator", 20, known, way)
	})
}

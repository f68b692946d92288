//go:build e2e

package main

import (
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// full is a platform for the app that uses what there is.
func (s *site) full(name string) *platformtest.Platform {
	s.T.Helper()
	p := &platformtest.Platform{
		Docker: s.Docker, API: "0.15", Lifecycle: s.lifecycle, UID: 1000, GID: 1000, Name: name,
		Builder:  s.builder("baseplan-e2e/builder:full-"+s.id, orderOf(everything, nil), 1000),
		RunImage: s.runImage("baseplan-e2e/run:full-"+s.id, ""),
	}
	s.Try(nil, "rmi", "-f", name)
	s.T.Cleanup(func() { s.Try(nil, "rmi", "-f", name) })
	return p
}

// TestRebuildAfterLoss builds the same app again after something was lost: the image stays the same.
func TestRebuildAfterLoss(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.full("baseplan-e2e/app:losses")
	built(t, p.FivePhases(app("one")))
	id := s.imageID(p.Name)
	for _, loss := range []struct {
		what, log string // log: what the phases say of it
		lose      func()
	}{
		{"the cache", "", func() { p.Cache = "" }},
		{"what is in the cache", "so it has to be rebuilt", func() { s.Shell(p.Cache, "for f in committed/*.tar; do echo more >> $f; done") }},
		{"the cache's metadata", "cannot restore layers from the cache", func() { s.Shell(p.Cache, "echo '{' > committed/io.buildpacks.lifecycle.cache.metadata") }},
		{"the launch cache", "Reusing layer 'e2e/tools:launched'", func() { p.LaunchCache = "" }},
		{"the previous image", "Adding layer 'e2e/tools:launched'", func() { s.Do(nil, "rmi", "-f", p.Name) }},
		{"everything", "", func() { s.Do(nil, "rmi", "-f", p.Name); p.Cache, p.LaunchCache = "", "" }},
	} {
		loss.lose()
		b := built(t, p.FivePhases(app("one")))
		if got := s.imageID(p.Name); got != id {
			t.Errorf("without %s the image is %s, want %s\n%s", loss.what, got, id, b.Log)
		}
		if !b.Has(loss.log) {
			t.Errorf("without %s the log lacks %q:\n%s", loss.what, loss.log, b.Log)
		}
	}
	t.Run("with skip-layers", func(t *testing.T) {
		p.SkipLayers = true
		if b := built(t, p.FivePhases(app("one"))); b.Has("Restoring data") || s.imageID(p.Name) != id {
			t.Errorf("got\n%s", b.Log)
		}
	})
}

// TestOtherUser builds with a builder whose user has other IDs.
func TestOtherUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.full("baseplan-e2e/app:user")
	p.Builder, p.UID, p.GID = s.builder("baseplan-e2e/builder:other-"+s.id, orderOf(everything, nil), 2345), 2345, 2345
	built(t, p.FivePhases(app("one")))
	s.outputs(t, p.Name, "one")
	if got := s.entrypoint(p.Name, "stat", "-c", "%u:%g", "/workspace/main.sh"); got != "2345:2345" {
		t.Errorf("the app belongs to %s", got)
	}
}

// TestPublish builds to a registry, with a cache image.
func TestPublish(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.full(s.repository + "/app:five")
	p.Publish, p.CacheImage = true, s.repository+"/cache:five"
	p.RunImage = s.runImage(s.repository+"/run:full", "")
	s.Do(nil, "push", "-q", p.RunImage)
	first := built(t, p.FivePhases(app("one")))
	again := built(t, p.FivePhases(app("one")))
	if !again.Has(`Restoring data for "e2e/tools:cached" from cache`) {
		t.Errorf("nothing is restored from the cache image:\n%s", again.Log)
	}
	q := *p
	q.Name, q.CacheImage, q.Cache = s.repository+"/app:creator", "", ""
	built(t, q.Creator(app("one")))
	digests := map[string]bool{digestIn(t, first.Log, p.Name): true, digestIn(t, again.Log, q.Name): true}
	if len(digests) != 1 {
		t.Errorf("five phases and the creator publish different images: %v", digests)
	}
	s.Do(nil, "pull", "-q", q.Name)
	t.Cleanup(func() { s.Try(nil, "rmi", "-f", q.Name) })
	s.outputs(t, q.Name, "one")

	t.Run("rebase", func(t *testing.T) {
		s.runImage(p.RunImage, "RUN echo new > /new")
		s.Do(nil, "push", "-q", p.RunImage)
		if out, code := p.Rebase(); code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		s.Do(nil, "pull", "-q", p.Name)
		s.outputs(t, p.Name, "one")
		if got := s.entrypoint(p.Name, "cat", "/new"); got != "new" {
			t.Errorf("the new run image's file has %q", got)
		}
	})
}

// digestIn is the digest of an image in the registry.
func digestIn(t *testing.T, log, name string) string {
	t.Helper()
	digest, err := lifecycletest.DigestOf(name)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, log)
	}
	return digest
}

// TestRebase rebases images of a daemon: one that relies on nothing, and one whose extension was
// skipped since the run image has curl.
func TestRebase(t *testing.T) {
	t.Parallel()
	t.Run("without skipped extensions", func(t *testing.T) {
		s := newSite(t)
		p := s.full("baseplan-e2e/app:rebase")
		built(t, p.FivePhases(app("one")))
		s.runImage(p.RunImage, "RUN echo new > /new")
		if out, code := p.Rebase(); code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		s.outputs(t, p.Name, "one")
		if got := s.entrypoint(p.Name, "cat", "/new"); got != "new" {
			t.Errorf("the new run image's file has %q", got)
		}
	})
	t.Run("after a skipped extension", func(t *testing.T) {
		s := newStage(t, "curl:launch", "curl")
		s.RunImage = s.run("rebase", apt+"curl")
		s.create(t)
		s.run("rebase", apt+"curl tree")
		if out, code := s.Rebase(); code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		s.prints(t, "/usr/bin/curl\n/usr/bin/tree")
		s.run("rebase", "")
		out, code := s.Rebase()
		if code != 72 || !strings.Contains(out, "curl") {
			t.Errorf("without curl: exit code %d\n%s", code, out)
		}
		out, code = s.Rebase("-force")
		if code != 0 || !strings.Contains(out, "Warning") {
			t.Errorf("by force: exit code %d\n%s", code, out)
		}
		s.prints(t, "no curl\nno tree")
	})
}

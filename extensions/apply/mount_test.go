//go:build linux

package apply

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// TestMounts runs a command with mounts, twice: what they hide comes back, nothing of them gets into a layer, and only
// a cache lasts.
func TestMounts(t *testing.T) {
	f := newFixture(t, "var/", "var/lib/", "var/lib/apt/", "var/lib/apt/lists/", "var/lib/apt/lists/old", "etc/", "etc/file", "opt/", "opt/kept")
	f.file(t, "src/tool", "tool")
	f.file(t, "one", "one")
	d := dockerfile(t, onBase+`RUN --mount=type=cache,target=/var/lib/apt,sharing=locked --mount=type=tmpfs,target=/new/tmp --mount=source=src,target=/opt --mount=source=one,target=/etc/file true
`)
	for i, seen := range []string{"", "lists/new"} {
		dir := filepath.Join(t.TempDir(), "copy")
		check(t, os.CopyFS(dir, os.DirFS(f.root)))
		before := list(t, dir)
		b, err := f.begin(f.config)
		check(t, err)
		b.tree = newTree(t, dir)
		s, err := newStage(b, d)
		check(t, err)
		c := s.commands[0].(*instructions.RunCommand)
		check(t, s.expand(c))
		mounts, _, err := s.mounts(c)
		check(t, err)
		check(t, b.step(t.Context(), step{layer: s.layer(c), key: []string{t.Name(), seen}, mounts: mounts, run: true, do: func(context.Context) error {
			var names []string
			for name := range list(t, dir) {
				if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
					names = append(names, name)
				}
			}
			want := []string{"etc/file", "opt/tool"}
			if seen != "" {
				want = append(want, "var/lib/apt/"+seen)
			}
			slices.Sort(names)
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("build %d: what the command sees (-want +got):\n%s", i, diff)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "etc/file")); err != nil || string(got) != "one" {
				t.Errorf("the file that is mounted: %q, %v", got, err)
			}
			check(t, os.MkdirAll(filepath.Join(dir, "var/lib/apt/lists"), 0o755))
			for _, name := range []string{"var/lib/apt/lists/new", "new/tmp/x", "opt/x", "etc/made"} {
				check(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644))
			}
			return nil
		}}))
		after := list(t, dir)
		if _, ok := after["etc/made"]; !ok {
			t.Error("what the command made beside the mounts is gone")
		}
		delete(after, "etc/made")
		if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))); diff != "" {
			t.Errorf("what is left (-want +got):\n%s", diff)
		}
		if before["var/lib/apt/lists/old"] != after["var/lib/apt/lists/old"] || before["etc/file"] != after["etc/file"] {
			t.Errorf("what was hidden is another: %q, %q", after["var/lib/apt/lists/old"], after["etc/file"])
		}
		if got, want := content(t, b.layers[0]), []string{"etc/", "etc/made"}; !slices.Equal(got, want) {
			t.Errorf("the layer has %q, want %q", got, want)
		}
		if left, err := filepath.Glob(filepath.Join(f.Spool, "aside-*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
	}
}

// TestMountsOnPlatformPathsAreRejected has targets that belong to the platform, or hold what does.
func TestMountsOnPlatformPathsAreRejected(t *testing.T) {
	for _, target := range []string{"/workspace", "/workspace/x", "/dev/shm", "/proc", "/layers/sub", "/link"} {
		f := newFixture(t, "workspace/", "workspace/file", "link -> workspace")
		b, err := f.begin(f.config)
		check(t, err)
		b.tree = newTree(t, f.root)
		b.skip, err = skipped(b.tree.dir, b.exclude())
		check(t, err)
		err = b.step(t.Context(), step{layer: &Layer{}, mounts: []mount{{target: target}}, do: func(context.Context) error { t.Error("it ran"); return nil }})
		if err == nil {
			t.Errorf("%s: no error", target)
		}
		if !b.tree.isDir("/workspace") {
			t.Errorf("%s: the app directory is gone", target)
		}
	}
}

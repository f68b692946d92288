//go:build e2e

package scan_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/scan"
)

// A program is built for the benchmark, so that what it weighs is its own.
func program(b *testing.B, source string) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "program")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, source)
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building %s: %v\n%s", source, err, out)
	}
	return binary
}

type measured struct {
	wall   time.Duration
	peakMB float64 // the most memory that was resident, in MiB
	out    string
}

// run runs a program three times, by the program measure, and returns the run that took the least time.
func run(b *testing.B, measure, name string, args ...string) measured {
	b.Helper()
	best := measured{wall: time.Hour}
	for range 3 {
		var out, errs bytes.Buffer
		cmd := exec.Command(measure, append([]string{name}, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			b.Fatalf("%s: %v\n%s", name, err, &errs)
		}
		var us, kb int
		if _, err := fmt.Sscan(errs.String(), &us, &kb); err != nil {
			b.Fatalf("reading %q: %v", &errs, err)
		}
		if m := (measured{time.Duration(us) * time.Microsecond, float64(kb) / 1024, out.String()}); m.wall < best.wall {
			best = m
		}
	}
	return best
}

// BenchmarkAgainstSyft reads the minimal Debian image from a registry on this machine, by baseplan itself
// and by a program around Syft's whole API, and prints the ratios of wall time and peak memory.
// Promised are 0.25 and 0.4.
func BenchmarkAgainstSyft(b *testing.B) {
	measure, baseplan, syft := program(b, "./testdata/measure"), program(b, "../../cmd/baseplan"), program(b, "./testdata/syft")
	host := lifecycletest.Registry()
	defer host.Close()
	ref := host.Push("debian:minbase", rootfsImage(b, lifecycletest.Minimal))
	for b.Loop() {
		ours, theirs := run(b, measure, baseplan, "sbom", "show", "--generate", "--cache-dir", "none", "--output", "json", ref), run(b, measure, syft, ref)
		if n := strings.Count(ours.out, `"purl":`); n == 0 || fmt.Sprintln(n) != theirs.out {
			b.Fatalf("%d packages, Syft finds %s", n, theirs.out)
		}
		b.Logf("baseplan %v, %.0f MB; Syft %v, %.0f MB", ours.wall, ours.peakMB, theirs.wall, theirs.peakMB)
		b.ReportMetric(ours.wall.Seconds(), "s")
		b.ReportMetric(ours.peakMB, "MB")
		b.ReportMetric(theirs.wall.Seconds(), "s-syft")
		b.ReportMetric(ours.wall.Seconds()/theirs.wall.Seconds(), "wall-ratio")
		b.ReportMetric(ours.peakMB/theirs.peakMB, "memory-ratio")
	}
}

// BenchmarkScanSecond reads an image that shares all layers but a small one with one that was read
// before.
func BenchmarkScanSecond(b *testing.B) {
	host := lifecycletest.Registry()
	defer host.Close()
	base := rootfsImage(b, lifecycletest.Minimal)
	first := host.Push("debian:minbase", base)
	second := host.Push("debian:second", lifecycletest.With(base, lifecycletest.Layer{"app": "x"}))
	opts := scan.Options{Cache: scan.DirCache(b.TempDir())}
	read := func(ref string) {
		img, err := remote.Image(lifecycletest.Reference(ref))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := scan.Image(b.Context(), img, opts); err != nil {
			b.Fatal(err)
		}
	}
	read(first)
	for b.Loop() {
		read(second)
	}
}

// rootfsImage is an image of one gzip layer from a tar file that mmdebstrap made; see rootfs.
func rootfsImage(t testing.TB, name string) v1.Image {
	t.Helper()
	layer, err := tarball.LayerFromFile(rootfs(t, name), tarball.WithCompressedCaching)
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", "amd64"
	if img, err = mutate.ConfigFile(img, cfg); err != nil {
		t.Fatal(err)
	}
	return img
}

// large are packages that make a root file system large, of all sorts.
var large = []string{"curl", "openssl", "nodejs", "npm", "openjdk-17-jre-headless", "git", "tree", "python3", "perl", "ruby", "php-cli", "libxml2", "tzdata", "imagemagick"}

// rootfs is a root file system of Debian by its name.
func rootfs(t testing.TB, name string) string {
	t.Helper()
	if name == lifecycletest.Minimal {
		return lifecycletest.Rootfs(t, name)
	}
	return lifecycletest.Rootfs(t, name, large...)
}

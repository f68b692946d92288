//go:build e2e

package scan_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// Processes that measure themselves: the test binary again, told by these variables what to do.
const (
	benchTask  = "BASEPLAN_BENCH_TASK"  // "scan", "syft", or "nothing": what the binary costs by itself
	benchImage = "BASEPLAN_BENCH_IMAGE" // a reference
)

func TestMain(m *testing.M) {
	if os.Getenv(benchTask) == "" {
		os.Exit(m.Run())
	}
	if err := child(os.Getenv(benchTask), os.Getenv(benchImage)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child does the task once, in a process of its own.
func child(task, ref string) error {
	ctx := context.Background()
	start, n := time.Now(), 0
	switch task {
	case "scan":
		img, err := remote.Image(lifecycletest.Reference(ref))
		if err != nil {
			return err
		}
		doc, err := scan.Image(ctx, img, scan.Options{})
		if err != nil {
			return err
		}
		n = len(doc.Packages)
	case "syft":
		found, err := bySyft(ctx, "oci-registry", ref)
		if err != nil {
			return err
		}
		n = len(found)
	}
	_, err := fmt.Printf("%d %d %d\n", time.Since(start).Microseconds(), peakKB(), n)
	return err
}

// peakKB is the most memory that this process had resident, in KiB.
func peakKB() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(value)[0])
			return kb
		}
	}
	return 0
}

type measured struct {
	wall     time.Duration
	peakMB   float64
	packages int
}

// run starts the task and returns the best of three.
func run(b *testing.B, task, ref string) measured {
	b.Helper()
	best := measured{wall: time.Hour}
	for range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), benchTask+"="+task, benchImage+"="+ref)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var us, kb, n int
		if _, err := fmt.Fscan(bufio.NewReader(bytes.NewReader(out)), &us, &kb, &n); err != nil {
			b.Fatal(err)
		}
		if m := (measured{time.Duration(us) * time.Microsecond, float64(kb) / 1024, n}); m.wall < best.wall {
			best = m
		}
	}
	return best
}

// BenchmarkAgainstSyft reads the minimal Debian image from a registry on this machine, once by scan and
// once by Syft's whole API, each in a process of its own, and prints the ratios of wall time and peak memory.
// Promised are 0.4 and 0.4. (Both processes are this test binary: the whole of Syft is linked into both.)
func BenchmarkAgainstSyft(b *testing.B) {
	host := lifecycletest.Registry()
	defer host.Close()
	ref := host.Push("debian:minbase", rootfsImage(b, "debian-minbase.tar"))
	for b.Loop() {
		base, ours, theirs := run(b, "nothing", ref), run(b, "scan", ref), run(b, "syft", ref)
		if ours.packages == 0 || ours.packages != theirs.packages {
			b.Fatalf("%d packages, Syft finds %d", ours.packages, theirs.packages)
		}
		b.Logf("scan %v, %.0f MB; Syft %v, %.0f MB; %d packages; the binary alone %.0f MB",
			ours.wall, ours.peakMB, theirs.wall, theirs.peakMB, ours.packages, base.peakMB)
		b.ReportMetric(ours.wall.Seconds()/theirs.wall.Seconds(), "wall-ratio")
		b.ReportMetric(ours.peakMB/theirs.peakMB, "memory-ratio")
	}
}

// BenchmarkScanSecond reads an image that shares all layers but a small one with one that was read
// before.
func BenchmarkScanSecond(b *testing.B) {
	host := lifecycletest.Registry()
	defer host.Close()
	base := rootfsImage(b, "debian-minbase.tar")
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

// rootfsPackages are the packages beyond the minimal base, by tar file.
var rootfsPackages = map[string]string{
	"debian-minbase.tar": "ca-certificates",
	"debian-large.tar": "curl,openssl,nodejs,npm,openjdk-17-jre-headless,git,tree,python3,perl,ruby,php-cli,libxml2," +
		"tzdata,ca-certificates,imagemagick",
}

// rootfs is the path of a root file system that mmdebstrap makes, kept in the folder that
// BASEPLAN_E2E_CACHE names, else in the one for temporary files.
func rootfs(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("BASEPLAN_E2E_CACHE")
	if dir == "" {
		dir = os.TempDir()
	}
	file := filepath.Join(dir, name)
	if _, err := os.Stat(file); err == nil {
		return file
	}
	made := file + ".part.tar"
	cmd := exec.Command("mmdebstrap", "--variant=minbase", "--include="+rootfsPackages[name], "bookworm", made)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making %s: %v (apt-get install mmdebstrap)\n%s", name, err, out)
	}
	if err := os.Rename(made, file); err != nil {
		t.Fatal(err)
	}
	return file
}

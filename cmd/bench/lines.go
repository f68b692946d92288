//go:build linux

package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// exports exports 8 layers of 20 MB and an app of 2,000 files: to a registry that has the image
// already, to one that has its blobs, and to an empty one.
func exports(b *bench) (lines []line, err error) {
	w, err := b.newBuild("export", []int{20, 20, 20, 20, 20, 20, 20, 20}, smallFiles)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	cold, err := b.best(w.cold, w.goTools)
	if err != nil {
		return nil, err
	}
	lines = append(lines, line{"export, cold", cold[0].String(), "go-containerregistry " + short(cold[1].wall), ratio(cold[0].wall, cold[1].wall), "0.30"})
	if _, err := w.cold(); err != nil {
		return lines, err
	}
	blobs, err := b.best(func() (run, error) { return w.export() }, w.hash)
	if err != nil {
		return lines, err
	}
	lines = append(lines, line{"export, blobs there", blobs[0].String(), "tar | openssl " + short(blobs[1].wall), ratio(blobs[0].wall, blobs[1].wall), "1.0"})
	all, err := b.best(w.analyze, func() (run, error) { return w.export() }, w.hash)
	if err != nil {
		return lines, err
	}
	return append(lines, line{"export, nothing changed", all[1].String(), "tar | openssl " + short(all[2].wall), ratio(all[1].wall, all[2].wall), "1.0"},
		line{what: "analyze", ours: all[0].String()}), nil
}

// cold exports to an empty registry.
func (w *build) cold() (run, error) {
	if err := w.serve(); err != nil {
		return run{}, err
	}
	if _, err := w.analyze(); err != nil {
		return run{}, err
	}
	return w.export()
}

// hash hashes the same bytes with other programs.
func (w *build) hash() (run, error) {
	return w.bench.run(command{argv: []string{"sh", "-c", `tar -cf - -C "$1" layers/acme_ruby app | openssl dgst -sha256`, "sh", w.dir}})
}

// goTools is a cold export as Go programs without code of their own for it do it, and stands in
// for another lifecycle: tars on disk, compressed by go-containerregistry with compress/gzip.
func (w *build) goTools() (run, error) {
	if err := w.serve(); err != nil {
		return run{}, err
	}
	start := time.Now()
	img := v1.Image(empty.Image)
	dirs, err := filepath.Glob(w.path("layers/acme_ruby/l*[0-9]"))
	if err != nil {
		return run{}, err
	}
	for n, dir := range append(dirs, w.path("app")) {
		file := w.path(fmt.Sprintf("%d.tar", n))
		defer os.Remove(file)
		if err := writeTar(file, dir); err != nil {
			return run{}, err
		}
		layer, err := tarball.LayerFromFile(file)
		if err != nil {
			return run{}, err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return run{}, err
		}
	}
	err = remote.Write(lifecycletest.Reference(w.image), img)
	return run{wall: time.Since(start)}, err
}

func writeTar(file, dir string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(f)
	return errors.Join(tw.AddFS(os.DirFS(dir)), tw.Close(), f.Close())
}

// large exports an app of 200,000 files and a layer of 3 GB, once.
func large(b *bench) (lines []line, err error) {
	w, err := b.newBuild("large", []int{3000}, 200_000)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	cold, err := w.cold()
	if err != nil {
		return nil, err
	}
	hash, err := w.hash()
	if err != nil {
		return nil, err
	}
	lines = append(lines, line{"export, 200,000 files and 3 GB, cold", cold.String(), "tar | openssl " + short(hash.wall), ratio(cold.wall, hash.wall), "20s, 100 MB"})
	if _, err := w.analyze(); err != nil {
		return lines, err
	}
	same, err := w.export()
	if err != nil {
		return lines, err
	}
	return append(lines, line{"the same, nothing changed", same.String(), "tar | openssl " + short(hash.wall), ratio(same.wall, hash.wall), "100 MB"}), nil
}

// restores restores 8 layers of 20 MB from a cache directory.
func restores(b *bench) (lines []line, err error) {
	w, err := b.newBuild("restore", []int{20, 20, 20, 20, 20, 20, 20, 20}, 1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	cache := w.path("cache")
	if err := errors.Join(os.Mkdir(cache, 0o755), w.give("cache")); err != nil {
		return nil, err
	}
	if _, err := w.analyze(); err != nil {
		return nil, err
	}
	if _, err := w.export("-cache-dir", cache); err != nil {
		return nil, err
	}
	all, err := b.best(func() (run, error) {
		if err := os.RemoveAll(w.path("layers/acme_ruby")); err != nil {
			return run{}, err
		}
		return b.run(w.phase("restorer", "-cache-dir", cache))
	}, func() (run, error) {
		to := w.path("untar")
		if err := errors.Join(os.RemoveAll(to), os.Mkdir(to, 0o755)); err != nil {
			return run{}, err
		}
		return b.run(command{argv: []string{"sh", "-ec", `for f in "$1"/committed/*.tar; do openssl dgst -sha256 "$f"; tar -C "$2" -xPf "$f" --transform 's,^/,./,'; done`, "sh", cache, to}})
	})
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(w.path("layers/acme_ruby/l0/0")); err != nil {
		return nil, err
	}
	return []line{{"restore of 160 MB", all[0].String(), "openssl, tar -x " + short(all[1].wall), ratio(all[0].wall, all[1].wall), ""}}, nil
}

// result is a line of the go command's benchmarks.
var result = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\t\s*(.*)$`)

// goTest runs benchmarks of a package and returns what they report by name, in their unit.
func (b *bench) goTest(unit string, args ...string) (map[string]float64, error) {
	out, err := exec.CommandContext(b.ctx, "go", append([]string{"test", "-run", "^$"}, args...)...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test %q: %w\n%s", args, err, out)
	}
	found := map[string]float64{}
	value := regexp.MustCompile(`([0-9.e+]+) ` + regexp.QuoteMeta(unit) + `\b`)
	for _, r := range result.FindAllSubmatch(out, -1) {
		if v := value.FindSubmatch(r[2]); v != nil {
			name := string(r[1])
			n, err := strconv.ParseFloat(string(v[1]), 64)
			if err != nil {
				return nil, err
			}
			if old, ok := found[name]; !ok || n < old {
				found[name] = n
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("go test %q reports no %s:\n%s", args, unit, out)
	}
	return found, nil
}

// launches starts a process with the launcher and without.
func launches(b *bench) ([]line, error) {
	ns, err := b.goTest("ns/op", "-bench", "Launch/(without|layers=2)", "-count", strconv.Itoa(b.times), "./cmd/launcher")
	if err != nil {
		return nil, err
	}
	with, without := time.Duration(ns["Launch/layers=2"]), time.Duration(ns["Launch/without"])
	return []line{{"start by the launcher", short(with), "without " + short(without), short(with-without) + " more", "keep"}}, nil
}

// givesUp resolves hard groups until the search gives up.
func givesUp(b *bench) (lines []line, err error) {
	ns, err := b.goTest("ns/op", "-bench", "GiveUp", "-count", strconv.Itoa(b.times), "./resolver")
	for _, name := range []string{"pigeons", "satisfiability_of_100"} {
		lines = append(lines, line{what: "giving up on a hard group, " + name, ours: short(time.Duration(ns["GiveUp/"+name])), goal: "1s"})
	}
	return lines, err
}

// syft generates the SBOM of a Debian image, where one can be made.
func syft(b *bench) ([]line, error) {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return []line{{what: "SBOM generation: left out, since there is no mmdebstrap to make the Debian image with", goal: "0.25"}}, nil
	}
	wall, err := b.goTest("wall-ratio", "-tags", "e2e", "-bench", "AgainstSyft", "-benchtime", "1x", "./sbom/scan")
	if err != nil {
		return nil, err
	}
	return []line{{"SBOM generation", "", "Syft", fmt.Sprintf("%.2f", wall["AgainstSyft"]), "0.25"}}, nil
}

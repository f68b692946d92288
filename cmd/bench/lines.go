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
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// exports exports the small build to an empty registry, and again: then the registry has the
// image, and only its layers are hashed.
func exports(b *bench) (lines []line, err error) {
	w, err := b.newBuild("export", b.small)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	cold, err := b.best(w.cold, w.goTools)
	if err != nil {
		return nil, err
	}
	if _, err := w.cold(); err != nil {
		return nil, err
	}
	again, err := b.best(w.analyze, w.export, w.hash)
	if err != nil {
		return nil, err
	}
	return []line{
		cold[0].line("export, cold", "0.30").against("go-containerregistry", cold[0].wall, cold[1].wall),
		again[1].line("export, blobs there", "1.0").against("tar | openssl", again[1].wall, again[2].wall),
		again[0].line("analyze", ""),
	}, nil
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
	w, err := b.newBuild("large", b.large)
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
	if _, err := w.analyze(); err != nil {
		return nil, err
	}
	again, err := w.export()
	if err != nil {
		return nil, err
	}
	return []line{
		cold.line("export of 200,000 files and 3 GB, cold", "20 s, 100 MB").against("tar | openssl", cold.wall, hash.wall),
		again.line("the same, blobs there", "100 MB").against("tar | openssl", again.wall, hash.wall),
	}, nil
}

// restores restores 8 layers of 20 MB from a cache directory.
func restores(b *bench) (lines []line, err error) {
	w, err := b.newBuild("restore", sizes{b.small.layers, 1})
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
	if _, err := w.exportTo(cache); err != nil {
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
	return []line{all[0].line("restore of 160 MB", "").against("openssl, tar -x", all[0].wall, all[1].wall)}, nil
}

// result is a line of the go command's benchmarks, and value a part of it.
var (
	result = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\t\s*(.*)$`)
	value  = regexp.MustCompile(`([0-9.e+]+) (\S+)`)
)

// goTest runs benchmarks of a package and returns the least of what they report, by name and unit.
func (b *bench) goTest(args ...string) (map[string]map[string]float64, error) {
	out, err := exec.CommandContext(b.ctx, "go", append([]string{"test", "-run", "^$"}, args...)...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test %q: %w\n%s", args, err, out)
	}
	found := map[string]map[string]float64{}
	for _, r := range result.FindAllSubmatch(out, -1) {
		name := string(r[1])
		if found[name] == nil {
			found[name] = map[string]float64{}
		}
		for _, v := range value.FindAllSubmatch(r[2], -1) {
			n, err := strconv.ParseFloat(string(v[1]), 64)
			if err != nil {
				return nil, err
			}
			unit := string(v[2])
			if old, ok := found[name][unit]; !ok || n < old {
				found[name][unit] = n
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("go test %q reports nothing:\n%s", args, out)
	}
	return found, nil
}

// seconds returns the duration of n seconds.
func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// launches starts a process with the launcher and without.
func launches(b *bench) ([]line, error) {
	ns, err := b.goTest("-bench", "Launch/(without|layers=2)", "-count", strconv.Itoa(b.times), "./cmd/launcher")
	if err != nil {
		return nil, err
	}
	with, without := time.Duration(ns["Launch/layers=2"]["ns/op"]), time.Duration(ns["Launch/without"]["ns/op"])
	return []line{line{what: "start by the launcher", time: short(with), goal: "3 ms more"}.against("without", with, without)}, nil
}

// givesUp resolves hard groups until the search gives up.
func givesUp(b *bench) (lines []line, err error) {
	ns, err := b.goTest("-bench", "GiveUp", "-count", strconv.Itoa(b.times), "./resolver")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"pigeons", "satisfiability_of_100"} {
		lines = append(lines, line{what: "giving up on a hard group: " + strings.ReplaceAll(name, "_", " "), time: short(time.Duration(ns["GiveUp/"+name]["ns/op"])), goal: "1 s"})
	}
	return lines, nil
}

// syft generates the SBOM of a Debian image, where one can be made.
func syft(b *bench) ([]line, error) {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return []line{{what: "SBOM generation", with: "left out: " + noDebian, goal: "0.25"}}, nil
	}
	all, err := b.goTest("-tags", "e2e", "-bench", "AgainstSyft", "-benchtime", "1x", "./sbom/scan")
	if err != nil {
		return nil, err
	}
	m := all["AgainstSyft"]
	return []line{line{what: "SBOM generation", time: short(seconds(m["s"])), peak: megabytes(m["MB"]), goal: "0.25"}.against("Syft", seconds(m["s"]), seconds(m["s-syft"]))}, nil
}

const noDebian = "mmdebstrap is not installed, which makes the Debian image"

// sandboxes apply Dockerfiles to a Debian image, where one can be made.
func sandboxes(b *bench) (lines []line, err error) {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return []line{{what: "start of a sandbox", with: "left out: " + noDebian, goal: "0.5 s"}}, nil
	}
	all, err := b.goTest("-tags", "e2e", "-bench", "Sandbox/(start-130MB|apt-get)$", "-benchtime", fmt.Sprintf("%dx", b.times), "./extensions/apply")
	if err != nil {
		return nil, err
	}
	start, install := all["Sandbox/start-130MB"], all["Sandbox/apt-get"]
	begun, installed := seconds(start["s-to-first-output-sandbox"]), seconds(install["s-sandbox"])
	return []line{
		line{what: "start of a sandbox, 130 MB", time: short(begun), peak: megabytes(start["MB-memory"]), goal: "0.5 s, 300 MB"}.against("isolated root", begun, seconds(start["s-to-first-output-isolated"])),
		line{what: "apt-get install in a sandbox", time: short(installed), peak: megabytes(install["MB-memory"]), goal: "2"}.against("isolated root", installed, seconds(install["s-isolated"])),
	}, nil
}

func megabytes(n float64) string { return fmt.Sprintf("%.0f MB", n) }

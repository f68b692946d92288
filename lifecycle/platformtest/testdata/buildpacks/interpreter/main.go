// Command interpreter is a buildpack that brings an interpreter and an environment of its own for the app: the layers
// python, which is cached, and venv. Both have bin/tool. What it installs is this program, which also verifies
// certificates.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/paketo-buildpacks/packit/v2"
)

func main() {
	switch filepath.Base(os.Args[0]) {
	case "tool":
		program, err := os.Executable()
		check(err)
		fmt.Println(filepath.Base(filepath.Dir(filepath.Dir(program))))
	case "verify":
		verify(os.Args[1])
	default:
		packit.Run(detect, build)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// verify checks a certificate against those that are trusted here.
func verify(file string) {
	data, err := os.ReadFile(file)
	check(err)
	block, _ := pem.Decode(data)
	if block == nil {
		check(errors.New(file + " has no certificate"))
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	check(err)
	if _, err := certificate.Verify(x509.VerifyOptions{}); err != nil {
		fmt.Println("not trusted")
		return
	}
	fmt.Println("trusted")
}

func detect(packit.DetectContext) (packit.DetectResult, error) {
	return packit.DetectResult{Plan: packit.BuildPlan{Provides: []packit.BuildPlanProvision{{Name: "interpreter"}}}}, nil
}

// mandatory are variables that a framework for buildpacks does not start without.
var mandatory = []string{"CNB_TARGET_OS", "CNB_TARGET_ARCH", "CNB_TARGET_DISTRO_NAME", "CNB_TARGET_DISTRO_VERSION"}

func build(c packit.BuildContext) (packit.BuildResult, error) {
	var target []string
	for _, name := range mandatory {
		if os.Getenv(name) == "" {
			return packit.BuildResult{}, errors.New(name + " is not set")
		}
		target = append(target, os.Getenv(name))
	}
	fmt.Println("target:", strings.Join(target, " "))
	if err := home(); err != nil {
		return packit.BuildResult{}, err
	}
	python, err := c.Layers.Get("python")
	if err != nil {
		return packit.BuildResult{}, err
	}
	if python.Metadata["version"] == "3" {
		fmt.Println("python: restored with", exists(python.Path, "bin/tool"))
	} else {
		fmt.Println("python: made")
		if python, err = install(python, c.CNBPath, "bin/tool", "bin/verify"); err != nil {
			return packit.BuildResult{}, err
		}
	}
	python.Build, python.Launch, python.Cache = true, true, true
	python.Metadata = map[string]any{"version": "3"}
	python.SBOM = packit.SBOMFormats{{Extension: "cdx.json", Content: strings.NewReader(`{"bomFormat":"CycloneDX","specVersion":"1.4","version":1,"components":[{"type":"application","name":"python","version":"3"}]}`)}}
	venv, err := c.Layers.Get("venv")
	if err == nil {
		venv, err = install(venv, c.CNBPath, "bin/tool")
	}
	venv.Build, venv.Launch = true, true
	venv.SharedEnv.Default("VIRTUAL_ENV", venv.Path)
	// A folder for the buildpacks that follow, which is no layer.
	return packit.BuildResult{Layers: []packit.Layer{python, venv}}, errors.Join(err, os.MkdirAll(filepath.Join(c.Layers.Path, "wheels"), 0o755))
}

// home writes where package managers keep their downloads.
func home() error {
	dir, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	fmt.Println("home:", dir)
	cache := filepath.Join(dir, ".cache", "interpreter")
	return errors.Join(os.MkdirAll(cache, 0o755), os.WriteFile(filepath.Join(cache, "wheel"), nil, 0o644))
}

func exists(elem ...string) string {
	if _, err := os.Stat(filepath.Join(elem...)); err != nil {
		return "nothing"
	}
	return "its files"
}

// install copies this program into an empty layer, by these names.
func install(l packit.Layer, buildpack string, names ...string) (packit.Layer, error) {
	l, err := l.Reset()
	if err != nil {
		return l, err
	}
	for _, name := range names {
		if err := install1(filepath.Join(buildpack, "bin", "main"), filepath.Join(l.Path, name)); err != nil {
			return l, err
		}
	}
	return l, nil
}

func install1(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

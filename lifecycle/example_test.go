package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle"
	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/lifecycle/cache"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/reference"
)

// greeting are the files of a buildpack: it has one layer, kept for the next build, and one process.
var greeting = map[string]string{
	"buildpack.toml": `
api = "0.10"
[buildpack]
id = "acme/greeting"
version = "1.0.0"
[[targets]]
os = "linux"
`,
	"bin/detect": `#!/bin/sh
test -f greeting.txt
`,
	"bin/build": `#!/bin/sh
set -e
layers=$1
if [ -f "$layers/words.toml" ]; then echo "words are kept from the last build"; else echo "making words"; fi
mkdir -p "$layers/words/env.launch"
cp greeting.txt "$layers/words/"
printf "%s" "$(cat greeting.txt)" > "$layers/words/env.launch/GREETING.override"
printf '[types]\nlaunch = true\ncache = true\n' > "$layers/words.toml"
printf '[[processes]]\ntype = "web"\ncommand = ["sh", "-c", "echo $GREETING"]\ndefault = true\n' > "$layers/launch.toml"
`,
}

// An app is built twice, in this process: analyze, detect, restore, build, export. The phases get values, and return
// what later phases need. A platform reads flags, environment and files into these fields, as cmd/lifecycle does.
func Example() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	registry := lifecycletest.Registry()
	defer registry.Close()
	run := registry.Push("run:1", lifecycletest.Debian("curl"))

	writeFiles(dir, map[string]string{"app/greeting.txt": "hello", "launcher": "the program bin/launcher", "platform/env/.keep": "", "cache/.keep": ""})
	for name, content := range greeting {
		writeFiles(filepath.Join(dir, "buildpacks/acme_greeting/1.0.0"), map[string]string{name: content})
	}
	for _, name := range []string{"app:1", "app:2"} {
		built, err := build(context.Background(), dir, run, registry.Name+"/"+name)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, "starts", built.Config.Entrypoint)
	}
	// Output:
	// detected acme/greeting@1.0.0
	// making words
	// app:1 starts [/cnb/process/web]
	// detected acme/greeting@1.0.0
	// words are kept from the last build
	// app:2 starts [/cnb/process/web]
}

// build builds the app in dir on a run image, and returns the configuration of the app image.
func build(ctx context.Context, dir, run, name string) (*v1.ConfigFile, error) {
	version, err := api.Parse("0.15")
	if err != nil {
		return nil, err
	}
	layers, app := filepath.Join(dir, "layers"), filepath.Join(dir, "app")
	if err := errors.Join(os.RemoveAll(layers), os.Mkdir(layers, 0o755)); err != nil {
		return nil, err
	}
	opener := &image.Opener{}
	images := &image.Writer{Opener: opener}
	store := buildpack.Store{Buildpacks: filepath.Join(dir, "buildpacks")}
	host := buildpack.Host{App: app, Platform: filepath.Join(dir, "platform"), Environ: []string{"PATH=" + os.Getenv("PATH")}}
	volume := &cache.Volume{Dir: filepath.Join(dir, "cache")}

	analyzer := lifecycle.Analyzer{API: version, Images: images, Names: []reference.Reference{reference.Parse(name)}, Registry: name, RunImage: reference.Parse(run), Layers: layers}
	analysis, err := analyzer.Run(ctx)
	if err != nil {
		return nil, err
	}
	host.Target = analysis.Analyzed.RunImage.Target

	detector := lifecycle.Detector{API: version, Store: store, Host: host, Order: resolver.OrderFile{Order: resolver.Order{{{Module: resolver.Module{ID: "acme/greeting", Version: "1.0.0"}}}}}}
	detection, err := detector.Run(ctx)
	if err != nil {
		return nil, err
	}
	generator := lifecycle.Generator{API: version, Host: host, Detection: detection, Analyzed: analysis.Analyzed}
	generation, err := generator.Run(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range generation.Group.Buildpacks {
		fmt.Println("detected", b)
	}

	restorer := lifecycle.Restorer{API: version, Group: generation.Group, Analyzed: generation.Analyzed, Cache: volume, Layers: layers}
	if err := restorer.Run(ctx); err != nil {
		return nil, err
	}

	builder := lifecycle.Builder{API: version, Store: store, Host: host, Group: generation.Group, Plan: generation.Plan, Layers: layers, Stdout: os.Stdout, Stderr: os.Stderr}
	metadata, err := builder.Run(ctx)
	if err != nil {
		return nil, err
	}
	content, err := metadata.Encode(version)
	if err != nil {
		return nil, err
	}
	writeFiles(layers, map[string]string{"config/metadata.toml": string(content)}) // the launcher reads it

	base, err := opener.Open(ctx, reference.Parse(generation.Analyzed.RunImage.Reference))
	if err != nil {
		return nil, err
	}
	exporter := lifecycle.Exporter{
		API: version, Writer: images, Names: []reference.Reference{reference.Parse(name)}, RunImage: base, Analyzed: generation.Analyzed, Group: generation.Group,
		Build: metadata, App: app, Layers: layers, Launcher: filepath.Join(dir, "launcher"), Cache: volume,
	}
	if _, err := exporter.Run(ctx); err != nil {
		return nil, err
	}
	if err := volume.Close(); err != nil {
		return nil, err
	}
	built, err := opener.Open(ctx, reference.Parse(name))
	if err != nil {
		return nil, err
	}
	return built.Config, nil
}

// writeFiles writes files below a directory; those in bin can be run.
func writeFiles(dir string, files map[string]string) {
	for name, content := range files {
		path, mode := filepath.Join(dir, name), os.FileMode(0o644)
		if filepath.Base(filepath.Dir(path)) == "bin" {
			mode = 0o755
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), mode)); err != nil {
			log.Fatal(err)
		}
	}
}

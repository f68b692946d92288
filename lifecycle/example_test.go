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
	"github.com/baseplan/baseplan/lifecycle/platform"
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

// An app is built twice, in this process. The phases get values, and return what later phases need. A platform reads
// flags, environment and files into these fields, as cmd/lifecycle does.
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
	// detected [acme/greeting@1.0.0]
	// making words
	// app:1 starts [/cnb/process/web]
	// detected [acme/greeting@1.0.0]
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
	defer volume.Close()
	names := []reference.Reference{reference.Parse(name)}

	creator := lifecycle.Creator{
		Analyzer: lifecycle.Analyzer{API: version, Images: images, Names: names, RunImage: reference.Parse(run), Layers: layers},
		Detector: lifecycle.Detector{API: version, Store: store, Host: host, Order: resolver.OrderFile{
			Order: resolver.Order{{{Module: resolver.Module{ID: "acme/greeting", Version: "1.0.0"}}}},
		}},
		Generator: lifecycle.Generator{API: version, Host: host},
		Restorer:  lifecycle.Restorer{API: version, Cache: volume, Layers: layers},
		Builder:   lifecycle.Builder{API: version, Store: store, Host: host, Layers: layers, Stdout: os.Stdout, Stderr: os.Stderr},
		Exporter:  lifecycle.Exporter{API: version, Writer: images, Names: names, App: app, Layers: layers, Launcher: filepath.Join(dir, "launcher"), Cache: volume},
		End: func(phase platform.Phase, made *lifecycle.Creation) error {
			switch phase {
			case platform.Detect:
				fmt.Println("detected", made.Generation.Group.Buildpacks)
			case platform.Build: // the launcher reads it
				content, err := made.Build.Encode(version)
				if err != nil {
					return err
				}
				writeFiles(layers, map[string]string{"config/metadata.toml": string(content)})
			}
			return nil
		},
	}
	if _, err := creator.Run(ctx); err != nil {
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

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/keyless"
	"github.com/baseplan/baseplan/sbom/keyless/sigstore"
)

var update = flag.Bool("update", false, "write what commands print into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"baseplan": func() {
			var out, errs bytes.Buffer
			code := cli.Run(context.Background(), os.Args[1:], &cli.Console{
				In: os.Stdin, Out: io.MultiWriter(os.Stdout, &out), Err: io.MultiWriter(os.Stderr, &errs), Getenv: os.Getenv, Now: fixed,
			})
			if err := errors.Join(conforms(out.Bytes(), code != cli.Failure), conforms(errs.Bytes(), false)); err != nil {
				fmt.Fprintf(os.Stderr, "the output does not conform to the schema: %v\n", err)
				code = 99
			}
			os.Exit(code)
		},
		keyless.Name: func() {
			if err := keyless.Serve(context.Background(), os.Stdin, os.Stdout, sigstore.Verify); err != nil {
				os.Exit(1)
			}
		},
	})
}

// conforms validates JSON documents against the schema in the reference, if this is what baseplan
// printed and not an SBOM, which has no kind.
func conforms(output []byte, answered bool) error {
	decoder := json.NewDecoder(bytes.NewReader(output))
	for {
		var document map[string]any
		if err := decoder.Decode(&document); err != nil {
			return nil
		}
		kind, ok := document["kind"].(string)
		if !ok {
			if slices.Contains(os.Args, "json") && answered {
				return errors.New("a document has no kind")
			}
			return nil
		}
		schema, err := jsonschema.NewCompiler().Compile(os.Getenv("SCHEMA") + "#/$defs/" + kind)
		if err != nil {
			return err
		}
		if err := schema.Validate(document); err != nil {
			return err
		}
	}
}

// fixed is the time of every build that the scripts try.
func fixed() time.Time { return time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC) }

// TestScripts runs the commands as a user would. Each script finds run images in
// a registry, $REGISTRY/run:NAME, and as OCI layouts, oci:NAME.
func TestScripts(t *testing.T) {
	images := map[string]v1.Image{
		"plain":   lifecycletest.Debian(),
		"curl":    lifecycletest.Debian("curl"),
		"alpine":  lifecycletest.Alpine(),
		"scratch": lifecycletest.Scratch(),
	}
	registry := lifecycletest.Registry()
	t.Cleanup(registry.Close)
	registry.Push("rebase:new", images["plain"])
	images["app"] = app(t, images["curl"], registry.Push("rebase:old", images["curl"]))
	images["unrecorded"] = lifecycletest.Labelled(images["plain"], map[string]string{
		platform.LifecycleMetadataLabel: "{}", platform.DistroNameLabel: "debian", platform.DistroVersionLabel: "12",
	})
	// Platforms before API 0.12 record the names of run images elsewhere.
	images["older"] = lifecycletest.Labelled(images["app"], map[string]string{
		platform.LifecycleMetadataLabel: `{"runImage": {"topLayer": "sha256:0"}, "stack": {"runImage": {"image": "` + registry.Name + `/run:curl"}}}`,
	})
	maps.Copy(images, explained(t, images["plain"]))
	maps.Copy(images, policied(t))
	registry.PushIndex("explain:index", lifecycletest.Index(map[string]v1.Image{"amd64": lifecycletest.Arch(images["app1"], "amd64"), "arm64": lifecycletest.Arch(images["app2"], "arm64")}))
	for name, img := range images {
		registry.Push("run:"+name, img)
	}
	for tag, img := range advised(t) {
		registry.Push("apps:"+tag, img)
	}
	for _, repo := range []string{"attach", "refused", "cosign", "layer", "lie", "fits", "signed", "moving"} { // one for each story, since attaching changes it
		registry.Push(repo+":run", images["plain"])
	}
	registry.Push("scratch:run", images["scratch"])
	multi := lifecycletest.Attested(lifecycletest.Index(map[string]v1.Image{"amd64": images["curl"], "arm64": lifecycletest.DebianArch("arm64")}))
	registry.PushIndex("multi:run", multi)
	registry.PushIndex("publish:multi", multi)
	registry.Push("publish:scratch", images["scratch"])
	registry.PushIndex("prune:run", multi)
	registry.PushIndex("copy:run", multi)
	registry.PushIndex("github:run", multi)
	for _, tag := range []string{"single", "fresh", "lie", "layer"} {
		registry.Push("publish:"+tag, lifecycletest.Labelled(images["curl"], map[string]string{"tag": tag}))
	}
	registry.Push("keyless:run", images["curl"])
	registry.Push("labelled:run", lifecycletest.Labelled(images["curl"], map[string]string{
		attach.ProvidesLabel: `{"version": "1.0", "provides": [{"name": "courier", "evidence": ["pkg:deb/debian/curl"]}]}`,
	}))
	schema, err := filepath.Abs("../../docs/reference/output.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	demo, err := filepath.Abs("../../testdata/demo")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"cosign-sbom": cosignSBOM, "tuf": serveTUF, "attest": attest, "github-attest": githubAttest},
		Setup: func(env *testscript.Env) error {
			env.Setenv("REGISTRY", registry.Name)
			env.Setenv("SCHEMA", schema)
			env.Setenv("COLUMNS", "100")
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
			for name, img := range images {
				path, err := layout.Write(filepath.Join(env.WorkDir, name), empty.Index)
				if err != nil {
					return err
				}
				if err := path.AppendImage(img); err != nil {
					return err
				}
			}
			path, err := layout.Write(filepath.Join(env.WorkDir, "multi"), empty.Index)
			if err == nil {
				err = path.AppendIndex(multi)
			}
			if err != nil {
				return err
			}
			if err := tarball.WriteToFile(filepath.Join(env.WorkDir, "app1.tar"), lifecycletest.Reference("registry.example/app:1"), images["app1"]); err != nil {
				return err
			}
			for list, tags := range map[string][]string{"list.txt": {"multi", "single", "none"}, "names.txt": {"multi", "single"}} {
				text := "# What is released.\n"
				for _, tag := range tags {
					text += "\n" + registry.Name + "/publish:" + tag + "\n"
				}
				if err := os.WriteFile(filepath.Join(env.WorkDir, list), []byte(text), 0o600); err != nil {
					return err
				}
			}
			if err := writeKeys(env.WorkDir, "signer", "other"); err != nil {
				return err
			}
			return os.CopyFS(filepath.Join(env.WorkDir, "demo"), os.DirFS(demo))
		},
	})
}

// app is the image of an app that relies on its run image, which has a reference: the extension acme/curl was skipped for it.
func app(t *testing.T, run v1.Image, reference string) v1.Image {
	t.Helper()
	cfg, err := run.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	top := cfg.RootFS.DiffIDs[len(cfg.RootFS.DiffIDs)-1]
	return lifecycletest.Labelled(run, map[string]string{
		platform.LifecycleMetadataLabel: `{"runImage": {"topLayer": "` + top.String() + `", "reference": "` + reference + `", "image": "registry.example/run"}}`,
		platform.RequirementsLabel: `{"version": "1.0", "requirements": [
			{"name": "curl", "constraint": ">= 7", "rule": "deb", "evidence": ["pkg:deb/debian/curl"], "required-by": "acme/app"},
			{"name": "libcurl4", "evidence": ["pkg:deb/debian/libcurl4"], "proved-by-effect": "acme/curl"}]}`,
		platform.DistroNameLabel: "debian", platform.DistroVersionLabel: "12",
	})
}

// writeKeys makes key pairs: NAME.pem and NAME.pub.
func writeKeys(dir string, names ...string) error {
	for _, name := range names {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return err
		}
		for file, block := range map[string]*pem.Block{
			name + ".pem": {Type: "PRIVATE KEY", Bytes: private}, name + ".pub": {Type: "PUBLIC KEY", Bytes: public},
		} {
			if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

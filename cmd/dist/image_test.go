package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

func TestLifecycleImage(t *testing.T) {
	r := small(t, platforms("linux/amd64", "linux/arm64", "darwin/arm64")...)
	index := made(t, r)
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range manifest.Manifests {
		found = append(found, d.Platform.String())
		img, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(d.Platform.String(), func(t *testing.T) { checkImage(t, img, *d.Platform) })
	}
	if want := []string{"linux/amd64", "linux/arm64"}; !slices.Equal(found, want) || manifest.MediaType != types.OCIImageIndex {
		t.Errorf("the image is a %s for %v, want one for %v", manifest.MediaType, found, want)
	}
}

func checkImage(t *testing.T, img v1.Image, p v1.Platform) {
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if path := "PATH=/cnb/lifecycle:"; len(config.Config.Env) != 1 || !strings.HasPrefix(config.Config.Env[0], path) {
		t.Errorf("environment %q, want %s...", config.Config.Env, path)
	}
	if config.Config.WorkingDir != "/layers" || config.OS != p.OS || config.Architecture != p.Architecture {
		t.Errorf("configuration %+v", config)
	}
	var steps []string
	for _, h := range config.History {
		steps = append(steps, h.CreatedBy)
	}
	if len(steps) != 3 || steps[1] != "WORKDIR /layers" || steps[2] != "Layer: 'lifecycle'" {
		t.Errorf("history %q: the working directory has to be set before the lifecycle's layer", steps)
	}
	all, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	last := content(t, all[len(all)-1])
	want := lifecycleFiles("cnb/lifecycle/", "amd64")
	want["cnb/"], want["cnb/lifecycle/"] = file{Mode: 0o755}, file{Mode: 0o755}
	if diff := cmp.Diff(want, shapes(last)); diff != "" {
		t.Errorf("the last layer has to be exactly the lifecycle (-want +got):\n%s", diff)
	}
	below := map[string]file{}
	for _, l := range all[:len(all)-1] {
		for name, f := range content(t, l) {
			below[name] = f
		}
	}
	if below["tmp/"].Mode != 0o1777 || below["layers/"].Mode != 0o755 || below["root/"].Mode != 0o700 {
		t.Errorf("directories below the lifecycle: %v", shapes(below))
	}
	if want, err := describe(version).TOML(); err != nil || below["cnb/lifecycle.toml"].Body != string(want) {
		t.Errorf("cnb/lifecycle.toml has %q, want %q, %v", below["cnb/lifecycle.toml"].Body, want, err)
	}
	if settings, ok := below["cnb/baseplan.toml"]; ok {
		t.Errorf("there are settings that nobody gave: %q", settings.Body)
	}
	for name, summer := range map[string]string{"Europe/Berlin": "CEST", "America/Argentina/Ushuaia": "-03"} {
		zone, err := time.LoadLocationFromTZData(name, []byte(below["usr/share/zoneinfo/"+name].Body))
		if err != nil {
			t.Errorf("time zone %s: %v", name, err)
			continue
		}
		if got, _ := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).In(zone).Zone(); got != summer {
			t.Errorf("time zone %s is %s in July 2026, want %s", name, got, summer)
		}
	}
	checkRoots(t, below["etc/ssl/certs/ca-certificates.crt"].Body)
	checkLabels(t, config.Config.Labels)
}

// TestSettings: the operator's policy is in the image, below the layer that platforms take as the lifecycle.
func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.toml")
	const policy = "version = \"1.0\"\n[policy]\nrun-sbom = \"generate\"\n"
	if err := os.WriteFile(path, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	r := small(t, platforms("linux/amd64")...)
	var err error
	if r.Settings, err = readSettings(path); err != nil {
		t.Fatal(err)
	}
	manifest, err := made(t, r).IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := made(t, r).Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	all, err := img.Layers()
	if err != nil || len(all) != 2 {
		t.Fatalf("%d layers, %v", len(all), err)
	}
	if diff := cmp.Diff(file{Mode: 0o644, Body: policy}, content(t, all[0])["cnb/baseplan.toml"]); diff != "" {
		t.Errorf("/cnb/baseplan.toml (-want +got):\n%s", diff)
	}
	if _, ok := content(t, all[1])["cnb/baseplan.toml"]; ok {
		t.Error("the settings are part of the lifecycle's layer")
	}
}

// TestBadSettings: what phases would refuse, or could not find, goes into no image.
func TestBadSettings(t *testing.T) {
	for content, want := range map[string]string{
		"": `"version"`,
		"version = \"1.0\"\n[policy]\nrun-sbom = \"sometimes\"\n":           `key "run-sbom": "sometimes" is not one of`,
		"version = \"1.0\"\n[policy]\nkeys = [\"/keys/signer.pub\"]\n":      `key "keys": "/keys/signer.pub" is a path`,
		"version = \"1.0\"\n[policy]\ntrusted-root = \"trusted_root.json\"": `key "trusted-root": "trusted_root.json" is a path`,
	} {
		path := filepath.Join(t.TempDir(), "policy.toml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		out := t.TempDir()
		err := run(t.Context(), []string{"-out", out, "-settings", path})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: got %v, want %s", content, err, want)
		}
		if left, _ := os.ReadDir(out); len(left) > 0 {
			t.Errorf("%q: %v is left", content, left)
		}
	}
	if err := run(t.Context(), []string{"-out", t.TempDir(), "-settings", "lost.toml"}); err == nil || !strings.Contains(err.Error(), "lost.toml") {
		t.Errorf("settings that are not there: %v", err)
	}
}

func content(t *testing.T, l v1.Layer) map[string]file {
	t.Helper()
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return untar(t, r)
}

// checkRoots reads the certificates as crypto/x509 does where the phases run.
func checkRoots(t *testing.T, bundle string) {
	t.Helper()
	n := 0
	for rest := []byte(bundle); ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if c, err := x509.ParseCertificate(block.Bytes); err != nil || !c.IsCA {
			t.Errorf("certificate %d is no CA's: %v", n, err)
		}
	}
	if n < 50 {
		t.Errorf("%d certificates are too few to reach registries", n)
	}
}

func checkLabels(t *testing.T, labels map[string]string) {
	t.Helper()
	if got := labels["io.buildpacks.lifecycle.version"]; got != version {
		t.Errorf("label io.buildpacks.lifecycle.version is %q", got)
	}
	const apiLabel = `{"platform":{"deprecated":[],"supported":["0.7","0.8","0.9","0.10","0.11","0.12","0.13","0.14","0.15"]},` +
		`"buildpack":{"deprecated":[],"supported":["0.7","0.8","0.9","0.10","0.11","0.12"]}}`
	if diff := cmp.Diff(apiLabel, labels["io.buildpacks.lifecycle.apis"]); diff != "" {
		t.Errorf("label io.buildpacks.lifecycle.apis (-want +got):\n%s", diff)
	}
	const metadata = `{"lifecycle":{"version":"` + version + `","api":{"platform":"0.7","buildpack":"0.7"},"apis":` + apiLabel + `}}`
	if diff := cmp.Diff(metadata, labels["io.buildpacks.builder.metadata"]); diff != "" {
		t.Errorf("label io.buildpacks.builder.metadata (-want +got):\n%s", diff)
	}
}

func TestLayoutIsTheImage(t *testing.T) {
	r := small(t, platforms("linux/amd64")...)
	index := made(t, r)
	want, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	path, err := layout.ImageIndexFromPath(filepath.Join(r.Out, "lifecycle-image"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(path); err != nil {
		t.Error(err)
	}
	manifest, err := path.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Digest != want || manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != version {
		t.Errorf("the layout has %+v, want %s alone", manifest.Manifests, want)
	}
}

func TestPush(t *testing.T) {
	host := lifecycletest.Registry()
	t.Cleanup(host.Close)
	r := small(t, platforms("linux/amd64", "linux/arm64")...)
	var log strings.Builder
	r.Progress = &log
	index := made(t, r)
	want, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	to := host.Name + "/lifecycle:" + version
	if _, err := r.push(t.Context(), to, index); err != nil {
		t.Fatal(err)
	}
	pushed, err := remote.Index(lifecycletest.Reference(to))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pushed.Digest(); err != nil || got != want {
		t.Errorf("pushed %s, %v; want %s", got, err, want)
	}
	if err := validate.Index(pushed); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), to+"@"+want.String()) {
		t.Errorf("the digest is not told:\n%s", &log)
	}
}

// TestPushCommand: the image of baseplan has the SBOM of its binary, signed.
func TestPushCommand(t *testing.T) {
	host := lifecycletest.Registry()
	t.Cleanup(host.Close)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := small(t, platforms("linux/amd64", "linux/arm64")...)
	r.Sign = key
	index := images(t, r)[commandImage]
	to := host.Name + "/baseplan:" + version
	if err := r.pushCommand(t.Context(), to, index); err != nil {
		t.Fatal(err)
	}
	for _, p := range platforms("linux/amd64", "linux/arm64") {
		img, err := (&image.Opener{Platform: &p}).Open(t.Context(), reference.Parse(to))
		if err != nil {
			t.Fatal(err)
		}
		if config := img.Config; config.Config.Entrypoint[0] != "/usr/bin/baseplan" || config.Architecture != p.Architecture {
			t.Errorf("configuration %+v", config)
		}
		reader := &base.Reader{Finder: &attach.Finder{Trust: attach.Trust{Keys: []crypto.PublicKey{key.Public()}}}}
		found, err := reader.Finder.FindAll(t.Context(), reader.Subject(img))
		if err != nil || len(found.Searched) == 0 || found.Searched[0].By() == "" || found.Searched[0].Result != attach.Empty { // it is not one of an operating system
			t.Fatalf("no SBOM signed by the key: %+v, %v", found, err)
		}
	}
}

//go:build e2e

package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// TestExtenderWithoutRoot runs all five phases as one user, also the extender of the run image: the app image has the
// files of one whose extender is root.
func TestExtenderWithoutRoot(t *testing.T) {
	t.Parallel()
	s := newStage(t, "curl:launch", "curl")
	s.RunImage = s.run("plain", "")
	s.five(t, extended)
	want := s.filesOfRunImage()
	s.forget()
	s.Cache, s.LaunchCache, s.Kaniko = "", "", s.Volume(nil)
	s.Shell(s.Kaniko, "chown 1000:1000 .")
	s.Publish, s.Name, s.User = true, s.site.repository+"/app:user", "1000:1000"
	s.five(t, extended)
	s.Do(nil, "pull", "-q", s.Name)
	if diff := gocmp.Diff(want, s.filesOfRunImage()); diff != "" {
		t.Errorf("the files differ (-root +user):\n%s", diff)
	}
}

// TestExtenderOfAnotherLifecycle gives the extender's tarball the files that the other phases of any lifecycle leave
// (docs/extender.md), in both layouts of <generated>, as root and as any user.
func TestExtenderOfAnotherLifecycle(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	run := s.runImage(s.repository+"/run:plain", "")
	s.Do(nil, "push", "-q", run)
	base := pulled(t, run)
	digest, err := base.Digest()
	if err != nil {
		t.Fatal(err)
	}
	tarball, err := os.ReadFile(filepath.Join(platformtest.Release(t), "extender-"+platformtest.Version+"-linux-"+runtime.GOARCH+".tgz"))
	if err != nil {
		t.Fatal(err)
	}
	container := s.Image(s.repository+"/run:with-extender", "FROM "+run+"\nUSER 0\nADD extender.tgz /extender\n", platformtest.Files{"extender.tgz": string(tarball)})
	for api, generated := range map[string]string{"0.12": "generated/run/acme_tool/Dockerfile", "0.13": "generated/acme_tool/run.Dockerfile"} {
		for _, c := range []struct {
			user, how string
			code      int
		}{{"0:0", "auto", 0}, {"0:0", "sandbox", 0}, {"12345:0", "auto", 0}, {"12345:0", "root", 102}} {
			if api == "0.12" && c.how != "auto" {
				continue
			}
			t.Run(api+" as "+c.user+" by "+c.how, func(t *testing.T) {
				layers, kaniko := s.Volume(platformtest.Files{
					"analyzed.toml": fmt.Sprintf("[run-image]\nreference = \"%s/run@%s\"\nimage = %q\nextend = true\n", s.repository, digest, run),
					"group.toml":    "[[group]]\nid = \"acme/app\"\nversion = \"1\"\napi = \"0.10\"\n[[group-extensions]]\nid = \"acme/tool\"\nversion = \"1\"\napi = \"0.10\"\n",
					generated:       "ARG base_image\nFROM ${base_image}\nUSER root\nRUN echo tool > /opt/tool && chown 1:2 /opt/tool\nARG user_id\nARG group_id\nUSER ${user_id}:${group_id}\n",
				}), s.Volume(nil)
				saved := filepath.Join(s.Do(nil, "volume", "inspect", "-f", "{{.Mountpoint}}", kaniko), "cache", "base", digest.String())
				index, err := layout.Write(saved, empty.Index)
				if err == nil {
					err = index.AppendImage(base)
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range []string{layers, kaniko} {
					s.Shell(v, "chown -R "+c.user+" .")
				}
				args := []string{"run", "--rm", "--network", "none", "--user", c.user, "-w", "/", "-v", layers + ":/layers", "-v", kaniko + ":/kaniko", "-e", "CNB_PLATFORM_API=" + api, "-e", "CNB_EXTEND_IN_CREATOR=" + c.how, "--entrypoint", "/extender/extender"}
				if out, code := s.Try(nil, append(args, container, "-app", "/workspace", "-kind", "run")...); code != c.code || code != 0 && !strings.Contains(out, "requires root") {
					t.Fatalf("exit code %d, want %d\n%s", code, c.code, out)
				}
				if c.code != 0 {
					return
				}
				dir := filepath.Join(s.Do(nil, "volume", "inspect", "-f", "{{.Mountpoint}}", layers), "extended", "run", digest.String())
				checkExtended(t, dir, base)
			})
		}
	}
}

func pulled(t *testing.T, reference string) v1.Image {
	t.Helper()
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// checkExtended checks that a layout has the base with one more layer.
func checkExtended(t *testing.T, dir string, base v1.Image) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%+v, %v", manifest, err)
	}
	img, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	below, err := base.Layers()
	if err != nil || len(layers) != len(below)+1 {
		t.Fatalf("%d layers over %d, %v", len(layers), len(below), err)
	}
	content, err := layers[len(below)].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	var files []string
	for tr := tar.NewReader(content); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, fmt.Sprintf("%s %d:%d", h.Name, h.Uid, h.Gid))
	}
	if got := strings.Join(files, ", "); got != "opt/ 0:0, opt/tool 1:2" {
		t.Errorf("the layer has %s", got)
	}
	config, err := img.ConfigFile()
	if err != nil || config.Config.User != "1001:1000" {
		t.Errorf("the user is %q, %v", config.Config.User, err)
	}
}

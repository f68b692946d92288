package lifecycletest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

func TestImages(t *testing.T) {
	for name, build := range map[string]func() v1.Image{
		"debian":     func() v1.Image { return lifecycletest.Debian("curl") },
		"distroless": func() v1.Image { return lifecycletest.Distroless("libssl3") },
		"alpine":     lifecycletest.Alpine,
		"mariner":    lifecycletest.Mariner,
		"suse":       lifecycletest.SUSE,
		"bdb":        lifecycletest.BerkeleyDB,
		"scratch":    lifecycletest.Scratch,
	} {
		t.Run(name, func(t *testing.T) {
			img := build()
			if err := validate.Image(img); err != nil {
				t.Error(err)
			}
			first, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			again, err := build().Digest()
			if err != nil || again != first {
				t.Errorf("made again: %v, %v, want %v", again, err, first)
			}
		})
	}
}

func TestDebianImageHasDependencies(t *testing.T) {
	layer := lifecycletest.DebianLayer("curl")
	for path, want := range map[string]bool{
		"var/lib/dpkg/info/curl.list":           true,
		"var/lib/dpkg/info/libcurl4:amd64.list": true,
		"var/lib/dpkg/info/bash.list":           true,
		"var/lib/dpkg/info/git.list":            false,
	} {
		if _, got := layer[path]; got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestRegistry(t *testing.T) {
	host := lifecycletest.Registry()
	defer host.Close()
	img := lifecycletest.Alpine()
	ref := host.PushIndex("run:1", lifecycletest.Index(map[string]v1.Image{"amd64": img}))
	if diff := cmp.Diff(host.Name+"/run:1", ref); diff != "" {
		t.Error(diff)
	}
	index, err := remote.Index(lifecycletest.Reference(ref))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
}

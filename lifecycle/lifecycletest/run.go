package lifecycletest

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// RunImages returns the Debian run images of the tutorials by repository and tag, with the
// user, PATH and labels that platforms require: run:base, run:curl, and run:tools with curl
// and more.
func RunImages() map[string]v1.Image {
	return map[string]v1.Image{
		"run:base":  runImage(),
		"run:curl":  runImage("curl"),
		"run:tools": runImage("curl", "git", "tree"),
	}
}

func runImage(packages ...string) v1.Image {
	img := Labelled(Debian(packages...), map[string]string{
		"io.buildpacks.base.distro.name": "debian", "io.buildpacks.base.distro.version": "12",
	})
	cfg := must(img.ConfigFile()).DeepCopy()
	cfg.Config.User, cfg.Config.Env = "1000:1000", []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	return must(mutate.ConfigFile(img, cfg))
}

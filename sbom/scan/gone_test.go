package scan_test

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom/scan"
)

// TestCommandsThatAreGone: a command that was deleted or diverted is not provided,
// though the package that brought it is there.
func TestCommandsThatAreGone(t *testing.T) {
	debian := func(more lifecycletest.Layer) v1.Image {
		return lifecycletest.Image(lifecycletest.DebianLayer("curl"), more)
	}
	diverted := lifecycletest.DebianLayer("curl")
	diverted["var/lib/dpkg/diversions"] = "/usr/bin/curl\n/usr/bin/curl.real\n:\n/bin/bash\n/bin/bash.distrib\nbash\n"
	cache := scan.DirCache(t.TempDir())
	for _, tt := range []struct {
		name  string
		image v1.Image
		there bool
	}{
		{"untouched", debian(lifecycletest.Layer{"tmp/x": "x"}), true},
		{"deleted", debian(lifecycletest.Layer{"usr/bin/.wh.curl": ""}), false},
		{"deleted by its other path", debian(lifecycletest.Layer{"bin/.wh.curl": ""}), false},
		{"another deleted", debian(lifecycletest.Layer{"usr/bin/.wh.wget": ""}), true},
		{"a file of that name elsewhere deleted", debian(lifecycletest.Layer{"usr/share/.wh.curl": ""}), true},
		{"brought back", lifecycletest.Image(lifecycletest.DebianLayer("curl"), lifecycletest.Layer{"usr/bin/.wh.curl": ""}, lifecycletest.Layer{"usr/bin/curl": "x"}), true},
		{"diverted", lifecycletest.Image(diverted), false},
	} {
		for range 2 { // the second time from the cache
			doc, err := scan.Image(t.Context(), tt.image, scan.Options{Cache: cache})
			if err != nil {
				t.Fatal(err)
			}
			set, _ := provides.From(doc, nil, nil)
			if got := set.Answer("cmd:curl", ""); got.Met != tt.there {
				t.Errorf("%s: cmd:curl %t (%s), want %t", tt.name, got.Met, got.Reason, tt.there)
			}
			for _, name := range []string{"curl", "cmd:bash"} {
				if got := set.Answer(name, ""); !got.Met {
					t.Errorf("%s: %s", tt.name, got.Reason)
				}
			}
		}
	}
}

// TestCommandsOfApkThatAreGone: apk has commands as virtual packages, too.
func TestCommandsOfApkThatAreGone(t *testing.T) {
	before, err := scan.Image(t.Context(), lifecycletest.Alpine(), scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set, _ := provides.From(before, nil, nil)
	i := slices.IndexFunc(set.Names(), func(name string) bool {
		return strings.HasPrefix(name, "cmd:") && len(set.Lookup(name)) > 0 && set.Lookup(name)[0].Kind == provides.Command
	})
	if i < 0 {
		t.Fatal("the image has no command")
	}
	name := set.Names()[i]
	layer := lifecycletest.Layer{}
	for _, dir := range []string{"bin/", "sbin/", "usr/local/bin/"} {
		layer[dir+".wh."+strings.TrimPrefix(name, "cmd:")] = ""
	}
	img := lifecycletest.With(lifecycletest.Alpine(), layer)
	after, err := scan.Image(t.Context(), img, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set, _ = provides.From(after, nil, nil)
	if got := set.Answer(name, ""); got.Met {
		t.Errorf("%s is provided by %s", name, got.Reason)
	}
}

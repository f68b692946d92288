package image_test

import (
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/reference"
)

func TestOrigin(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	registry.PushIndex("run:both", both)
	registry.Push("run:one", one)
	at := func(h v1.Hash) string { return registry.Name + "/run@" + h.String() }
	index, manifest := at(digest(t, both)), at(digest(t, two))
	id, err := two.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	registry.PushIndex("copy:both", both)
	copied := registry.Name + "/copy@" + digest(t, both).String()
	for _, tt := range []struct {
		name  string
		id    v1.Hash
		refs  []string
		found string // the reference; empty: none
	}{
		{"by its configuration, through the index", id, []string{index}, index},
		{"by its configuration", id, []string{manifest}, manifest},
		{"by its manifest", digest(t, two), []string{index}, index},
		{"by its index", digest(t, both), []string{index}, index},
		{"in the second place", id, []string{registry.Name + "/gone@" + digest(t, both).String(), index}, index},
		{"the one that it is named by", id, []string{copied, index}, index},
		{"another than it is named by", id, []string{copied}, copied},
		{"another image", id, []string{at(digest(t, one))}, ""},
		{"gone", id, []string{at(v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)})}, ""},
		{"never pulled", id, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			img := &image.Image{Name: reference.Parse("docker://" + registry.Name + "/run:latest"), Digest: tt.id, Config: &v1.ConfigFile{OS: "linux", Architecture: "arm64"}, RepoDigests: tt.refs}
			from, err := (&image.Opener{Platform: amd64}).Origin(t.Context(), img)
			if tt.found == "" {
				if !errors.Is(err, image.ErrNotFound) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if from.Name.String() != tt.found || from.Digest != digest(t, two) || (from.Parent != nil) != strings.HasSuffix(tt.found, index[len(index)-64:]) {
				t.Errorf("got %s, digest %s", from.Name, from.Digest)
			}
		})
	}
}

package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/cmd/internal/cli/page"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/layers"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/reference"
)

// TestAppOf: an app image that was built reproducibly has no date.
func TestAppOf(t *testing.T) {
	built := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		created time.Time
		label   string
		want    page.App
	}{
		"a date and a version": {built, `{"launcher": {"version": "1.2.3"}}`, page.App{Created: built, Version: "1.2.3"}},
		"reproducible":         {layers.Epoch, `{}`, page.App{}},
		"no date, no label":    {time.Time{}, ``, page.App{}},
		"malformed":            {time.Unix(0, 0), `{"launcher": 1}`, page.App{}},
	} {
		t.Run(name, func(t *testing.T) {
			digest := v1.Hash{Algorithm: "sha256", Hex: "5e5e"}
			config := &v1.ConfigFile{Created: v1.Time{Time: test.created}, Config: v1.Config{Labels: map[string]string{platform.BuildMetadataLabel: test.label}}}
			test.want.Name, test.want.Digest = "oci:app", "sha256:5e5e"
			got := appOf(&image.Image{Name: reference.Parse("oci:app"), Digest: digest, Config: config})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

package scan_test

import (
	"context"
	"slices"
	"testing"

	"github.com/anchore/syft/syft"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/scan"
)

// identity is what scan and Syft must agree on.
type identity struct{ Type, Name, Version, Arch, PURL string }

// bySyft is what Syft's whole API finds of operating system packages.
func bySyft(ctx context.Context, kind, location string) ([]identity, error) {
	src, err := syft.GetSource(ctx, location, syft.DefaultGetSourceConfig().WithSources(kind))
	if err != nil {
		return nil, err
	}
	defer src.Close()
	found, err := syft.CreateSBOM(ctx, src, syft.DefaultCreateSBOMConfig())
	if err != nil {
		return nil, err
	}
	return osPackages(found), nil
}

func identities(doc *sbom.Document) []identity {
	var ids []identity
	for _, p := range doc.Packages {
		ids = append(ids, identity{string(p.Type), p.Name, p.Version, p.Arch, p.PURL})
	}
	return distinct(ids)
}

func distinct(ids []identity) []identity {
	slices.SortFunc(ids, func(a, b identity) int {
		return slices.Compare([]string{a.Type, a.Name, a.Version, a.Arch, a.PURL}, []string{b.Type, b.Name, b.Version, b.Arch, b.PURL})
	})
	return slices.Compact(ids)
}

// ociDir writes the image as an OCI layout.
func ociDir(t testing.TB, img v1.Image) string {
	t.Helper()
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(img); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEqualToSyft(t *testing.T) {
	for _, tt := range []struct {
		name  string
		img   v1.Image
		least int
	}{
		{"debian", lifecycletest.Debian("curl", "git", "openjdk-17-jre-headless"), 100},
		{"distroless", lifecycletest.Distroless("libssl3", "ca-certificates"), 60},
		{"alpine", lifecycletest.Alpine(), 14},
		{"rpm sqlite", lifecycletest.Mariner(), 50},
		{"rpm ndb", lifecycletest.SUSE(), 30},
		{"rpm bdb", lifecycletest.BerkeleyDB(), 1},
		{"apk without os-release", lifecycletest.With(lifecycletest.Alpine(), lifecycletest.Layer{
			"etc/.wh.os-release": "", "etc/apk/repositories": "https://dl-cdn.alpinelinux.org/alpine/v3.4/main\n"}), 14},
		{"scratch", lifecycletest.Scratch(), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc, err := scan.Image(t.Context(), tt.img, scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := identities(doc)
			if len(got) < tt.least {
				t.Errorf("%d packages, want at least %d", len(got), tt.least)
			}
			want, err := bySyft(t.Context(), "oci-dir", ociDir(t, tt.img))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Syft finds otherwise (-Syft +scan):\n%s", diff)
			}
		})
	}
}

var manifestLayer = lifecycletest.Layer{
	"etc/os-release": "ID=mariner\nVERSION_ID=\"2.0\"\n",
	"var/lib/rpmmanifest/container-manifest-2": "mariner-release\t2.0-12.cm2\t1653816591\t1653753130\tMicrosoft Corporation\t(none)\t580\tnoarch\t0\tmariner-release-2.0-12.cm2.src.rpm\n" +
		"openssl\t1.1.1k-15.cm2\t1653816591\t1653628955\tMicrosoft Corporation\t1\t1365093\tx86_64\t1\topenssl-1.1.1k-15.cm2.src.rpm\n",
}

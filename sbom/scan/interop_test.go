package scan_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/anchore/syft/syft"
	"github.com/anchore/syft/syft/format/cyclonedxjson"
	"github.com/anchore/syft/syft/format/cyclonedxxml"
	"github.com/anchore/syft/syft/format/spdxjson"
	"github.com/anchore/syft/syft/format/spdxtagvalue"
	"github.com/anchore/syft/syft/format/syftjson"
	"github.com/anchore/syft/syft/pkg"
	syftsbom "github.com/anchore/syft/syft/sbom"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
	"github.com/baseplan/baseplan/sbom/scan"
)

// encoders are Syft's, of all formats and versions that we read.
func encoders(t *testing.T) []syftsbom.FormatEncoder {
	t.Helper()
	var all []syftsbom.FormatEncoder
	add := func(e syftsbom.FormatEncoder, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	add(syftjson.NewFormatEncoder(), nil)
	for _, version := range []string{"1.2", "1.3", "1.4", "1.5", "1.6", "1.7"} {
		add(cyclonedxjson.NewFormatEncoderWithConfig(cyclonedxjson.EncoderConfig{Version: version}))
		add(cyclonedxxml.NewFormatEncoderWithConfig(cyclonedxxml.EncoderConfig{Version: version}))
	}
	for _, version := range []string{"2.1", "2.2", "2.3"} {
		add(spdxjson.NewFormatEncoderWithConfig(spdxjson.EncoderConfig{Version: version}))
		add(spdxtagvalue.NewFormatEncoderWithConfig(spdxtagvalue.EncoderConfig{Version: version}))
	}
	add(spdxjson.NewFormatEncoderWithConfig(spdxjson.EncoderConfig{Version: "3.0"}))
	return all
}

var interopImages = map[string]v1.Image{
	"debian": lifecycletest.Debian("curl", "git"),
	"alpine": lifecycletest.Alpine(),
	"rpm":    lifecycletest.Mariner(),
}

// TestReadsSyft: what Syft writes, in any format, gives the packages that Syft has.
func TestReadsSyft(t *testing.T) {
	all := encoders(t)
	for name, img := range interopImages {
		t.Run(name, func(t *testing.T) {
			found := catalogued(t.Context(), t, ociDir(t, img))
			want := osPackages(found)
			for _, e := range all {
				var b bytes.Buffer
				if err := e.Encode(&b, *found); err != nil {
					t.Fatal(err)
				}
				doc, err := format.Decode(&b, e.ID().String()+" "+e.Version())
				if err != nil {
					t.Error(err)
					continue
				}
				if diff := cmp.Diff(want, osIdentities(doc)); diff != "" {
					t.Errorf("%s %s (-Syft +read):\n%s", e.ID(), e.Version(), diff)
				}
				if release := found.Artifacts.LinuxDistribution; doc.Distro.ID != release.ID || doc.Distro.Version != release.VersionID {
					t.Errorf("%s %s: distro %+v, want %s %s", e.ID(), e.Version(), doc.Distro, release.ID, release.VersionID)
				}
			}
		})
	}
}

// TestSyftReads: Syft reads what we write, in any format.
func TestSyftReads(t *testing.T) {
	decoders := map[sbom.Format]syftsbom.FormatDecoder{
		sbom.Syft: syftjson.NewFormatDecoder(), sbom.CycloneDX: cyclonedxjson.NewFormatDecoder(), sbom.SPDX: spdxjson.NewFormatDecoder(),
	}
	for name, img := range interopImages {
		t.Run(name, func(t *testing.T) {
			doc, err := scan.Image(t.Context(), img, scan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for f, d := range decoders {
				var b bytes.Buffer
				if err := format.Encode(&b, doc, f); err != nil {
					t.Fatal(err)
				}
				found, _, _, err := d.Decode(io.ReadSeeker(bytes.NewReader(b.Bytes())))
				if err != nil {
					t.Errorf("%s: %v", f, err)
					continue
				}
				if diff := cmp.Diff(lower(identities(doc)), lower(osPackages(found))); diff != "" {
					t.Errorf("%s (-written +Syft):\n%s", f, diff)
				}
				again, err := format.Decode(&b, string(f))
				if err != nil {
					t.Error(err)
					continue
				}
				again.Format, again.Spec = doc.Format, doc.Spec
				if diff := cmp.Diff(doc, again, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s: a generated inventory does not survive (-was +is):\n%s", f, diff)
				}
			}
		})
	}
}

// lower writes purls in small letters, as Syft does when it reads SPDX.
func lower(ids []identity) []identity {
	for i := range ids {
		ids[i].PURL = strings.ToLower(ids[i].PURL)
	}
	return ids
}

func catalogued(ctx context.Context, t *testing.T, dir string) *syftsbom.SBOM {
	t.Helper()
	src, err := syft.GetSource(ctx, dir, syft.DefaultGetSourceConfig().WithSources("oci-dir"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	found, err := syft.CreateSBOM(ctx, src, syft.DefaultCreateSBOMConfig())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func osIdentities(doc *sbom.Document) []identity {
	only := *doc
	only.Packages = slices.DeleteFunc(slices.Clone(doc.Packages), func(p sbom.Package) bool { return !p.Type.OS() })
	return identities(&only)
}

// osPackages is what Syft knows after reading; of the architecture, that may be
// in the purl alone.
func osPackages(found *syftsbom.SBOM) []identity {
	var ids []identity
	for p := range found.Artifacts.Packages.Enumerate(pkg.DebPkg, pkg.RpmPkg, pkg.ApkPkg) {
		id := identity{string(p.Type), p.Name, p.Version, "", p.PURL}
		switch m := p.Metadata.(type) {
		case pkg.DpkgDBEntry:
			id.Arch = m.Architecture
		case pkg.RpmDBEntry:
			id.Arch = m.Arch
		case pkg.ApkDBEntry:
			id.Arch = m.Architecture
		}
		ids = append(ids, id)
	}
	return distinct(ids)
}

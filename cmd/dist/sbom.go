package main

import (
	"bytes"
	"context"
	"crypto"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/anchore/syft/syft/artifact"
	"github.com/anchore/syft/syft/format/cyclonedxjson"
	"github.com/anchore/syft/syft/format/spdxjson"
	"github.com/anchore/syft/syft/format/syftjson"
	"github.com/anchore/syft/syft/pkg"
	"github.com/anchore/syft/syft/pkg/cataloger/golang"
	"github.com/anchore/syft/syft/sbom"
	"github.com/anchore/syft/syft/source"
	"github.com/anchore/syft/syft/source/filesource"
	"github.com/google/uuid"
)

// sboms returns NAME.sbom.{cdx,spdx,syft}.json of a binary, with the modules that it was
// compiled from.
func (r *release) sboms(ctx context.Context, name, binary string) ([]entry, error) {
	catalogued, err := r.catalog(ctx, name, binary)
	if err != nil {
		return nil, err
	}
	var files []entry
	for _, format := range []struct {
		extension string
		encoder   func() (sbom.FormatEncoder, error)
	}{
		{"cdx", func() (sbom.FormatEncoder, error) {
			config := cyclonedxjson.DefaultEncoderConfig()
			config.Version = "1.6" // most readers do not support newer versions
			return cyclonedxjson.NewFormatEncoderWithConfig(config)
		}},
		{"spdx", func() (sbom.FormatEncoder, error) {
			return spdxjson.NewFormatEncoderWithConfig(spdxjson.DefaultEncoderConfig())
		}},
		{"syft", func() (sbom.FormatEncoder, error) {
			return syftjson.NewFormatEncoderWithConfig(syftjson.DefaultEncoderConfig())
		}},
	} {
		encoder, err := format.encoder()
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := encoder.Encode(&b, *catalogued); err != nil {
			return nil, err
		}
		body, err := makeReproducible(b.Bytes(), name, catalogued.Source.ID, r.Created)
		if err != nil {
			return nil, err
		}
		files = append(files, entry{name: name + ".sbom." + format.extension + ".json", mode: 0o644, body: body})
	}
	return files, nil
}

// catalog reads the modules recorded in a binary.
func (r *release) catalog(ctx context.Context, name, binary string) (*sbom.SBOM, error) {
	src, err := filesource.New(filesource.Config{
		Path: binary, SkipExtractArchive: true, DigestAlgorithms: []crypto.Hash{crypto.SHA256},
		Alias: source.Alias{Name: name, Version: r.Version},
	})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	files, err := src.FileResolver(source.SquashedScope)
	if err != nil {
		return nil, err
	}
	packages, _, err := golang.NewGoModuleBinaryCataloger(golang.CatalogerConfig{}).Catalog(ctx, files)
	if incomplete := complete(packages, binary); incomplete != nil {
		return nil, errors.Join(incomplete, err)
	}
	described := src.Describe()
	metadata := described.Metadata.(source.FileMetadata)
	metadata.Path = filepath.Base(binary) // without the path on this machine
	described.Metadata = metadata
	packages, relationships := r.linkModules(packages)
	return &sbom.SBOM{
		Artifacts:     sbom.Artifacts{Packages: pkg.NewCollection(packages...)},
		Relationships: relationships,
		Source:        described,
		Descriptor:    sbom.Descriptor{Name: "syft", Version: syftVersion()},
	}, nil
}

// complete checks that the modules found include all that Go itself reads. It replaces the
// cataloger's error, which also covers other things, such as how the cryptography of a darwin
// binary was compiled.
func complete(packages []pkg.Package, binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, p := range packages {
		found[p.Name] = true
	}
	for _, m := range append(info.Deps, &info.Main, &debug.Module{Path: "stdlib"}) {
		if !found[m.Path] {
			return fmt.Errorf("reading the modules of %s: %s is not among the %d that Syft found", filepath.Base(binary), m.Path, len(packages))
		}
	}
	return nil
}

// linkModules sets the version of our own module, which the linker does not record, and makes all
// others its dependencies.
func (r *release) linkModules(packages []pkg.Package) ([]pkg.Package, []artifact.Relationship) {
	main := &packages[slices.IndexFunc(packages, func(p pkg.Package) bool { return p.Name == module })]
	main.Version = "v" + r.Version
	main.PURL = "pkg:golang/" + module + "@" + main.Version
	main.SetID()
	var relationships []artifact.Relationship
	for _, p := range packages {
		if p.Name != module {
			relationships = append(relationships, artifact.Relationship{From: p, To: *main, Type: artifact.DependencyOfRelationship})
		}
	}
	return packages, relationships
}

// makeReproducible replaces what encoders randomize: the document's identity, with one derived from the
// binary's, and the time.
func makeReproducible(data []byte, name, id string, created time.Time) ([]byte, error) {
	var made struct {
		SerialNumber      string
		DocumentNamespace string
		Metadata          struct{ Timestamp string }
		CreationInfo      struct{ Created string }
	}
	if err := json.Unmarshal(data, &made); err != nil {
		return nil, err
	}
	at := created.Format(time.RFC3339)
	for _, pair := range [][2]string{
		{made.SerialNumber, uuid.NewSHA1(uuid.NameSpaceURL, []byte(module+"/"+name+"/"+id)).URN()},
		{made.DocumentNamespace, "https://" + module + "/" + name + "/" + id},
		{made.Metadata.Timestamp, at},
		{made.CreationInfo.Created, at},
	} {
		if pair[0] != "" {
			data = bytes.ReplaceAll(data, []byte(`"`+pair[0]+`"`), []byte(`"`+pair[1]+`"`))
		}
	}
	return data, nil
}

// syftVersion returns the version of Syft in this program.
func syftVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/anchore/syft" {
				return strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	return ""
}

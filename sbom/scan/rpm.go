package scan

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	rpmdb "github.com/anchore/go-rpmdb/pkg"
	"github.com/anchore/packageurl-go"
	"github.com/anchore/syft/syft/linux"
	"github.com/anchore/syft/syft/pkg"

	// The driver "sqlite", for RPM databases of that kind.
	_ "modernc.org/sqlite"

	"github.com/baseplan/baseplan/sbom"
)

// parseRPM reads an RPM database of any kind with the library that Syft's cataloger uses. The cataloger
// itself cannot be called from outside of Syft: it wants a folder for temporary files from
// its context, under a key that only Syft's own packages have.
func parseRPM(content []byte, release *linux.Release) ([]sbom.Package, error) {
	name, err := temporary(content)
	if err != nil {
		return nil, err
	}
	defer os.Remove(name)
	db, err := rpmdb.Open(name)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	found, err := db.ListPackages()
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("there are no packages in it")
	}
	if err := checkCount(content, name, len(found)); err != nil {
		return nil, err
	}
	var packages []sbom.Package
	for _, p := range found {
		if p.Name == "" {
			continue
		}
		converted, err := rpmPackage(p, release)
		if err != nil {
			return nil, err
		}
		packages = append(packages, converted)
	}
	return packages, nil
}

// temporary writes the database where the libraries can open it: they take nothing but a file name.
func temporary(content []byte) (string, error) {
	f, err := os.CreateTemp("", "baseplan-rpmdb-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// checkCount finds out that a sqlite database breaks off, on which the library says nothing.
func checkCount(content []byte, name string, got int) error {
	if !strings.HasPrefix(string(content[:min(len(content), 16)]), "SQLite format 3\x00") {
		return nil
	}
	db, err := sql.Open("sqlite", "file:"+name+"?mode=ro&immutable=1")
	if err != nil {
		return err
	}
	defer db.Close()
	var want int
	if err := db.QueryRow("SELECT count(*) FROM Packages").Scan(&want); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("it breaks off: %d of %d packages can be read", got, want)
	}
	return nil
}

func rpmPackage(p *rpmdb.PackageInfo, release *linux.Release) (sbom.Package, error) {
	owned, err := rpmFiles(p)
	if err != nil {
		return sbom.Package{}, fmt.Errorf("reading the files of package %s: %w", p.Name, err)
	}
	version := p.Version + "-" + p.Release
	if p.Epoch != nil {
		version = strconv.Itoa(*p.Epoch) + ":" + version
	}
	return sbom.Package{
		Type: sbom.RPM, Name: p.Name, Version: version, Arch: p.Arch,
		PURL:     rpmPURL(p, release),
		Source:   sbom.ParseSourceRPM(p.SourceRpm),
		Provides: sbom.ParseVirtuals(sbom.RPM, p.Provides), // the library has dropped the versions
		Files:    owned,
		Known:    sbom.Files | sbom.Virtual | sbom.Upstream | sbom.Arch,
	}, nil
}

// ghost is RPM's flag of a file that the package owns but does not bring.
const ghost = 1 << 6

func rpmFiles(p *rpmdb.PackageInfo) ([]string, error) {
	names, err := p.InstalledFileNames()
	if err != nil {
		return nil, err
	}
	var brought []string
	for i, name := range names {
		if i < len(p.FileFlags) && p.FileFlags[i]&ghost != 0 {
			continue
		}
		brought = append(brought, name)
	}
	return sortedPaths(brought), nil
}

// rpmPURL is the purl that Syft's cataloger gives; a test compares them.
func rpmPURL(p *rpmdb.PackageInfo, release *linux.Release) string {
	namespace := ""
	if release != nil {
		namespace = release.ID
	}
	switch {
	case namespace == "rhel", namespace == "hummingbird":
		namespace = "redhat"
	case strings.HasPrefix(namespace, "opensuse"):
		namespace = "opensuse"
	}
	qualifiers := map[string]string{pkg.PURLQualifierArch: p.Arch, pkg.PURLQualifierUpstream: p.SourceRpm}
	if p.Epoch != nil {
		qualifiers[pkg.PURLQualifierEpoch] = strconv.Itoa(*p.Epoch)
	}
	return packageurl.NewPackageURL(packageurl.TypeRPM, namespace, p.Name, p.Version+"-"+p.Release,
		pkg.PURLQualifiers(qualifiers, release), "").ToString()
}

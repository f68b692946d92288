package scan

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	rpmdb "github.com/anchore/go-rpmdb/pkg"
	"github.com/anchore/packageurl-go"
	"github.com/anchore/syft/syft/linux"
	"github.com/anchore/syft/syft/pkg"

	// The driver "sqlite" for RPM databases.
	_ "modernc.org/sqlite"

	"github.com/baseplan/baseplan/sbom"
)

// parseRPM reads an RPM database of any kind with the library that Syft's cataloger
// uses. The cataloger cannot be called from outside Syft: it reads its temporary
// directory from the context, under a key private to Syft.
func parseRPM(found files, database string, release *linux.Release) ([]sbom.Package, error) {
	name, remove, err := temporary(found, database)
	if err != nil {
		return nil, err
	}
	defer remove()
	sqlite := bytes.HasPrefix(found[database], []byte(magicSQLite))
	if sqlite {
		if err := applyLog(found, database, name); err != nil {
			return nil, err
		}
	}
	db, err := rpmdb.Open(name)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	entries, err := db.ListPackages()
	if err != nil {
		return nil, err
	}
	if sqlite {
		if err := checkCount(name, len(entries)); err != nil {
			return nil, err
		}
	}
	var packages []sbom.Package
	for _, p := range entries {
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

// magicSQLite is the start of a sqlite database.
const magicSQLite = "SQLite format 3\x00"

// isRPMFormat reports whether the content starts as one of the three kinds of RPM
// databases.
func isRPMFormat(content []byte) bool {
	const ndb, hash = 'R' | 'p'<<8 | 'm'<<16 | 'P'<<24, 0x00061561 // hash: of Berkeley DB, at byte 12
	if bytes.HasPrefix(content, []byte(magicSQLite)) {
		return true
	}
	if len(content) < 16 {
		return false
	}
	kind := content[12:16]
	return binary.LittleEndian.Uint32(content) == ndb || binary.LittleEndian.Uint32(kind) == hash || binary.BigEndian.Uint32(kind) == hash
}

// rpmOrder is the order in which RPM looks for its database: the distribution's own
// kind first, then the order of dbDetectBackend (lib/backend/dbi.c of RPM).
func rpmOrder(release *linux.Release) []string {
	order := []string{"rpmdb.sqlite", "Packages.db", "Packages"}
	if release == nil {
		return order
	}
	if ids := append([]string{release.ID}, release.IDLike...); slices.ContainsFunc(ids, func(id string) bool {
		return id == "suse" || id == "sles" || strings.HasPrefix(id, "opensuse")
	}) {
		order[0], order[1] = order[1], order[0]
	}
	return order
}

// temporary writes the database and its log to files, since the libraries accept
// only a file name.
func temporary(found files, database string) (name string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "baseplan-rpmdb-*")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	name = filepath.Join(dir, "rpmdb")
	for _, ending := range append([]string{""}, logs...) {
		content, ok := found[database+ending]
		if !ok {
			continue
		}
		if err := os.WriteFile(name+ending, content, 0o600); err != nil {
			remove()
			return "", nil, err
		}
	}
	return name, remove, nil
}

// applyLog applies the log of a sqlite database, as the next program that opens it
// would. The library ignores the log.
func applyLog(found files, database, name string) (err error) {
	if !slices.ContainsFunc(logs, func(ending string) bool { return len(found[database+ending]) > 0 }) {
		return nil
	}
	db, err := sql.Open("sqlite", "file:"+name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, statement := range []string{"PRAGMA locking_mode=EXCLUSIVE", "SELECT count(*) FROM sqlite_master", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := db.Exec(statement); err != nil {
			return fmt.Errorf("applying its log: %w", err)
		}
	}
	return nil
}

// checkCount detects a truncated sqlite database, which the library does not
// report.
func checkCount(name string, got int) error {
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
		return fmt.Errorf("truncated: only %d of %d packages can be read", got, want)
	}
	return nil
}

func rpmPackage(p *rpmdb.PackageInfo, release *linux.Release) (sbom.Package, error) {
	owned, err := rpmFiles(p)
	if err != nil {
		return sbom.Package{}, fmt.Errorf("reading files of package %s: %w", p.Name, err)
	}
	version := p.Version + "-" + p.Release
	if p.Epoch != nil {
		version = strconv.Itoa(*p.Epoch) + ":" + version
	}
	return sbom.Package{
		Type: sbom.RPM, Name: p.Name, Version: version, Arch: p.Arch,
		PURL:     rpmPURL(rpmName{p.Name, p.Epoch, p.Version, p.Release, p.Arch, p.SourceRpm}, release),
		Source:   sbom.ParseSourceRPM(p.SourceRpm),
		Provides: sbom.ParseVirtuals(sbom.RPM, p.Provides), // the library drops the versions
		Files:    owned,
		Known:    sbom.Files | sbom.Virtual | sbom.Upstream | sbom.Arch,
	}, nil
}

// ghost is RPM's flag for a file that the package owns but does not install.
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

// A rpmName identifies an RPM package.
type rpmName struct {
	name                           string
	epoch                          *int
	version, release, arch, source string
}

// rpmPURL returns the package URL that Syft's cataloger gives. A test compares
// them.
func rpmPURL(p rpmName, release *linux.Release) string {
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
	qualifiers := map[string]string{pkg.PURLQualifierArch: p.arch, pkg.PURLQualifierUpstream: p.source}
	if p.epoch != nil {
		qualifiers[pkg.PURLQualifierEpoch] = strconv.Itoa(*p.epoch)
	}
	return packageurl.NewPackageURL(packageurl.TypeRPM, namespace, p.name, p.version+"-"+p.release,
		pkg.PURLQualifiers(qualifiers, release), "").ToString()
}

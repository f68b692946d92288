package scan_test

import (
	"database/sql"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	_ "modernc.org/sqlite" // to write databases

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/scan"
)

func scanned(t *testing.T, layers ...layer) *sbom.Document {
	t.Helper()
	doc, err := scan.Image(t.Context(), lifecycletest.Image(layers...), scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestDpkgStates: what the third word of Status says counts, in status and in status.d.
func TestDpkgStates(t *testing.T) {
	files, err := filepath.Glob("testdata/dpkg/*.status")
	if err != nil || len(files) < 11 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		words := strings.SplitN(strings.TrimSuffix(filepath.Base(name), ".status"), "-", 3)
		state := words[2]
		want := slices.Contains([]string{"installed", "triggers-pending", "triggers-awaited"}, state)
		var unready []sbom.Unready
		if slices.Contains([]string{"unpacked", "half-configured", "half-installed"}, state) {
			unready = []sbom.Unready{{Name: "acme", State: state, Version: "1.2-1"}}
		}
		for place, l := range map[string]layer{
			"alone":    {"var/lib/dpkg/status": read(t, name)},
			"status":   {"var/lib/dpkg/status": dpkg("a") + read(t, name) + "\n" + dpkg("z")},
			"status.d": {"var/lib/dpkg/status.d/a": dpkg("a"), "var/lib/dpkg/status.d/acme": read(t, name)},
		} {
			t.Run(filepath.Base(name)+"/"+place, func(t *testing.T) {
				doc := scanned(t, layer{"etc/os-release": osRelease}, l)
				if got := slices.Contains(names(doc), "acme"); got != want {
					t.Errorf("installed: %v, want %v", got, want)
				}
				if place != "alone" && !slices.Contains(names(doc), "a") {
					t.Error("its neighbour is not installed")
				}
				if diff := cmp.Diff(unready, doc.Unready); diff != "" {
					t.Errorf("unready (-want +got):\n%s", diff)
				}
				if len(doc.Databases) == 0 {
					t.Error("no database")
				}
				set, _ := provides.From(doc, []provides.Mapping{{Name: "mapped", Packages: []string{"pkg:deb/debian/acm*"}}}, nil)
				for _, asked := range []string{"acme", "pkg:deb/debian/acme", "mapped"} {
					a := set.Answer(asked, "")
					if a.Met != want {
						t.Errorf("%s is met: %v (%s), want %v", asked, a.Met, a.Reason, want)
					}
					if text := "has acme 1.2-1, which is " + state + ", not installed"; unready != nil && a.Reason != text {
						t.Errorf("reason why %s is not met: %q, want %q", asked, a.Reason, text)
					}
				}
			})
		}
	}
}

// TestDpkgFieldNames: dpkg reads names of fields in any case, and Status anywhere in an entry.
func TestDpkgFieldNames(t *testing.T) {
	doc := scanned(t, layer{"var/lib/dpkg/status": "STATUS: install ok unpacked\nPackage: a\nVersion: 1\n\n" +
		"Package: b\nVersion: 1\nstatus: deinstall ok installed\n\nPackage: c\nStatus: install ok\nVersion: 1\n\nPackage: d\nStatus: install ok installed\nVersion: 2"})
	if diff := cmp.Diff([]string{"b", "d"}, names(doc)); diff != "" {
		t.Error(diff)
	}
	if d := find(t, doc, "d"); d.Version != "2" {
		t.Errorf("a last line that does not end is lost: version %q", d.Version)
	}
}

// TestManifest: the manifest of an Azure Linux image gives what its packages would have in a database.
func TestManifest(t *testing.T) {
	doc := scanned(t, layer{
		"etc/os-release": "ID=azurelinux\nVERSION_ID=\"3.0\"\n",
		"var/lib/rpmmanifest/container-manifest-2": read(t, "testdata/container-manifest-2"),
	})
	want := []identity{
		{"rpm", "a", "1-1", "x86_64", "pkg:rpm/azurelinux/a@1-1?arch=x86_64&distro=azurelinux-3.0&upstream=a-1-1.src.rpm"},
		{"rpm", "last", "1-1", "x86_64", "pkg:rpm/azurelinux/last@1-1?arch=x86_64&distro=azurelinux-3.0&upstream=last-1-1.src.rpm"},
		{"rpm", "vim", "2:9.0-1", "x86_64", "pkg:rpm/azurelinux/vim@9.0-1?arch=x86_64&distro=azurelinux-3.0&epoch=2&upstream=vim-9.0-1.src.rpm"},
	}
	if diff := cmp.Diff(want, identities(doc)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestManifestNamesOfSyft: Syft has the same packages where the manifest ends in a newline. It leaves the
// distribution out of purls, and takes the size of a package for its epoch.
func TestManifestNamesOfSyft(t *testing.T) {
	want, err := bySyft(t.Context(), "oci-dir", ociDir(t, lifecycletest.Image(manifestLayer)))
	if err != nil {
		t.Fatal(err)
	}
	got := identities(scanned(t, manifestLayer))
	if len(got) != 2 || got[1].Version != "1:1.1.1k-15.cm2" {
		t.Errorf("found %v", got)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(identity{}, "PURL", "Version")); diff != "" {
		t.Errorf("-Syft +scan:\n%s", diff)
	}
}

// TestManifestLines: lines that are no entries are passed over.
func TestManifestLines(t *testing.T) {
	line := "b\t1-1\t1\t1\tV\t(none)\t100\tx86_64\t0\tb-1-1.src.rpm"
	for text, want := range map[string][]string{
		line + "\n":                                 {"b"},
		line + "\r\n\n# x\n":                        {"b"},
		"x\ty\n" + line:                             {"b"},
		"\t1-1\t1\t1\tV\t2\t1\tx\t2\ts\n" + line:    {"b"},
		"c\t11\t1\t1\tV\t2\t1\tx\t2\ts\n" + line:    {"b"},
		"c\t1-1-1\t1\t1\tV\t2\t1\tx\t2\ts\n" + line: {"b"},
		strings.Replace(line, "x86_64\t0\tb-1-1.src.rpm", "(none)\t0\t(none)", 1): {"b"},
	} {
		doc := scanned(t, layer{"var/lib/rpmmanifest/container-manifest-2": text})
		if diff := cmp.Diff(want, names(doc)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
		for _, p := range doc.Packages {
			if strings.Contains(p.PURL+p.Arch+p.Source.Name, "none") {
				t.Errorf("%q: %+v", text, p)
			}
		}
	}
}

// A sqliteDB is an RPM database of that kind, changed.
func sqliteDB(t *testing.T, content string, statements ...string) (database, wal string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	database = read(t, name)
	if _, err := os.Stat(name + "-wal"); err == nil {
		wal = read(t, name+"-wal")
	}
	return database, wal
}

func without(l layer, files ...string) layer {
	l = maps.Clone(l)
	for _, f := range files {
		delete(l, f)
	}
	return l
}

// TestWriteAheadLog: packages that the log alone has are installed, and those that it removes are not,
// whichever layer the log lies in.
func TestWriteAheadLog(t *testing.T) {
	const file, log = "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite-wal"
	mariner := lifecycletest.MarinerLayer()
	rest := without(mariner, file)
	all := len(scanned(t, mariner).Packages)
	full := mariner[file]
	removed, removal := sqliteDB(t, full, "PRAGMA journal_mode=WAL", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA wal_autocheckpoint=0",
		"DELETE FROM Packages WHERE hnum IN (SELECT hnum FROM Packages ORDER BY hnum LIMIT 3)")
	added, addition := sqliteDB(t, full, "PRAGMA journal_mode=WAL", "CREATE TABLE Kept AS SELECT * FROM Packages", "DELETE FROM Packages", "PRAGMA wal_checkpoint(TRUNCATE)",
		"PRAGMA wal_autocheckpoint=0", "INSERT INTO Packages SELECT * FROM Kept ORDER BY hnum LIMIT 5")
	if removal == "" || addition == "" {
		t.Fatal("no log was written")
	}
	for _, tt := range []struct {
		name   string
		layers []layer
		want   int
	}{
		{"without a log", []layer{{file: removed}}, all},
		{"removal", []layer{{file: removed, log: removal}}, all - 3},
		{"addition to nothing", []layer{{file: added, log: addition}}, 5},
		{"the log is in a higher layer", []layer{{file: added}, {log: addition}}, 5},
		{"the database is in a higher layer", []layer{{log: addition}, {file: added}}, 5},
		{"the log is removed", []layer{{file: removed, log: removal}, {"var/lib/rpm/.wh.rpmdb.sqlite-wal": ""}}, all},
		{"the log is replaced by an empty one", []layer{{file: removed, log: removal}, {log: ""}}, all},
		{"the folder is replaced", []layer{{file: removed, log: removal}, {"var/lib/rpm/.wh..wh..opq": "", file: full}}, all},
		{"garbage as a log", []layer{{file: removed, log: strings.Repeat("garbage ", 1000)}}, all},
		{"a log that breaks off before its transaction ends", []layer{{file: removed, log: removal[:len(removal)-1]}}, all},
		{"a log behind a link", []layer{{"usr/lib/sysimage/rpm/rpmdb.sqlite": added, "usr/lib/sysimage/rpm/rpmdb.sqlite-wal": addition, "var/lib/rpm": "-> ../../usr/lib/sysimage/rpm"}}, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := scanned(t, append([]layer{rest}, tt.layers...)...)
			if len(doc.Packages) != tt.want {
				t.Errorf("%d packages, want %d", len(doc.Packages), tt.want)
			}
		})
	}
	for name, find := range map[string]func(dir string) (*sbom.Document, error){
		"directory": func(dir string) (*sbom.Document, error) { return scan.Dir(t.Context(), dir) },
		"container": func(dir string) (*sbom.Document, error) { return scan.Tree(t.Context(), container(dir)) },
	} {
		doc, err := find(unpack(t, rest, layer{file: added, log: addition}))
		if err != nil || len(doc.Packages) != 5 {
			t.Errorf("%s: %v, %v", name, doc, err)
		}
	}
}

// TestHotJournal: a transaction that did not end is rolled back, as for whoever opens the database next.
func TestHotJournal(t *testing.T) {
	const file = "var/lib/rpm/rpmdb.sqlite"
	mariner := lifecycletest.MarinerLayer()
	all := len(scanned(t, mariner).Packages)
	before, _ := sqliteDB(t, mariner[file], "PRAGMA journal_mode=DELETE")
	name := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(name, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range []string{"PRAGMA cache_size=1", "BEGIN", "DELETE FROM Packages WHERE hnum IN (SELECT hnum FROM Packages LIMIT 20)", "UPDATE Name SET key = key || 'x'"} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	during, journal := read(t, name), read(t, name+"-journal") // a small cache spills into the database
	if during == before {
		t.Fatal("the transaction has not reached the database")
	}
	doc := scanned(t, without(mariner, file), layer{file: during, file + "-journal": journal})
	if len(doc.Packages) != all {
		t.Errorf("%d packages, want %d", len(doc.Packages), all)
	}
}

// TestUnusualFilesBesideTheDatabases: what is no database, or an empty one, is as if it were not there.
func TestUnusualFilesBesideTheDatabases(t *testing.T) {
	const sqlite, bdb, ndb = "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages", "var/lib/rpm/Packages.db"
	mariner := lifecycletest.MarinerLayer()
	empty, _ := sqliteDB(t, mariner[sqlite], "PRAGMA journal_mode=DELETE", "DELETE FROM Packages")
	none, _ := sqliteDB(t, mariner[sqlite], "PRAGMA journal_mode=DELETE", "DROP TABLE Packages")
	debian := layer{"etc/os-release": osRelease, "var/lib/dpkg/status": dpkg("a", "b")}
	suse := lifecycletest.SUSELayer()["usr/lib/sysimage/rpm/Packages.db"]
	distroless := layer{"etc/os-release": osRelease, "var/lib/dpkg/status.d/a": dpkg("a"), "var/lib/dpkg/status.d/b": dpkg("b")}
	for name, tt := range map[string]struct{ base, odd layer }{
		"empty sqlite":             {debian, layer{sqlite: empty}},
		"empty sqlite elsewhere":   {debian, layer{"usr/lib/sysimage/rpm/rpmdb.sqlite": empty}},
		"sqlite without the table": {debian, layer{sqlite: none}},
		"no database":              {debian, layer{sqlite: "nothing of the kind", bdb: "\x00\x00", ndb: "x"}},
		"half a database":          {debian, layer{sqlite: mariner[sqlite][:len(mariner[sqlite])/2]}},
		"half a ndb":               {debian, layer{ndb: suse[:len(suse)/2]}},
		"odd apk":                  {debian, layer{"lib/apk/db/installed": "<html>\n"}},
		"odd manifest":             {debian, layer{"var/lib/rpmmanifest/container-manifest-2": "one\ttwo\n"}},
		"script in status.d":       {distroless, layer{"var/lib/dpkg/status.d/x.preinst": "#!/bin/sh\nset -e\n\nif true; then\n  echo x: y\nfi\n"}},
		"odd text in status.d":     {distroless, layer{"var/lib/dpkg/status.d/x": " leading\n"}},
		"empty file in status.d":   {distroless, layer{"var/lib/dpkg/status.d/.keep": ""}},
		"folder in status.d":       {distroless, layer{"var/lib/dpkg/status.d/d/c": dpkg("c")}},
		"empty sqlite beside bdb":  {without(lifecycletest.MarinerLayer(), "x"), layer{bdb: "", ndb: ""}},
	} {
		t.Run(name, func(t *testing.T) {
			want := scanned(t, tt.base)
			got := scanned(t, tt.base, tt.odd)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-without +with:\n%s", diff)
			}
		})
	}
	for name, tt := range map[string]struct {
		layer     layer
		databases []string
	}{
		"an empty sqlite alone":              {layer{sqlite: empty}, []string{"/" + sqlite}},
		"an odd file beside an empty status": {layer{"var/lib/dpkg/status": "", "var/lib/dpkg/status.d/x.preinst": "#!/bin/sh\n"}, []string{"/var/lib/dpkg/status"}},
	} {
		t.Run(name, func(t *testing.T) {
			doc := scanned(t, tt.layer)
			if diff := cmp.Diff(tt.databases, doc.Databases); diff != "" || len(doc.Packages) > 0 {
				t.Errorf("%d packages, databases (-want +got):\n%s", len(doc.Packages), diff)
			}
		})
	}
}

// TestUnusualFilesAreSkippedLikeSyft: on an image with odd files beside the databases, the result is that of Syft.
func TestUnusualFilesAreSkippedLikeSyft(t *testing.T) {
	empty, _ := sqliteDB(t, lifecycletest.MarinerLayer()["var/lib/rpm/rpmdb.sqlite"], "PRAGMA journal_mode=DELETE", "DELETE FROM Packages")
	img := lifecycletest.With(lifecycletest.Distroless("libssl3"), layer{
		"usr/share/rpm/rpmdb.sqlite": empty, "var/lib/rpm/": "", "var/lib/rpm/Packages": "nothing of the kind", "lib/": "", "lib/apk/": "", "lib/apk/db/": "", "lib/apk/db/installed": "<html>\n",
		"var/lib/rpmmanifest/container-manifest-2": "one\ttwo\n", "var/lib/dpkg/status.d/x.preinst": "#!/bin/sh\nset -e\n", "var/lib/dpkg/status.d/x": " leading\n",
	})
	doc, err := scan.Image(t.Context(), img, scan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := bySyft(t.Context(), "oci-dir", ociDir(t, img))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, identities(doc)); diff != "" || len(want) == 0 {
		t.Errorf("%d packages (-Syft +scan):\n%s", len(want), diff)
	}
}

// TestDatabasesOfOneFolder: of several RPM databases in a folder the one that RPM opens counts. They are not added up.
func TestDatabasesOfOneFolder(t *testing.T) {
	const dir = "var/lib/rpm/"
	mariner, suse := lifecycletest.MarinerLayer(), lifecycletest.SUSELayer()
	sqlite, ndb := mariner[dir+"rpmdb.sqlite"], suse["usr/lib/sysimage/rpm/Packages.db"]
	empty, _ := sqliteDB(t, sqlite, "PRAGMA journal_mode=DELETE", "DELETE FROM Packages")
	ofMariner := names(scanned(t, layer{dir + "rpmdb.sqlite": sqlite}))
	ofSUSE := names(scanned(t, layer{dir + "Packages.db": ndb}))
	for _, tt := range []struct {
		name, release    string
		sqlite, ndb, bdb string
		want             []string
		database         string
	}{
		{"by default sqlite", "ID=fedora", sqlite, ndb, "", ofMariner, "rpmdb.sqlite"},
		{"on SUSE ndb", "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"", sqlite, ndb, "", ofSUSE, "Packages.db"},
		{"after an empty one the next", "ID=fedora", empty, ndb, "", ofSUSE, "Packages.db"},
		{"after one that is none the next", "ID=fedora", "nothing of the kind", ndb, "", ofSUSE, "Packages.db"},
		{"after one without content the next", "ID=fedora", " ", ndb, "nothing", ofSUSE, "Packages.db"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := scanned(t, layer{"etc/os-release": tt.release + "\n", dir + "rpmdb.sqlite": tt.sqlite, dir + "Packages.db": tt.ndb, dir + "Packages": tt.bdb})
			if diff := cmp.Diff(tt.want, names(doc)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff([]string{"/" + dir + tt.database}, doc.Databases); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a damaged one is not replaced by an older one", func(t *testing.T) {
		_, err := scan.Image(t.Context(), lifecycletest.Image(layer{dir + "rpmdb.sqlite": sqlite[:len(sqlite)/2], dir + "Packages.db": ndb}), scan.Options{})
		if err == nil || !strings.Contains(err.Error(), "/"+dir+"rpmdb.sqlite:") {
			t.Errorf("error %v", err)
		}
	})
}

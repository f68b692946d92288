//go:build e2e

package scan_test

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/sbom/scan"
)

// TestRealWriteAheadLog: a database whose last package only the log has, as RPM leaves it while somebody else reads,
// holds what RPM itself says. It needs rpm and rpmbuild.
func TestRealWriteAheadLog(t *testing.T) {
	root := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			t.Fatalf("%s %v: %v", name, args, err)
		}
		return string(out)
	}
	spec := filepath.Join(root, "acme.spec")
	text := "Name: acme\nVersion: 1.2\nRelease: 1\nSummary: a\nLicense: MIT\nBuildArch: noarch\n%description\na\n%files\n"
	if err := os.WriteFile(spec, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run("rpmbuild", "-bb", "--define", "_topdir "+root+"/build", spec)
	live, copied := filepath.Join(root, "live"), filepath.Join(root, "copied")
	run("rpm", "--define", "_db_backend sqlite", "--dbpath", live, "--initdb")
	db, err := sql.Open("sqlite", "file:"+live+"/rpmdb.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	reader, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback() // it only reads
	var n int
	if err := reader.QueryRow("SELECT count(*) FROM Packages").Scan(&n); err != nil || n != 0 {
		t.Fatalf("%d packages, %v", n, err)
	}
	run("rpm", "--define", "_db_backend sqlite", "--dbpath", live, "-i", "--justdb", "--nodeps", root+"/build/RPMS/noarch/acme-1.2-1.noarch.rpm")
	l := layer{}
	for _, f := range []string{"rpmdb.sqlite", "rpmdb.sqlite-wal"} {
		l["var/lib/rpm/"+f] = read(t, filepath.Join(live, f))
	}
	if l["var/lib/rpm/rpmdb.sqlite-wal"] == "" {
		t.Fatal("RPM has left no log")
	}
	if err := os.CopyFS(copied, os.DirFS(unpack(t, l))); err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(run("rpm", "--define", "_db_backend sqlite", "--dbpath", copied+"/var/lib/rpm", "-qa", "--qf", "%{NAME}\\n"))
	doc, err := scan.Dir(t.Context(), unpack(t, l))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, names(doc)); diff != "" || !slices.Contains(want, "acme") {
		t.Errorf("-rpm +scan:\n%s", diff)
	}
}

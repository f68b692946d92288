package lifecycletest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Minimal is the name of a [Rootfs] with no more than ca-certificates beside what a minimal system has.
const Minimal = "debian-minbase"

// Cache is the directory that BASEPLAN_E2E_CACHE names, for what takes long to make, else the one for temporary files.
func Cache() string {
	if dir := os.Getenv("BASEPLAN_E2E_CACHE"); dir != "" {
		return dir
	}
	return os.TempDir()
}

// Rootfs is the path of a tar file with the root file system of a minimal Debian bookworm and more packages. It is kept in
// [Cache] by its name, and made by mmdebstrap where it is not there: that takes root and a package mirror. Tests of
// several processes may ask for the same.
func Rootfs(t testing.TB, name string, packages ...string) string {
	t.Helper()
	file := filepath.Join(Cache(), name+".tar")
	defer Exclusive(t, file)()
	if _, err := os.Stat(file); err == nil {
		return file
	}
	made := file + ".part.tar"
	cmd := exec.Command("mmdebstrap", "--variant=minbase", "--include="+strings.Join(append(packages, "ca-certificates"), ","), "bookworm", made)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making %s: %v (apt-get install mmdebstrap)\n%s", name, err, out)
	}
	if err := os.Rename(made, file); err != nil {
		t.Fatal(err)
	}
	return file
}

package lifecycletest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Minimal is the name of a [Rootfs] with only ca-certificates added to a minimal system.
const Minimal = "debian-minbase"

// Cache returns the directory for files that take long to create: BASEPLAN_E2E_CACHE, or the
// one for temporary files.
func Cache() string {
	if dir := os.Getenv("BASEPLAN_E2E_CACHE"); dir != "" {
		return dir
	}
	return os.TempDir()
}

// Rootfs returns the path of a tar file with the root file system of a minimal Debian bookworm
// and more packages. If it is not in [Cache] under its name, mmdebstrap creates it, which
// requires root and a package mirror. Concurrent test processes may request the same file.
func Rootfs(t testing.TB, name string, packages ...string) string {
	t.Helper()
	file := filepath.Join(Cache(), name+".tar")
	defer Exclusive(t, file)()
	if _, err := os.Stat(file); err == nil {
		return file
	}
	made := file + ".part.tar"
	// apt-get update would download translations, too.
	cmd := exec.Command("mmdebstrap", "--variant=minbase", `--aptopt=Acquire::Languages "none"`, "--include="+strings.Join(append(packages, "ca-certificates"), ","), "bookworm", made)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making %s: %v (apt-get install mmdebstrap)\n%s", name, err, out)
	}
	if err := os.Rename(made, file); err != nil {
		t.Fatal(err)
	}
	return file
}

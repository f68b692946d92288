package platform_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides"
)

func TestDecodeSettings(t *testing.T) {
	got, err := platform.DecodeSettings([]byte(`
version = "1.7"
[policy]
run-sbom = "attached"
proof = "strict"
keys = ["cosign.pub"]
select = "auto"
extend-in-creator = "never"
[[provides]]
name = "jre"
packages = ["pkg:deb/*/openjdk-{version}-jre-headless"]
prefer = true
[[provides]]
name = "node"
packages = []
`), "baseplan.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := &platform.Settings{
		Version: "1.7",
		Policy:  platform.Policy{RunSBOM: platform.Attached, Proof: extensions.Strict, Keys: []string{"cosign.pub"}, Select: "auto", ExtendInCreator: "never"},
		Mapping: []provides.Mapping{
			{Name: "jre", Packages: []string{"pkg:deb/*/openjdk-{version}-jre-headless"}, Prefer: true},
			{Name: "node", Packages: []string{}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSettingsErrorsNameFileAndKey(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"no version", "", `key "version": missing: want "1.0"`},
		{"newer", `version = "2.1"`, `key "version": "2.1" is not supported`},
		{"no number", `version = "new"`, `key "version": "new" is not a version`},
		{"wrong type", "version = 1", "version"},
		{"unknown policy", "version = \"1.0\"\n[policy]\nrun-sbom = \"never\"", `[policy]: key "run-sbom": "never" is not one of auto, generate, attached, off`},
		{"unknown proof", "version = \"1.0\"\n[policy]\nproof = \"none\"", `[policy]: key "proof": "none" is not one of plan, installs, effect, strict`},
		{"nameless", "version = \"1.0\"\n[[provides]]\npackages = []", `[[provides]] number 1: key "name"`},
		{"bad pattern", "version = \"1.0\"\n[[provides]]\nname = \"a\"\npackages = [\"curl\"]", `[[provides]] "a": key "packages": pattern "curl" is not a package URL`},
		{"misspelled key", "version = \"1.0\"\n[policy]\nrun_sbom = \"auto\"", `line 3: unknown key "policy.run_sbom": did you mean "policy.run-sbom"?`},
		{"key of another table", "version = \"1.0\"\nprof = \"plan\"\n", `line 2: unknown key "prof": the keys here are version, policy, extensions, identities, provides`},
		{"key in the wrong table", "version = \"1.0\"\nproof = \"plan\"\n", `line 2: unknown key "proof": did you mean "policy.proof"?`},
		{"key in capitals", "version = \"1.0\"\n[policy]\nPROOF = \"plan\"\n", `line 3: unknown key "policy.PROOF": did you mean "policy.proof"?`},
		{"misspelled mapping", "version = \"1.0\"\n[[provides]]\nname = \"a\"\npackage = []", `line 4: unknown key "provides.package": did you mean "provides.packages"?`},
		{"no toml", "version = \"1.0\"\n[policy", "line 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := platform.DecodeSettings([]byte(tt.in), "/cnb/baseplan.toml")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "reading /cnb/baseplan.toml") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestWriteFileIsWholeOrNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "resolution.toml")
	for _, content := range []string{"first", "second"} {
		if err := platform.WriteFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("read %q, %v", got, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// A directory in its place: the rename fails, and nothing half-written stays.
	blocked := filepath.Join(dir, "blocked")
	if err := os.MkdirAll(filepath.Join(blocked, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := platform.WriteFile(blocked, nil); err == nil || !strings.Contains(err.Error(), "writing "+blocked) {
		t.Errorf("got %v", err)
	}
	if err := platform.WriteFile(filepath.Join(dir, "none", "file"), nil); err == nil {
		t.Error("a file in a folder that does not exist was written")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("version = \"1.0\"\n[policy]\nproof = \"plan\"\n[[provides]]\nname = \"a\"\npackages = [\"pkg:deb/a\"]\n[[requirements]]\nname = \"a\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return // the TOML library takes a time that is square in the nesting
		}
		if s, err := platform.DecodeSettings(data, "f"); err == nil {
			if err := s.Policy.Check(); err != nil {
				t.Error(err)
			}
		}
		if r, err := platform.DecodeResolution(data, "f"); err == nil {
			if _, err := r.Encode(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestWriteFileKeepsOwnerAndMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "analyzed.toml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 { // nobody else may give files away
		uid, gid = 1000, 2000
	}
	if err := errors.Join(os.Chmod(path, 0o660), os.Chown(path, uid, gid), platform.WriteFile(path, []byte("new"))); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if info.Mode() != 0o660 || int(st.Uid) != uid || int(st.Gid) != gid {
		t.Errorf("it is %v of %d:%d", info.Mode(), st.Uid, st.Gid)
	}
}

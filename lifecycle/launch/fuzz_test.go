package launch

import (
	"path/filepath"
	"strings"
	"testing"
)

func FuzzDecodeMetadata(f *testing.F) {
	f.Add("[[buildpacks]]\nid = \"acme/java\"\napi = \"0.9\"\n[[processes]]\ntype = \"web\"\ncommand = [\"java\", \"-jar\"]\nargs = [\"a\"]\nexec-env = [\"*\"]\n")
	f.Add("[[processes]]\ntype = \"web\"\ncommand = \"java\"\ndirect = true\nworking-dir = \"x\"\n")
	f.Add("[[buildpacks]]\nid = \"..\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := decodeMetadata([]byte(text), "metadata.toml")
		if err != nil {
			return
		}
		for _, b := range m.Buildpacks {
			if dir, err := b.dir("/layers"); err == nil && filepath.Dir(dir) != "/layers" {
				t.Errorf("the layers of buildpack %q are in %s", b.ID, dir)
			}
		}
		l := Launcher{App: "/workspace", Layers: "/layers"}
		for _, p := range m.Processes {
			if dir := filepath.Join("/exec.d", p.Type); filepath.Dir(dir) != "/exec.d" {
				t.Errorf("the exec.d directory of process %q is %s", p.Type, dir)
			}
			chosen, err := l.choose(m, "/cnb/process/"+p.Type, []string{"user"})
			if err != nil || chosen.Type != p.Type || len(chosen.Command) != 1 || len(chosen.Args) == 0 {
				t.Errorf("choosing process %q: got %+v, %v", p.Type, chosen, err)
			}
		}
	})
}

func FuzzDecodeVars(f *testing.F) {
	f.Add("A = \"x\"\nB-C = \"y\"\n")
	f.Add("[A]\nB = \"x\"\n")
	f.Add("\"A=B\" = \"x\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		vars, err := decodeVars([]byte(text))
		if err != nil {
			return
		}
		for name, value := range vars {
			if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
				t.Errorf("%q = %q cannot be in an environment", name, value)
			}
		}
	})
}

package platform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// again decodes data, and if that goes, encodes the value and decodes it again, which has to give the same.
func again[T any](t *testing.T, data []byte, decode func([]byte, string) (*T, error), encode func(*T) ([]byte, error)) {
	t.Helper()
	value, err := decode(data, "f")
	if err != nil {
		return
	}
	written, err := encode(value)
	if err != nil {
		t.Fatalf("%q is read, but cannot be written: %v", data, err)
	}
	back, err := decode(written, "f")
	if err != nil {
		t.Fatalf("%q is written as %q, which cannot be read: %v", data, written, err)
	}
	if diff := cmp.Diff(value, back, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("%q, written and read again: -want +got:\n%s", data, diff)
	}
}

// FuzzFiles reads what phases and platforms leave for other phases: broken, an error; else
// nothing of it is lost on the way through a phase.
func FuzzFiles(f *testing.F) {
	for _, seed := range []string{
		"[[group]]\nid = \"a/b\"\nversion = \"1\"\napi = \"0.10\"\nhomepage = \"h\"\noptional = true\n[[group-extensions]]\nid = \"e\"\nversion = \"2\"\napi = \"0.9\"\n",
		"[[entries]]\n[[entries.providers]]\nid = \"a\"\nversion = \"1\"\nextension = true\n[[entries.requires]]\nname = \"x\"\n[entries.requires.metadata]\nversion = \"1.*\"\nlist = [1, 2.5, {a = 1979-05-27}]\n",
		"[image]\nreference = \"r\"\n[metadata]\nexec-env = \"test\"\n[[metadata.app]]\nsha = \"s\"\n[metadata.sbom]\nsha = \"s\"\n[[metadata.buildpacks]]\nkey = \"a\"\nversion = \"1\"\n[metadata.buildpacks.layers.l]\nsha = \"s\"\nlaunch = true\n[metadata.buildpacks.layers.l.data]\nx = 1\n[run-image]\nreference = \"r\"\nextend = true\n[run-image.target]\nos = \"linux\"\n[run-image.target.distro]\nname = \"debian\"\n[build-image]\nreference = \"b\"\n",
		"[image]\nreference = \"\"\nnew = 1\n[metadata]\n[[metadata.buildpacks]]\nkey = \"a\"\n[[metadata.buildpacks]]\nkey = \"b\"\nnew = [{x = 1}]\n[metadata.buildpacks.layers.l]\nsha = \"s\"\nnew.x = 1\n[metadata.buildpacks.layers.l.metadata]\nx = 1\n[other]\n",
		"[[images]]\nimage = \"r\"\nmirrors = [\"m\"]\n", "[run-image]\nimage = \"r\"\nmirrors = [\"m\"]\n",
		"[[system.pre.buildpacks]]\nid = \"a\"\nversion = \"1\"\n[[system.post.buildpacks]]\nid = \"b\"\nversion = \"1\"\noptional = true\n",
		"buildpack-default-process-type = \"web\"\n[[buildpacks]]\nid = \"a\"\nversion = \"1\"\napi = \"0.9\"\n[[processes]]\ntype = \"web\"\ncommand = [\"x\", \"y\"]\nargs = [\"z\"]\ndirect = true\nexec-env = [\"*\"]\nbuildpack-id = \"a\"\n[[slices]]\npaths = [\"*\"]\n[[labels]]\nkey = \"k\"\nvalue = \"v\"\n",
		"[[processes]]\ntype = \"web\"\ncommand = \"x\"\ndirect = false\n",
		"version = \"1.0\"\nimage = \"x\"\n[sbom]\ncarrier = \"layer\"\ncreated = 2026-11-01T00:00:00Z\n[[searched]]\ncarrier = \"layer\"\nresult = \"found\"\n",
		"version = \"1.0\"\nimage = \"a\"\ndistro = {id = \"debian\", version = \"12\"}\n[[provides]]\nname = \"curl\"\nkind = \"package\"\nevidence = [\"pkg:deb/debian/curl@1\"]\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return // the TOML library takes a time that is square in the nesting
		}
		again(t, data, platform.DecodeGroup, (*platform.Group).Encode)
		again(t, data, func(data []byte, name string) (*platform.Plan, error) {
			p, err := platform.DecodePlan(data, name)
			if p != nil {
				p.Warnings = nil // entries that are left out
			}
			return p, err
		}, (*platform.Plan).Encode)
		again(t, data, platform.DecodeAnalyzed, (*platform.Analyzed).Encode)
		again(t, data, platform.DecodeRunImageProvides, func(p *platform.RunImageProvides) ([]byte, error) { return p.Encode() })
		if report, err := platform.DecodeRunImageReport(data, "f"); err == nil {
			if written, err := report.Encode(); err == nil { // TOML cannot write every time that it reads
				if _, err := platform.DecodeRunImageReport(written, "f"); err != nil {
					t.Errorf("%q is written as %q, which cannot be read: %v", data, written, err)
				}
			}
		}
		again(t, data, platform.DecodeBuildMetadata, func(m *platform.BuildMetadata) ([]byte, error) { return m.Encode(api.Version{Minor: 15}) })
		if run, err := platform.DecodeRun(data, "f"); err == nil {
			for _, image := range run.Images {
				if image.Image == "" && len(image.All()) > 0 {
					t.Errorf("%q: an image without a name has names", data)
				}
			}
		}
		if stack, err := platform.DecodeStack(data, "f"); err == nil && len(stack.Images) > 1 {
			t.Errorf("%q: a stack with %d run images", data, len(stack.Images))
		}
		if system, err := platform.DecodeSystem(data, "f"); err == nil {
			for _, e := range append(system.Pre, system.Post...) {
				if e.Module.ID == "" || e.Module.Version == "" {
					t.Errorf("%q: a system buildpack without id or version", data)
				}
			}
		}
	})
}

// FuzzAppMetadata reads the label of the previous image, which anybody may have written.
func FuzzAppMetadata(f *testing.F) {
	f.Add(`{"app":[{"sha":"s"}],"sbom":{"sha":"s"},"buildpacks":[{"key":"a","version":"1","layers":{"l":{"sha":"s","data":{"x":1},"launch":true}},"store":{"metadata":{"n":1.5}}}],"runImage":{"topLayer":"t","reference":"r","image":"i","mirrors":["m"]},"stack":{"runImage":{"image":"i"}}}`)
	f.Add(`{"buildpacks":[{"key":"../..","layers":{"../x":{"launch":true}}}]}`)
	f.Add(``)
	f.Fuzz(func(t *testing.T, label string) {
		if len(label) > 4096 {
			return
		}
		m, err := platform.DecodeAppMetadata(label, "image")
		if err != nil {
			return
		}
		data, err := platform.EncodeLabel(m)
		if err != nil {
			t.Fatalf("%q is read, but cannot be written: %v", label, err)
		}
		back, err := platform.DecodeAppMetadata(data, "image")
		if err != nil {
			t.Fatalf("%q is written as %q, which cannot be read: %v", label, data, err)
		}
		if diff := cmp.Diff(m, back, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q, written and read again: -want +got:\n%s", label, diff)
		}
		a := platform.Analyzed{Metadata: *m}
		if _, err := a.Encode(); err != nil {
			t.Errorf("cannot encode %q in analyzed.toml: %v", label, err)
		}
	})
}

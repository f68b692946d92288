package reference_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/sbom/reference"
	_ "github.com/baseplan/baseplan/testdata/seed"
)

var hex = strings.Repeat("0123456789abcdef", 4)

func TestParse(t *testing.T) {
	id := "sha256:" + hex
	for _, tt := range []struct {
		text     string
		want     reference.Reference
		fullName string
	}{
		{"run", reference.Reference{Repository: "run"}, "index.docker.io/library/run:latest"},
		{"docker.io/run:1", reference.Reference{Registry: "docker.io", Repository: "run", Tag: "1"}, "index.docker.io/library/run:1"},
		{"team/run:1", reference.Reference{Repository: "team/run", Tag: "1"}, "index.docker.io/team/run:1"},
		{"localhost/run", reference.Reference{Registry: "localhost", Repository: "run"}, "localhost/run:latest"},
		{"localhost:5000", reference.Reference{Repository: "localhost", Tag: "5000"}, "index.docker.io/library/localhost:5000"},
		{"r.example:5000/a/run:1@" + id, reference.Reference{Registry: "r.example:5000", Repository: "a/run", Tag: "1", Digest: id}, "r.example:5000/a/run@" + id},
		{"docker://run:1", reference.Reference{Kind: reference.Daemon, Repository: "run", Tag: "1"}, "index.docker.io/library/run:1"},
		{"docker://" + id, reference.Reference{Kind: reference.Daemon, Digest: id}, id},
		{"docker://What?", reference.Reference{Kind: reference.Daemon, Path: "What?"}, "What?"},
		{"oci:a/b", reference.Reference{Kind: reference.Layout, Path: "a/b"}, "oci:a/b"},
		{"oci:/a:5000/b:1", reference.Reference{Kind: reference.Layout, Path: "/a:5000/b", Tag: "1"}, "oci:/a:5000/b:1"},
		{"oci:a/b@" + id, reference.Reference{Kind: reference.Layout, Path: "a/b", Digest: id}, "oci:a/b@" + id},
		{"tar:a:b@c", reference.Reference{Kind: reference.Tar, Path: "a:b@c"}, "tar:a:b@c"},
	} {
		got := reference.Parse(tt.text)
		if diff := cmp.Diff(tt.want, got); diff != "" || got.Err() != nil {
			t.Errorf("%s: %v\n-want +got:\n%s", tt.text, got.Err(), diff)
		}
		if got.Name() != tt.fullName {
			t.Errorf("%s has name %s, want %s", tt.text, got.Name(), tt.fullName)
		}
	}
	for _, text := range []string{"Upper", "run:", "run@", "run@sha256:1", "a//b", "/a", "a/", "r.example/../run", "r.example/a/./run", "../run", "run:..", "run:-x", "a b", "user:pw@r.example/run"} {
		r := reference.Parse(text)
		if r.Kind != reference.Malformed || !errors.Is(r.Err(), reference.ErrMalformed) || r.String() != text {
			t.Errorf("%q: %+v, %v", text, r, r.Err())
		}
	}
}

func TestRecorded(t *testing.T) {
	id := "sha256:" + hex
	for text, want := range map[string]string{
		"run:1": "run:1", id: "docker://" + id, hex: "docker://" + hex, "/layouts/run@" + id: "oci:/layouts/run@" + id, "docker://run": "docker://run",
	} {
		if got := reference.Recorded(text).String(); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{id, "r.example/run@" + id, "/layouts/run@" + id} {
		if got := reference.Recorded(text).Digest; got != id {
			t.Errorf("%s has digest %q", text, got)
		}
	}
	for text, want := range map[string]string{"run": "index.docker.io", "r.example/run": "r.example", "/layouts/run": "", id: "", "Upper": ""} {
		if got := reference.Recorded(text).Host(); got != want {
			t.Errorf("%s is in registry %q, want %q", text, got, want)
		}
	}
}

func TestWithDigest(t *testing.T) {
	id := "sha256:" + hex
	for text, want := range map[string]string{
		"run:1": "index.docker.io/library/run@" + id, "r.example/run@sha256:" + strings.Repeat("a", 64): "r.example/run@" + id,
		"oci:/l/run": "/l/run@" + id, "oci:/l/run:1": "/l/run@" + id, "oci:/l/run@" + id: "/l/run@" + id,
	} {
		if got := reference.Parse(text).WithDigest(id).Record(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestIn(t *testing.T) {
	for text, want := range map[string]string{
		"registry.example/a/run:1":             "oci:/l/registry.example/a/run/1",
		"registry.example:5000/run":            "oci:/l/registry.example:5000/run/latest",
		"run":                                  "oci:/l/index.docker.io/library/run/latest",
		"registry.example/run@sha256:" + hex:   "oci:/l/registry.example/run/sha256/" + hex,
		"registry.example/run:1@sha256:" + hex: "oci:/l/registry.example/run/sha256/" + hex,
		"registry.example/../run":              "registry.example/../run",
		"registry.example/a//run":              "registry.example/a//run",
		"Upper":                                "Upper",
		"oci:/elsewhere/run":                   "oci:/elsewhere/run",
	} {
		if got := reference.Parse(text).In("/l").String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// check holds what is true of every text.
func check(t interface{ Fatalf(string, ...any) }, text string) {
	r := reference.Parse(text)
	if got := r.String(); got != text {
		t.Fatalf("%q is spelled %q", text, got)
	}
	if again := reference.Parse(r.String()); again != r {
		t.Fatalf("%q is %+v, and then %+v", text, r, again)
	}
	if (r.Err() != nil) != (r.Kind == reference.Malformed || r.IsZero()) {
		t.Fatalf("%q: %+v, %v", text, r, r.Err())
	}
	recorded := reference.Recorded(text)
	if got := recorded.Record(); got != text && recorded.String() != text {
		t.Fatalf("%q is recorded as %q", text, got)
	}
	if r.Kind == reference.Registry && !r.IsZero() {
		known, err := name.ParseReference(text)
		if err != nil || known.Name() != r.Name() || known.Context().RegistryStr() != r.Host() {
			t.Fatalf("%q has name %q in %q, to go-containerregistry %v, %v", text, r.Name(), r.Host(), known, err)
		}
		below, err := filepath.Rel("/l", r.In("/l").Path)
		if err != nil || !filepath.IsLocal(below) || below == "." {
			t.Fatalf("the layout of %q is in %q", text, r.In("/l").Path)
		}
	}
}

func TestProperties(t *testing.T) {
	text := rapid.StringMatching(`(docker://|oci:|tar:)?([a-z]{2,5}(\.example|:5000)?/)?[a-zA-Z0-9._-]{0,8}(/[a-z0-9._-]{1,8}){0,3}(:[a-zA-Z0-9._-]{0,6})?(@sha256:[0-9a-f]{64})?`)
	rapid.Check(t, func(t *rapid.T) { check(t, text.Draw(t, "text")) })
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"run", "r.example:5000/a/b:1@sha256:" + hex, "docker://" + hex, "oci:/a:b@sha256:" + hex, "tar:x", "/a@b", "sha256:" + hex, "[::1]:5000/x", "a:b:c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { check(t, text) })
}

func TestDigestIn(t *testing.T) {
	sha256, sha512 := "sha256:"+strings.Repeat("0a", 32), "sha512:"+strings.Repeat("f0", 64)
	for text, want := range map[string]string{
		sha256: sha256, sha512: sha512, "run@" + sha256: sha256, "Any Name@x@" + sha256: sha256, "sha384:" + strings.Repeat("1", 96): "sha384:" + strings.Repeat("1", 96),
		"": "", "run:noble": "", "run@": "", sha256 + "0": "", sha256[:70]: "", strings.ToUpper(sha256): "", "md5:" + strings.Repeat("0", 32): "",
		"sha256:" + strings.Repeat("0g", 32): "", sha256 + "@run": "", "sha512:" + strings.Repeat("0", 64): "",
	} {
		if got := reference.DigestIn(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

package extensions

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/testdata"
)

// bases are the images that the Dockerfiles of testdata stand on.
func bases(t testing.TB) map[string]Base {
	config := &Config{User: "1000", WorkingDir: "/workspace", Env: []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}, Labels: map[string]string{"os": "linux"}}
	masked, grouped := *config, *config
	grouped.User = "1000:1000"
	masked.Env = append(slices.Clone(config.Env), "PACKAGE=libgd3")
	packages := debian(t)
	return map[string]Base{
		"debian":  {Reference: "registry.example/run:debian", Set: set(packages...), Config: config},
		"masked":  {Reference: "registry.example/run:masked", Set: set(packages...), Config: &masked},
		"grouped": {Reference: "registry.example/run:grouped", Set: set(packages...), Config: &grouped},
		"alpine":  {Reference: "registry.example/run:alpine", Set: set(alpine(t)...), Config: config},
		"ubi":     {Reference: "registry.example/run:ubi", Set: set(ubi...), Config: config},
	}
}

func set(packages ...sbom.Package) *provides.Set {
	packages = slices.Clone(packages)
	slices.SortFunc(packages, sbom.Compare)
	s, _ := provides.From(&sbom.Document{Packages: packages}, nil, nil)
	return s
}

// ubi is a part of the RPM database of Red Hat's ubi9-minimal.
var ubi = []sbom.Package{
	{Type: sbom.RPM, Name: "openssl", Version: "1:3.0.7-27.el9", Arch: "x86_64", PURL: "pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=x86_64&epoch=1", Known: sbom.Files | sbom.Virtual, Files: []string{"/usr/bin/openssl"}},
	{Type: sbom.RPM, Name: "openssl-libs", Version: "1:3.0.7-27.el9", Arch: "x86_64", Known: sbom.Files | sbom.Virtual, Provides: []sbom.VirtualPackage{{Name: "libssl.so.3()(64bit)"}}},
	{Type: sbom.RPM, Name: "nodejs", Version: "1:16.20.2-8.el9_4", Arch: "x86_64", PURL: "pkg:rpm/redhat/nodejs@16.20.2-8.el9_4?arch=x86_64&epoch=1", Known: sbom.Files | sbom.Virtual},
	{Type: sbom.RPM, Name: "tzdata", Version: "2024a-1.el9", Arch: "noarch", Known: sbom.Files | sbom.Virtual},
	{Type: sbom.RPM, Name: "which", Version: "2.21-29.el9", Arch: "x86_64", Known: sbom.Files | sbom.Virtual},
}

// debian is the real database of testdata/README.md, without the packages that
// the tests want to be missing. Files are those of curl and tree alone.
func debian(t testing.TB) []sbom.Package {
	t.Helper()
	content, err := testdata.Rootfs.Open("rootfs/debian.tar.zst")
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(content)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var found []sbom.Package
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if path.Clean(h.Name) != "var/lib/dpkg/status" {
			continue
		}
		status, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for stanza := range strings.SplitSeq(strings.TrimSpace(string(status)), "\n\n") {
			if p := debPackage(stanza); p.Name != "libgd3" {
				found = append(found, p)
			}
		}
	}
}

func debPackage(stanza string) sbom.Package {
	field := func(name string) string {
		_, rest, _ := strings.Cut("\n"+stanza, "\n"+name+": ")
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}
	p := sbom.Package{Type: sbom.Deb, Name: field("Package"), Version: field("Version"), Arch: field("Architecture"), Known: sbom.Virtual | sbom.Arch | sbom.Files}
	p.PURL = "pkg:deb/debian/" + p.Name + "@" + p.Version
	p.Provides = sbom.ParseVirtuals(sbom.Deb, strings.Split(field("Provides"), ","))
	switch p.Name {
	case "curl", "tree":
		p.Files = []string{"/usr/bin/" + p.Name}
	}
	return p
}

// alpine is the real database of testdata/README.md.
func alpine(t testing.TB) []sbom.Package {
	t.Helper()
	installed, err := testdata.Rootfs.ReadFile("rootfs/alpine/installed")
	if err != nil {
		t.Fatal(err)
	}
	var found []sbom.Package
	for stanza := range strings.SplitSeq(strings.TrimSpace(string(installed)), "\n\n") {
		p := sbom.Package{Type: sbom.APK, Known: sbom.Virtual | sbom.Arch}
		for line := range strings.SplitSeq(stanza, "\n") {
			switch key, value, _ := strings.Cut(line, ":"); key {
			case "P":
				p.Name = value
			case "V":
				p.Version = value
			case "A":
				p.Arch = value
			case "p":
				for _, v := range strings.Fields(value) {
					name, version, _ := strings.Cut(v, "=")
					p.Provides = append(p.Provides, sbom.VirtualPackage{Name: name, Version: version})
				}
			}
		}
		if p.Version != "" {
			p.PURL = "pkg:apk/alpine/" + p.Name + "@" + p.Version
			found = append(found, p)
		}
	}
	return found
}

// parse is a Dockerfile that is known to be well formed.
func parse(t testing.TB, image ImageKind, content string, args ...Arg) *Dockerfile {
	t.Helper()
	d, err := Parse(string(image)+".Dockerfile", []byte(content), image, args...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// onBase is a Dockerfile of these instructions, the first one in line 3.
func onBase(t testing.TB, instructions ...string) *Dockerfile {
	t.Helper()
	return parse(t, Run, "ARG base_image\nFROM ${base_image}\n"+strings.Join(instructions, "\n")+"\n")
}

// effects are the lines that have an effect.
func effects(v Verdict) []int {
	var lines []int
	for _, i := range v.Instructions {
		if i.Effect {
			lines = append(lines, i.Line)
		}
	}
	return lines
}

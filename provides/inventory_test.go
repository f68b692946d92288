package provides_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/package-url/packageurl-go"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
	rootfs "github.com/baseplan/baseplan/testdata"
)

// database is the dpkg database of a real image: Debian 12 with runtimes.
var database = sync.OnceValues(func() (*sbom.Document, error) {
	f, err := rootfs.Rootfs.Open("rootfs/debian.tar.zst")
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	doc := &sbom.Document{Distro: sbom.Distro{ID: "debian", Version: "12"}}
	files := map[string][]string{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			return nil, err
		}
		name := h.Name[strings.LastIndexByte(h.Name, '/')+1:]
		if h.Name == "var/lib/dpkg/status" {
			doc.Packages = dpkg(data)
		}
		if pkg, ok := strings.CutSuffix(name, ".list"); ok {
			pkg, _, _ = strings.Cut(pkg, ":")
			files[pkg] = strings.Split(strings.TrimSpace(string(data)), "\n")
		}
	}
	for i, p := range doc.Packages {
		doc.Packages[i].Files = sorted(files[p.Name])
		doc.Packages[i].Known |= sbom.Files
	}
	return doc, nil
})

func debian(t testing.TB) *sbom.Document {
	t.Helper()
	doc, err := database()
	if err != nil {
		t.Fatal(err)
	}
	return document(doc.Packages...)
}

// dpkg reads the stanzas of a dpkg status file.
func dpkg(status []byte) []sbom.Package {
	var all []sbom.Package
	for stanza := range strings.SplitSeq(string(bytes.TrimSpace(status)), "\n\n") {
		fields := map[string]string{}
		for line := range strings.SplitSeq(stanza, "\n") {
			if key, value, ok := strings.Cut(line, ": "); ok && key[0] != ' ' {
				fields[key] = value
			}
		}
		p := deb("debian", fields["Package"], fields["Version"], fields["Architecture"])
		for v := range strings.SplitSeq(fields["Provides"], ", ") {
			name, version, _ := strings.Cut(v, " (= ")
			if name != "" {
				p.Provides = append(p.Provides, sbom.VirtualPackage{Name: name, Version: strings.TrimSuffix(version, ")")})
			}
		}
		all = append(all, p)
	}
	return all
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// documented is the packages of testdata/packages.tsv.
func documented(t testing.TB) []sbom.Package {
	t.Helper()
	var all []sbom.Package
	for line := range strings.SplitSeq(strings.TrimSpace(string(fixture(t, "packages.tsv"))), "\n") {
		if f := strings.Split(line, "\t"); line[0] != '#' {
			all = append(all, pkg(sbom.Type(f[0]), f[1], f[2], f[3], f[4]))
		}
	}
	return all
}

const everything = sbom.Files | sbom.Virtual | sbom.Upstream | sbom.Arch

// pkg is a package of which everything is known.
func pkg(t sbom.Type, namespace, name, version, arch string) sbom.Package {
	u := packageurl.PackageURL{Type: string(t), Namespace: namespace, Name: name, Version: version,
		Qualifiers: packageurl.QualifiersFromMap(map[string]string{"arch": arch})}
	if e := sbom.ParseEVR(t, version); t == sbom.RPM && e.Epoch != "" {
		u.Version = strings.TrimPrefix(version, e.Epoch+":")
		u.Qualifiers = packageurl.QualifiersFromMap(map[string]string{"arch": arch, "epoch": e.Epoch})
	}
	return sbom.Package{Type: t, Name: name, Version: version, Arch: arch, PURL: u.ToString(), Known: everything}
}

func deb(namespace, name, version, arch string) sbom.Package {
	return pkg(sbom.Deb, namespace, name, version, arch)
}

// with adds virtual packages ("name" or "name=version") to a package.
func with(p sbom.Package, virtual ...string) sbom.Package {
	for _, v := range virtual {
		name, version, _ := strings.Cut(v, "=")
		p.Provides = append(p.Provides, sbom.VirtualPackage{Name: name, Version: version})
	}
	return p
}

// owning adds files to a package.
func owning(p sbom.Package, files ...string) sbom.Package {
	p.Files = sorted(append(p.Files, files...))
	return p
}

// knowing forgets all facts of a package but these.
func knowing(f sbom.Facts, p sbom.Package) sbom.Package {
	p.Known = f
	return p
}

func set(t testing.TB, doc *sbom.Document, mapping ...provides.Mapping) *provides.Set {
	t.Helper()
	s, refused := provides.From(doc, mapping, nil)
	if len(refused) > 0 {
		t.Fatalf("refused: %v", refused)
	}
	return s
}

func document(packages ...sbom.Package) *sbom.Document {
	packages = slices.Clone(packages)
	slices.SortFunc(packages, sbom.Compare)
	return &sbom.Document{Distro: sbom.Distro{ID: "debian", Version: "12"}, Packages: packages}
}

func sorted(files []string) []string {
	files = slices.Clone(files)
	slices.Sort(files)
	return files
}

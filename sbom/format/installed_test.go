package format_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// listed is the packages of a document in short: "deb curl 7.88.1-10 amd64".
func listed(doc *sbom.Document) []string {
	all := []string{}
	for _, p := range doc.Packages {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", p.Type, p.Name, p.Version, p.Arch)))
	}
	return all
}

// TestFaults: documents that once said something else than they say.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		file string
		want []string
	}{
		{"name-and-purl-differ.spdx.json", []string{"deb curl 7.88 amd64"}},
		{"name-with-arch.spdx.json", []string{"deb libc6 2.36-9 amd64"}},
		{"nested-in-container.cdx.json", []string{"deb bash 5 amd64"}},
		{"nested-rootfs.syft.json", []string{"deb bash 5.2.15-2+b13 amd64"}},
		{"source-package.spdx.json", []string{"deb libcurl4 7.88.1-10 amd64"}},
		{"lone-surrogate.cdx.json", []string{"deb curl 7 amd64"}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, listed(decode(t, read(t, "faults/"+tt.file), tt.file))); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNotInstalled: a document lists more than what is installed in the image.
func TestNotInstalled(t *testing.T) {
	const deb = `"name":"x","version":"1-1","type":"deb","purl":"pkg:deb/debian/x@1-1"`
	cdx := func(in string) string {
		return one(sbom.CycloneDX, `{"type":"library","name":"x","version":"1-1","purl":"pkg:deb/debian/x@1-1"`+in+`}`)
	}
	nestedCDX := func(kind string) string {
		return one(sbom.CycloneDX, `{"type":"`+kind+`","name":"a","components":[{"type":"library","purl":"pkg:deb/debian/x@1-1"}]}`)
	}
	location := func(path string) string {
		return cdx(`,"properties":[{"name":"syft:location:0:path","value":"/usr/share/doc/x/copyright"},{"name":"syft:location:1:path","value":"` + path + `"}]`)
	}
	syft := func(path string) string {
		return one(sbom.Syft, `{`+deb+`,"locations":[{"path":"/usr/share/doc/x/copyright"},{"path":"`+path+`"}]}`)
	}
	spdx := func(id, in string) string {
		return `{"SPDXID":"SPDXRef-` + id + `","name":"` + id + `","versionInfo":"1-1"` + in + `,"externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/` + id + `@1-1"}]}`
	}
	related := func(packages string, relations ...string) string {
		var all []string
		for _, r := range relations {
			f := strings.Fields(r)
			all = append(all, `{"spdxElementId":"SPDXRef-`+f[0]+`","relationshipType":"`+f[1]+`","relatedSpdxElement":"SPDXRef-`+f[2]+`"}`)
		}
		return `{"spdxVersion":"SPDX-2.3","packages":[` + packages + `],"relationships":[` + strings.Join(all, ",") + `]}`
	}
	for _, tt := range []struct {
		name, content string
		installed     bool
	}{
		{"CycloneDX", cdx(""), true},
		{"excluded", cdx(`,"scope":"excluded"`), false},
		{"within an application", nestedCDX("application"), true},
		{"within a container", nestedCDX("container"), false},
		{"within an archive", nestedCDX("file"), false},
		{"within a device", nestedCDX("device"), false},
		{"a database of the image, in CycloneDX", location("/var/lib/dpkg/status"), true},
		{"a nested database, in CycloneDX", location("/opt/chroot/var/lib/dpkg/status"), false},
		{"a nested folder of entries, in CycloneDX", location("/opt/chroot/var/lib/dpkg/status.d/x"), false},
		{"a database of the image, in Syft JSON", syft("/var/lib/dpkg/status.d/x"), true},
		{"apk below /usr", syft("/usr/lib/apk/db/installed"), true},
		{"a nested apk database", syft("/srv/root/lib/apk/db/installed"), false},
		{"rpm of the image", syft("/usr/lib/sysimage/rpm/rpmdb.sqlite"), true},
		{"a nested rpm database", syft("/snap/1/usr/lib/sysimage/rpm/rpmdb.sqlite"), false},
		{"two databases, one of the image", one(sbom.Syft, `{`+deb+`,"locations":[{"path":"/opt/x/var/lib/dpkg/status"},{"path":"/var/lib/dpkg/status"}]}`), true},
		{"a package file", syft("/tmp/x.deb"), false},
		{"a note in a binary", one(sbom.Syft, `{`+deb+`,"foundBy":"elf-binary-package-cataloger"}`), false},
		{"a source by its purl", one(sbom.CycloneDX, `{"type":"library","name":"x","version":"1-1","purl":"pkg:rpm/fedora/x@1-1?arch=src"}`), false},
		{"SPDX", related(spdx("x", "")), true},
		{"SPDX of Syft", related(spdx("x", `,"sourceInfo":"acquired package info from DPKG DB: /var/lib/dpkg/status, /usr/share/doc/x/copyright"`)), true},
		{"SPDX of Syft, without places", related(spdx("x", `,"sourceInfo":"acquired package info from DPKG DB: "`)), true},
		{"SPDX of Syft, a nested database", related(spdx("x", `,"sourceInfo":"acquired package info from DPKG DB: /opt/chroot/var/lib/dpkg/status"`)), false},
		{"SPDX of Syft, from an SBOM", related(spdx("x", `,"sourceInfo":"acquired package info from SBOM: /usr/share/x.spdx.json"`)), false},
		{"a source", related(spdx("x", `,"primaryPackagePurpose":"SOURCE"`)), false},
		{"what another was generated from", related(spdx("x", "")+`,{"SPDXID":"SPDXRef-y","name":"y"}`, "y GENERATED_FROM x", "y CONTAINS x"), false},
		{"what generates another", related(spdx("x", "")+`,{"SPDXID":"SPDXRef-y","name":"y"}`, "x GENERATES y"), false},
		{"of the image", related(spdx("x", "")+`,{"SPDXID":"SPDXRef-y","name":"y","primaryPackagePurpose":"CONTAINER"}`, "DOCUMENT DESCRIBES y", "y CONTAINS x"), true},
		{"of a container in the image", related(spdx("x", "")+`,{"SPDXID":"SPDXRef-y","name":"y","primaryPackagePurpose":"CONTAINER"},{"SPDXID":"SPDXRef-z","name":"z","primaryPackagePurpose":"CONTAINER"}`,
			"DOCUMENT DESCRIBES y", "y CONTAINS z", "z CONTAINS x"), false},
		{"of the image and of a container in it", related(spdx("x", "")+`,{"SPDXID":"SPDXRef-y","name":"y","primaryPackagePurpose":"CONTAINER"},{"SPDXID":"SPDXRef-z","name":"z","primaryPackagePurpose":"CONTAINER"}`,
			"DOCUMENT DESCRIBES y", "y CONTAINS z", "z CONTAINS x", "y CONTAINS x"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := decode(t, []byte(tt.content), tt.name)
			found := false
			for _, p := range doc.Packages {
				found = found || p.Name == "x"
			}
			if found != tt.installed {
				t.Errorf("installed: %t, want %t (packages %v)", found, tt.installed, listed(doc))
			}
		})
	}
}

// TestPURLTakesPrecedence: the package URL of an operating system's package wins.
func TestPURLTakesPrecedence(t *testing.T) {
	for _, tt := range []struct{ name, text, want, purl string }{
		{"name", `{"name":"curl:amd64","version":"1-1","type":"deb","purl":"pkg:deb/debian/curl@1-1"}`, "deb curl 1-1", "pkg:deb/debian/curl@1-1"},
		{"version", `{"name":"curl","version":"2-1","type":"deb","purl":"pkg:deb/debian/curl@1-1"}`, "deb curl 1-1", "pkg:deb/debian/curl@1-1"},
		{"architecture", `{"name":"curl","version":"1-1","type":"deb","purl":"pkg:deb/debian/curl@1-1?arch=arm64","metadata":{"architecture":"amd64"}}`, "deb curl 1-1 arm64", "pkg:deb/debian/curl@1-1?arch=arm64"},
		{"architecture that the purl leaves out", `{"name":"curl","version":"1-1","type":"deb","purl":"pkg:deb/debian/curl@1-1","metadata":{"architecture":"amd64"}}`, "deb curl 1-1 amd64", "pkg:deb/debian/curl@1-1"},
		{"type", `{"name":"curl","version":"1-1","type":"rpm","purl":"pkg:deb/debian/curl@1-1"}`, "deb curl 1-1", "pkg:deb/debian/curl@1-1"},
		{"another type than an operating system's", `{"name":"curl","version":"1-1","type":"deb","purl":"pkg:npm/curl@1-1"}`, "npm curl 1-1", "pkg:npm/curl@1-1"},
		{"alpine", `{"name":"curl","version":"8.1-r2","type":"apk","purl":"pkg:alpine/curl@8.1-r2?arch=x86_64"}`, "apk curl 8.1-r2 x86_64", "pkg:apk/alpine/curl@8.1-r2?arch=x86_64"},
		{"a name in capital letters", `{"name":"libX","version":"1-r1","type":"apk","purl":"pkg:apk/alpine/libX@1-r1"}`, "apk libX 1-r1", "pkg:apk/alpine/libX@1-r1"},
		{"no purl", `{"name":"curl","version":"1","type":""}`, "curl 1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := decode(t, []byte(one(sbom.Syft, tt.text)), tt.name)
			if diff := cmp.Diff([]string{tt.want}, listed(doc)); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if len(doc.Packages) == 1 && doc.Packages[0].PURL != tt.purl {
				t.Errorf("purl %s, want %s", doc.Packages[0].PURL, tt.purl)
			}
		})
	}
	doc := decode(t, []byte(one(sbom.CycloneDX, `{"type":"library","name":"curl","version":"8.1-r2","purl":"pkg:alpine/curl@8.1-r2"}`)), "alpine")
	if diff := cmp.Diff([]string{"apk curl 8.1-r2"}, listed(doc)); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

// TestAbout: what documents say of the image that they describe.
func TestAbout(t *testing.T) {
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	escaped := strings.Replace(digest("a"), ":", "%3A", 1)
	const manifest = "sha256:21e830baecac4e48d86e7a464b1992e19d1eb398487c9f434b1773f6287c394a"
	for _, tt := range []struct {
		name, content string
		want          []sbom.ImageIdentity
	}{
		{"nothing", one(sbom.CycloneDX, ""), nil},
		{"Syft JSON", string(read(t, "faults/other-image.syft.json")), []sbom.ImageIdentity{{Manifest: digest("1"), Digests: []string{digest("1")}, ID: digest("2"), Layers: []string{digest("3")}}}},
		{"Syft JSON of an archive, whose manifest Syft made up", string(read(t, "archive.syft.json")), []sbom.ImageIdentity{{
			ID:     "sha256:75de49ae486d86cb5c989c3ad6d3e612cb357b785700d40bd4e1ee008ed70000",
			Layers: []string{"sha256:b20860c56ddf141b5dece341901197655e8a51ba89030fd5d17bf70a485e61e2"},
		}}},
		{"Syft JSON before 9.0.0", `{"artifacts":[],"source":{"type":"image","target":{"imageID":"` + digest("a") + `"}},"schema":{"version":"6.0.0","url":"anchore/syft"}}`, []sbom.ImageIdentity{{ID: digest("a")}}},
		{"Syft JSON of a directory", `{"artifacts":[],"source":{"type":"directory","version":"` + digest("a") + `"},"schema":{"version":"16.0.0","url":"anchore/syft"}}`, nil},
		{"Syft's CycloneDX", string(read(t, "syft-1.7.cdx.json")), []sbom.ImageIdentity{{Manifest: manifest}}},
		{"Syft's SPDX 2.3", string(read(t, "syft-2.3.spdx.json")), []sbom.ImageIdentity{{Manifest: manifest, Digests: []string{manifest}}}},
		{"Syft's SPDX 3.0", string(read(t, "syft-3.0.spdx.json")), []sbom.ImageIdentity{{Manifest: manifest, Digests: []string{manifest}}}},
		{"the version of an SPDX package that is an image, or not", `{"spdxVersion":"SPDX-2.3","documentDescribes":["SPDXRef-x","SPDXRef-y"],"packages":[
			{"SPDXID":"SPDXRef-x","name":"x","versionInfo":"` + digest("b") + `","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:oci/x@` + escaped + `"}]},
			{"SPDXID":"SPDXRef-y","name":"y","versionInfo":"` + digest("c") + `"}]}`, []sbom.ImageIdentity{{Manifest: digest("b"), Digests: []string{digest("a")}}}},
		{"a purl in CycloneDX", `{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"type":"container","name":"x","purl":"pkg:oci/x@` + escaped + `?arch=amd64"}}}`, []sbom.ImageIdentity{{Digests: []string{digest("a")}}}},
		{"a purl with a tag", `{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"type":"container","name":"x","version":"12","purl":"pkg:oci/x@12"}}}`, nil},
		{"Trivy's properties", `{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"type":"container","properties":[
			{"name":"aquasecurity:trivy:ImageID","value":"` + digest("a") + `"},{"name":"aquasecurity:trivy:DiffID","value":"` + digest("b") + `"},
			{"name":"aquasecurity:trivy:DiffID","value":"` + digest("c") + `"},{"name":"aquasecurity:trivy:RepoDigest","value":"x@` + digest("d") + `"}]}}}`,
			[]sbom.ImageIdentity{{ID: digest("a"), Layers: []string{digest("b"), digest("c")}, Digests: []string{digest("d")}}}},
		{"a described SPDX package", `{"spdxVersion":"SPDX-2.3","documentDescribes":["SPDXRef-x"],"packages":[{"SPDXID":"SPDXRef-x","name":"x","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:oci/x@` + escaped + `"}]},
			{"SPDXID":"SPDXRef-y","name":"y","primaryPackagePurpose":"CONTAINER","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:oci/y@` + escaped + `"}]}]}`, []sbom.ImageIdentity{{Digests: []string{digest("a")}}}},
		{"an SPDX package of an image in a document that does not say what it describes", `{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"SPDXRef-x","name":"x","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:oci/x@` + escaped + `"}]}]}`, []sbom.ImageIdentity{{Digests: []string{digest("a")}}}},
		{"a described SPDX package named by digest", `{"spdxVersion":"SPDX-2.3","documentDescribes":["SPDXRef-x"],"packages":[{"SPDXID":"SPDXRef-x","name":"` + digest("a") + `"}]}`, []sbom.ImageIdentity{{Digests: []string{digest("a")}}}},
		{"a purl with a type in capital letters", `{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"type":"container","name":"x","purl":"pkg:OCI/x@` + escaped + `"}}}`, []sbom.ImageIdentity{{Digests: []string{digest("a")}}}},
		{"a name with a digest", `{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"type":"container","name":"registry.example/x@` + digest("a") + `"}}}`, []sbom.ImageIdentity{{Digests: []string{digest("a")}}}},
		{"an in-toto statement", `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + digest("a")[7:] + `"}}],"predicate":` + one(sbom.SPDX, "") + `}`, []sbom.ImageIdentity{{Digests: []string{digest("a")}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, decode(t, []byte(tt.content), tt.name).About, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("about (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllLayers(t *testing.T) {
	if !decode(t, read(t, "faults/all-layers.syft.json"), "all-layers").AllLayers {
		t.Error("a document of all layers is taken for one of the image")
	}
	for text, want := range map[string]bool{
		`"descriptor":{"configuration":{"search":{"scope":"squashed"}}}`:                            false,
		`"descriptor":{"configuration":{"search":{"scope":"deep-squashed"}}}`:                       false,
		`"descriptor":{"configuration":{"scope":"all-layers"}}`:                                     true,
		`"descriptor":{"configuration":{"package":{"cataloger":{"scope":"AllLayers"}}}}`:            true,
		`"source":{"type":"image","target":{"scope":"AllLayers"}}`:                                  true,
		`"descriptor":{"configuration":{"search":{"scope":["x"]}}}`:                                 true,
		`"descriptor":{"configuration":{"search":{"scope":"squashed","unindexed-archives":false}}}`: false,
	} {
		content := `{"artifacts":[],` + text + `,"schema":{"version":"16.1.10","url":"anchore/syft"}}`
		if got := decode(t, []byte(content), "x").AllLayers; got != want {
			t.Errorf("%s: all layers %t, want %t", text, got, want)
		}
	}
}

// TestInvalidUTF8IsTolerated: half a character is no reason to know nothing of an image.
func TestInvalidUTF8IsTolerated(t *testing.T) {
	for _, f := range formats {
		text := map[sbom.Format]string{
			sbom.CycloneDX: `{"type":"library","name":"x\udce9","properties":[{"name":"syft:metadata:files:0:path","value":"/a\ud800"}]}`,
			sbom.SPDX:      `{"name":"x\udce9","annotations":[{"comment":"baseplan: {\"known\":[],\"type\":\"\\ud800\"}"}]}`,
			sbom.Syft:      `{"name":"x\udce9","version":"1","type":"deb","metadata":{"files":[{"path":"/a\ud800"}]}}`,
		}[f]
		doc := decode(t, []byte(one(f, text)), "x")
		if len(doc.Packages) != 1 || doc.Packages[0].Name != "x\ufffd" {
			t.Errorf("%s: packages %v, want x\ufffd", f, doc.Packages)
		}
	}
	// Bytes that are no characters are an error wherever a buffer ends.
	for _, n := range []int{0, 1 << 12, 1<<16 - 3, 1 << 16, 1<<17 - 1} {
		good := `{"bomFormat":"CycloneDX","specVersion":"1.6","x":"` + strings.Repeat("ä€😀", n/9) + strings.Repeat("x", n%9) + `"}`
		decode(t, []byte(good), "x")
		if _, err := format.Decode(strings.NewReader(strings.TrimSuffix(good, `"}`)+"\xf0\x9f\x98\"}"), "x"); err == nil || !strings.Contains(err.Error(), "UTF-8") {
			t.Errorf("after %d bytes: error %v, want one about UTF-8", n, err)
		}
	}
	if _, err := format.Decode(bytes.NewReader([]byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","x":"`+"\xf0\x9f")), "x"); err == nil {
		t.Error("no error for a document that ends within a character")
	}
}

package catalog_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/sbom"
	_ "github.com/baseplan/baseplan/testdata/seed"
)

func digestOf(n int) string { return fmt.Sprintf("sha256:%064x", n) }

// drawn is a random small inventory.
func drawn(t *rapid.T) *sbom.Document {
	files := []string{"/usr/bin/tree", "/bin/curl", "/usr/lib/libz.so.1"}
	doc := &sbom.Document{Packages: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sbom.Package {
		pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
		p := sbom.Package{Type: sbom.Deb, Name: pick("name", "curl", "openjdk-17-jre-headless", "tree"), Version: pick("version", "", "1.2-1", "2.0+b", "1:3.1-2"), Arch: pick("arch", "amd64", "i386", "all")}
		p.PURL = pick("purl", "", "pkg:deb/debian/"+p.Name+"@"+p.Version, "pkg:deb/debian/"+p.Name+"@3.1-2?arch="+p.Arch, "pkg:deb/debian/"+p.Name+"@3.1-2", "pkg:deb/debian/"+p.Name+"@2.0%2Bb?epoch=1#x", "pkg:deb/"+p.Name)
		p.Files = rapid.SliceOfNDistinct(rapid.SampledFrom(files), 0, 2, rapid.ID[string]).Draw(t, "files")
		slices.Sort(p.Files)
		p.Absent = rapid.SliceOfNDistinct(rapid.SampledFrom(files), 0, 1, rapid.ID[string]).Draw(t, "absent")
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"curl", "java", "cmd:tree"}), 0, 2, rapid.ID[string]).Draw(t, "virtual") {
			p.Provides = append(p.Provides, sbom.VirtualPackage{Name: name, Version: pick("virtual version", "", "2.0+b", p.Version)})
		}
		return p
	}), 0, 4).Draw(t, "packages")}
	slices.SortFunc(doc.Packages, sbom.Compare)
	doc.Files = rapid.SliceOfNDistinct(rapid.SampledFrom(files), 0, 1, rapid.ID[string]).Draw(t, "unowned")
	return doc
}

// TestAnswers: a catalog answers as the inventories do that it was made from, by every mapping.
func TestAnswers(t *testing.T) {
	declaration := &provides.Declaration{Provides: []provides.DeclaredEntry{
		{Name: "curl", Evidence: []string{"pkg:deb/curl"}}, {Name: "jre", Version: "17.0.2", Evidence: []string{"pkg:deb/openjdk-17-jre-headless", "file:/usr/bin/tree"}},
	}}
	mappings := [][]provides.Mapping{nil, {{Name: "java", Packages: []string{"pkg:deb/openjdk-{version}-jre-headless", "pkg:deb/*/curl@2.0+b"}}, {Name: "tree"}}}
	required := []string{
		"curl", "jre", "java", "tree", "cmd:tree", "cmd:curl", "so:libz.so.1", "curl:i386", "nothing",
		"pkg:deb/curl", "pkg:deb/debian/curl@2.0", "pkg:deb/curl?arch=i386", "pkg:deb/debian/tree@3.1-2",
	}
	rapid.Check(t, func(t *rapid.T) {
		var entries []catalog.Entry
		var docs []*sbom.Document
		var declared []*provides.Declaration
		for i := range rapid.IntRange(0, 6).Draw(t, "images") {
			doc, d := drawn(t), (*provides.Declaration)(nil)
			if rapid.Bool().Draw(t, "declares") {
				d = declaration
			}
			set, _ := provides.From(doc, nil, d)
			entries = append(entries, catalog.Entry{Part: set.Part(), Image: catalog.Image{
				Name: fmt.Sprintf("registry.example/run:%d", i), Digest: digestOf(i), OS: "linux", Arch: "amd64", Packages: len(doc.Packages),
			}})
			docs, declared = append(docs, doc), append(declared, d)
		}
		data, err := catalog.Encode(entries)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(entries)
		if again, err := catalog.Encode(entries); err != nil || !bytes.Equal(data, again) {
			t.Fatalf("the order of the images changes the catalog (%v)", err)
		}
		c, err := catalog.Decode(data, "it")
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		name, constraint := rapid.SampledFrom(required).Draw(t, "required"), rapid.SampledFrom([]string{"", ">= 2", "17", "= 1:3.1-2"}).Draw(t, "constraint")
		for _, mapping := range mappings {
			for i, have := range c.Answers(name, constraint, mapping) {
				set, _ := provides.From(docs[i], mapping, declared[i])
				want := set.Answer(name, constraint)
				if want.Met != have.Met || want.Offered != have.Offered {
					t.Fatalf("%s %s on image %d: the inventory answers %t: %s; the catalog answers %t: %s\n%s", name, constraint, i, want.Met, want.Reason, have.Met, have.Reason, data)
				}
			}
		}
	})
}

// TestSpelledVersions: package URLs may spell one version differently, and each image keeps its own.
func TestSpelledVersions(t *testing.T) {
	var entries []catalog.Entry
	for i, spelled := range []string{"1:2-1", "2-1", "1%3A2-1", ""} {
		purl := strings.TrimSuffix("pkg:rpm/fedora/tree@"+spelled, "@") + "?arch=x86_64"
		entries = append(entries, catalog.Entry{
			Image: catalog.Image{Name: fmt.Sprintf("registry.example/run:%d", i), Digest: digestOf(i), OS: "linux", Arch: "amd64", Packages: 1},
			Part:  provides.Part{Architecture: "amd64", Packages: []sbom.Package{{Type: sbom.RPM, Name: "tree", Version: "1:2-1", Arch: "x86_64", PURL: purl}}},
		})
	}
	data, err := catalog.Encode(entries)
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Decode(data, "it")
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range c.Answers("pkg:rpm/tree", "", nil) {
		if want := entries[i].Part.Packages[0].PURL; !a.Met || a.By[0].Evidence[0].PURL != want {
			t.Errorf("image %d has %+v, want %s\n%s", i, a, want, data)
		}
	}
}

func TestDecode(t *testing.T) {
	image := `{"image":"registry.example/run:1","digest":"` + digestOf(1) + `","os":"linux","arch":"amd64","size":1,"packages":1}`
	doc := func(images, sets, packages string) string {
		return fmt.Sprintf(`{"version":"1.0","images":[%s],"sets":[%s],"packages":[%s],"later":{}}`, images, sets, packages)
	}
	for _, test := range []struct{ name, in, want string }{
		{"whole", doc(image, `"0"`, `{"name":"curl","type":"deb","versions":{"1":0}}`), ""},
		{"newer minor version", strings.Replace(doc(image, "", ""), "1.0", "1.7", 1), ""},
		{"newer major version", strings.Replace(doc(image, "", ""), "1.0", "2.0", 1), `key "version"`},
		{"no version", `{}`, `key "version"`},
		{"no JSON", `[`, "unexpected end"},
		{"file of the host", doc(strings.Replace(image, "registry.example/run:1", "oci:/etc", 1), "", ""), `"oci:/etc" is not a reference in a registry`},
		{"daemon", doc(strings.Replace(image, "registry.example/run:1", "docker://run", 1), "", ""), "is not a reference in a registry"},
		{"no digest", doc(strings.Replace(image, "sha256:", "", 1), "", ""), `key "digest"`},
		{"negative size", doc(strings.Replace(image, `"size":1`, `"size":-1`, 1), "", ""), "negative"},
		{"control characters", doc(strings.Replace(image, `"size"`, `"distro":"debian\u001b]0;x","size"`, 1), "", ""), "control characters"},
		{"control characters in a declared name", doc(strings.Replace(image, `"size"`, `"provides":[{"name":"a\u202e","evidence":"x"}],"size"`, 1), "", ""), "control characters"},
		{"twice", doc(image+","+image, "", ""), "there twice"},
		{"image out of range", doc(image, `"1"`, ""), "sets[0]: there is no image 1"},
		{"descending", doc(image, `"0,0"`, ""), "sets[0]: want ascending"},
		{"empty set", doc(image, `""`, ""), "sets[0]: want ascending"},
		{"set out of range", doc(image, "", `{"name":"curl","versions":{"1":0}}`), "packages[0] (curl): key \"versions\""},
		{"too many packages", manyPackages(), "the images have over 10000000 packages"},
		{"contents out of range", doc(image, "", `{"name":"curl","contents":1,"versions":{}}`), "packages[0] (curl): key \"contents\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := catalog.Decode([]byte(test.in), "it")
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// manyPackages is a small catalog in which each of many images has many packages.
func manyPackages() string {
	var b strings.Builder
	b.WriteString(`{"version":"1.0","images":[`)
	for i := range 4000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"image":"r.example/run:%05d","digest":"%s","os":"linux","arch":"amd64"}`, i, digestOf(1))
	}
	b.WriteString(`],"sets":["0-3999"],"packages":[{"name":"curl","versions":{"0":0`)
	for i := range 2600 {
		fmt.Fprintf(&b, `,"1.%d":0`, i)
	}
	b.WriteString(`}}]}`)
	return b.String()
}

// FuzzDecode: a catalog that is accepted answers without a panic, and only about its own images.
func FuzzDecode(f *testing.F) {
	data, err := catalog.Encode(lifecycletest.Fleet("registry.example", digestOf(1), 1, 2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":"1.0","images":[{"image":"a/b","digest":"` + digestOf(1) + `","os":"linux","arch":"amd64"}],"sets":["0"],"contents":[{"provides":["curl\t","x\t2"],"files":["/bin/curl"]}],"packages":[{"type":"rpm","name":"curl","purl":"pkg:rpm/curl@?epoch=1","contents":1,"versions":{"1:2":0},"spelled":{"1:2":"2"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := catalog.Decode(data, "it")
		if err != nil {
			return
		}
		for _, name := range []string{"curl", "jre", "cmd:curl", "so:libz.so.1", "pkg:deb/curl", "pkg:rpm/curl@2"} {
			if n := len(c.Answers(name, ">= 1", nil)); n != len(c.Images) {
				t.Fatalf("%d answers for %d images", n, len(c.Images))
			}
		}
	})
}

// BenchmarkDecode decodes a catalog of 1,000 images and answers three requirements.
func BenchmarkDecode(b *testing.B) {
	data, err := catalog.Encode(lifecycletest.Fleet("registry.example", digestOf(1), 20, 50))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		c, err := catalog.Decode(data, "it")
		if err != nil {
			b.Fatal(err)
		}
		for _, name := range []string{"curl", "jre", "cmd:package-7-1"} {
			c.Answers(name, ">= 1", nil)
		}
	}
}

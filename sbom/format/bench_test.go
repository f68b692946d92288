package format_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

// syftJSON is as Syft writes an image of Debian: 400 packages with 40 files each are 3.6 MB.
func syftJSON(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"artifacts":[`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%016x","name":"libfoo%d","version":"1:2.%d-3+deb12u1","type":"deb","foundBy":"dpkg-db-cataloger",
"locations":[{"path":"/var/lib/dpkg/status","layerID":"sha256:e5e13b0c77cbb769548077189c3da2f0a764ceca06af49d8d558e759f5c232bd","accessPath":"/var/lib/dpkg/status","annotations":{"evidence":"primary"}}],
"licenses":[{"value":"GPL-2","spdxExpression":"GPL-2.0-only","type":"declared","urls":[],"locations":[]}],"language":"","cpes":[{"cpe":"cpe:2.3:a:libfoo%d:libfoo%d:1\\:2.%d-3\\+deb12u1:*:*:*:*:*:*:*","source":"syft-generated"}],
"purl":"pkg:deb/debian/libfoo%d@1%%3A2.%d-3%%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=foo%d","metadataType":"dpkg-db-entry",
"metadata":{"package":"libfoo%d","source":"foo%d","version":"1:2.%d-3+deb12u1","sourceVersion":"","architecture":"amd64","maintainer":"Foo Maintainers <foo@example.org>","installedSize":%d,"provides":["libfoo (= 2.%d)","foo-abi-%d"],"depends":["libc6 (>= 2.34)"],"files":[`,
			i, i, i, i, i, i, i, i, i, i, i, i, i, i, i)
		for j := range 40 {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"path":"/usr/share/libfoo%d/a/file-%02d.dat","digest":{"algorithm":"md5","value":"%032x"},"isConfigFile":false}`, i, j, i*40+j)
		}
		b.WriteString(`]}}`)
	}
	b.WriteString(`],"artifactRelationships":[`)
	for i := range 2000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"parent":"%016x","child":"%016x","type":"dependency-of"}`, i%100, i%97)
	}
	b.WriteString(`],"source":{"id":"x","name":"debian","version":"12","type":"image","metadata":{"userInput":"debian:12"}},
"distro":{"prettyName":"Debian GNU/Linux 12 (bookworm)","name":"Debian GNU/Linux","id":"debian","version":"12 (bookworm)","versionID":"12"},
"descriptor":{"name":"syft","version":"1.51.0"},"schema":{"version":"16.1.10","url":"https://raw.githubusercontent.com/anchore/syft/main/schema/json/schema-16.1.10.json"}}`)
	return b.Bytes()
}

// cycloneDXJSON is as Syft writes it, with its many properties.
func cycloneDXJSON(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"$schema":"http://cyclonedx.org/schema/bom-1.6.schema.json","bomFormat":"CycloneDX","specVersion":"1.6","version":1,
"metadata":{"timestamp":"2026-01-02T03:04:05Z","tools":{"components":[{"type":"application","author":"anchore","name":"syft","version":"1.51.0"}]},"component":{"type":"container","name":"debian"}},"components":[
{"bom-ref":"os:debian@12","type":"operating-system","name":"debian","version":"12","properties":[{"name":"syft:distro:id","value":"debian"},{"name":"syft:distro:versionID","value":"12"}]}`)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `,{"bom-ref":"pkg:deb/debian/libfoo%d@2.%d-3?arch=amd64&distro=debian-12&package-id=%016x","type":"library","publisher":"Foo Maintainers <foo@example.org>","name":"libfoo%d","version":"2.%d-3",
"licenses":[{"license":{"id":"GPL-2.0-only"}}],"cpe":"cpe:2.3:a:libfoo%d:libfoo%d:2.%d-3:*:*:*:*:*:*:*","purl":"pkg:deb/debian/libfoo%d@2.%d-3?arch=amd64&distro=debian-12&upstream=foo","properties":[
{"name":"syft:package:foundBy","value":"dpkg-db-cataloger"},{"name":"syft:package:type","value":"deb"},{"name":"syft:package:metadataType","value":"dpkg-db-entry"},`, i, i, i, i, i, i, i, i, i, i)
		for j := range 6 {
			fmt.Fprintf(&b, `{"name":"syft:cpe23","value":"cpe:2.3:a:libfoo%d:libfoo-%d:2.0-3:*:*:*:*:*:*:*"},{"name":"syft:location:%d:path","value":"/usr/share/doc/libfoo%d/copyright"},`, i, j, j, i)
		}
		fmt.Fprintf(&b, `{"name":"syft:metadata:installedSize","value":"%d"},{"name":"syft:metadata:source","value":"foo"}]}`, i)
	}
	b.WriteString(`],"dependencies":[]}`)
	return b.Bytes()
}

func benchmarkDecode(b *testing.B, content []byte, least int) {
	b.Helper()
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	var doc *sbom.Document
	for b.Loop() {
		var err error
		if doc, err = format.Decode(bytes.NewReader(content), "benchmark"); err != nil {
			b.Fatal(err)
		}
	}
	if len(doc.Packages) < least {
		b.Fatalf("%d packages, want at least %d", len(doc.Packages), least)
	}
}

func BenchmarkDecodeSyft3600KB(b *testing.B)    { benchmarkDecode(b, syftJSON(3_600_000), 400) }
func BenchmarkDecodeCycloneDX10MB(b *testing.B) { benchmarkDecode(b, cycloneDXJSON(10_000_000), 4000) }

func BenchmarkEncode(b *testing.B) {
	doc, err := format.Decode(bytes.NewReader(syftJSON(3_600_000)), "benchmark")
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range []sbom.Format{sbom.CycloneDX, sbom.SPDX, sbom.Syft} {
		b.Run(string(f), func(b *testing.B) {
			var out bytes.Buffer
			for b.Loop() {
				out.Reset()
				if err := format.Encode(&out, doc, f); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(out.Len()))
		})
	}
}

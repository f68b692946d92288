package format_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/sbom"
	"github.com/baseplan/baseplan/sbom/format"
)

func ExampleDecode() {
	const content = `{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
		{"type": "library", "name": "curl", "version": "7.88.1-10", "purl": "pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12"}]}`
	doc, err := format.Decode(strings.NewReader(content), "registry.example/run:1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.Format, doc.Spec, doc.Distro.ID, doc.Distro.Version)
	for _, p := range doc.Packages {
		fmt.Println(p.Type, p.Name, p.Version, p.Arch)
	}
	fmt.Println("which files packages own is known:", doc.Knows(sbom.Files))
	// Output:
	// cyclonedx 1.6 debian 12
	// deb curl 7.88.1-10 amd64
	// which files packages own is known: false
}

func ExampleEncode() {
	doc := &sbom.Document{Packages: []sbom.Package{{
		Type: sbom.APK, Name: "busybox", Version: "1.36.1-r2", Files: []string{"/bin/busybox"}, Known: sbom.Files,
	}}}
	var b bytes.Buffer
	if err := format.Encode(&b, doc, sbom.SPDX); err != nil {
		fmt.Println(err)
		return
	}
	again, err := format.Decode(&b, "what was just written")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(again.Format, again.Spec, again.Packages[0].Files, again.Knows(sbom.Files), again.Knows(sbom.Virtual))
	// Output:
	// spdx SPDX-2.3 [/bin/busybox] true false
}

func ExampleIdentify() {
	_, err := format.Identify([]byte("<html><body>404 Not Found</body></html>"))
	fmt.Println(err)
	// Output:
	// the input is an HTML page: want CycloneDX 1.0 to 1.7 (JSON or XML), SPDX 2.1 to 2.3 (JSON or tag-value), SPDX 3.0 (JSON), or Syft JSON
}

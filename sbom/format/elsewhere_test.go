package format_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What an image was built or tested with is in its SPDX document, not in the image.
func TestSPDXBuildPackagesAreNotInTheImage(t *testing.T) {
	pkg := func(name string) string {
		return `{"name":"` + name + `","SPDXID":"SPDXRef-` + name + `","versionInfo":"1-1","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/` + name + `@1-1"}]}`
	}
	says := func(from, kind, to string) string {
		return `{"spdxElementId":"SPDXRef-` + from + `","relationshipType":"` + kind + `","relatedSpdxElement":"SPDXRef-` + to + `"}`
	}
	doc := decode(t, []byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[`+
		strings.Join([]string{pkg("app"), pkg("gcc"), pkg("make"), pkg("curl"), pkg("both")}, ",")+`],"relationships":[`+
		strings.Join([]string{
			says("gcc", "BUILD_DEPENDENCY_OF", "app"), says("make", "BUILD_TOOL_OF", "app"), says("curl", "DEPENDENCY_OF", "app"),
			says("both", "TEST_TOOL_OF", "app"), says("app", "CONTAINS", "both"),
		}, ",")+`]}`), "elsewhere.spdx.json")
	var names []string
	for _, p := range doc.Packages {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"app", "both", "curl"}, names); diff != "" {
		t.Error(diff)
	}
}

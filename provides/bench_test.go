package provides_test

import (
	"fmt"
	"testing"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// large is 500 packages with 100 files each.
func large() *sbom.Document {
	var all []sbom.Package
	for i := range 500 {
		name := fmt.Sprintf("lib%c-package%03d", 'a'+i%26, i)
		var files []string
		for j := range 98 {
			files = append(files, fmt.Sprintf("/usr/share/%s/part%d/file%02d", name, j%7, j))
		}
		files = append(files, "/usr/bin/"+name, "/usr/lib/x86_64-linux-gnu/"+name+".so.1")
		all = append(all, owning(with(deb("debian", name, "1:1.2.3-4+deb12u1", "amd64"), name+"-api=2"), files...))
	}
	return document(all...)
}

// A set of 500 packages and 50,000 files: under 20 ms is promised.
func BenchmarkFrom(b *testing.B) {
	doc := large()
	b.ReportAllocs()
	for b.Loop() {
		provides.From(doc, nil, nil)
	}
}

// The same, with the first question for a command, which looks through all files.
func BenchmarkFromAndCommand(b *testing.B) {
	doc := large()
	b.ReportAllocs()
	for b.Loop() {
		s, _ := provides.From(doc, nil, nil)
		s.Answer("cmd:tree", "")
	}
}

func BenchmarkAnswer(b *testing.B) {
	s, _ := provides.From(large(), nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		s.Answer("libb-package001", ">= 1.2, < 2")
	}
}

func BenchmarkAll(b *testing.B) {
	s, _ := provides.From(large(), nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		s.All()
	}
}

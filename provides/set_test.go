package provides_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

func TestAnswerOnDebian(t *testing.T) {
	s := set(t, debian(t))
	for _, test := range []struct {
		name, constraint string
		met              bool
		reason           string
	}{
		{"tree", "", true, "tree 2.1.0-1"},
		{"curl", ">= 7", true, "curl 7.88.1-10+deb12u15"},
		{"curl", ">= 8", false, "has curl 7.88.1-10+deb12u15, which is not >= 8"},
		{"curl", "lts/*", false, `has curl 7.88.1-10+deb12u15, but cannot parse version constraint "lts/*": "lts/*" is not a version`},
		{"wget", "", false, "has no wget"},
		{"node", "^18", true, "nodejs 18.20.4+dfsg-1~deb12u3"},
		{"php", "8.2", true, "php8.2-cli 8.2.36-1~deb12u1"},
		{"cpython", "~> 3.11", true, "python3 3.11.2-1+b1"},
		{"ruby", ">= 3.1", true, "ruby 1:3.1"},
		{"ruby", ">= 3.1.2", false, "has ruby 1:3.1, which is not >= 3.1.2"}, // ruby3.1 3.1.7 is installed, but the owner of the command ruby is unknown
		{"java-runtime-headless", "", true, "java-runtime-headless 17 by openjdk-17-jre-headless 17.0.21.1+2-1~deb12u1"},
		{"java-runtime-headless", ">= 21", false, "has java-runtime-headless 17 by openjdk-17-jre-headless 17.0.21.1+2-1~deb12u1, which is not >= 21"},
		{"phpapi-20220829", ">= 1", false, "has phpapi-20220829 by php8.2-cli 8.2.36-1~deb12u1, whose version is not known, so >= 1 cannot be checked"},
		{"pkg:deb/debian/curl", "", true, "curl 7.88.1-10+deb12u15"},
		{"pkg:deb/curl", ">= 7", true, "curl 7.88.1-10+deb12u15"},
		{"pkg:deb/curl@7", "", true, "curl 7.88.1-10+deb12u15"},
		{"pkg:deb/curl@7.88.1-10%2Bdeb12u15?arch=amd64", "", true, "curl 7.88.1-10+deb12u15"},
		{"pkg:deb/curl@8", "", false, "has curl 7.88.1-10+deb12u15, which is not pkg:deb/curl@8"},
		{"pkg:deb/curl@7", ">= 8", false, "has curl 7.88.1-10+deb12u15, which is not >= 8"},
		{"pkg:deb/curl?arch=arm64", "", false, "has no pkg:deb/curl?arch=arm64"},
		{"pkg:deb/curl?distro=ubuntu-24.04", "", false, "has no pkg:deb/curl?distro=ubuntu-24.04"},
		{"pkg:deb/ubuntu/curl", "", false, "has no pkg:deb/ubuntu/curl"},
		{"pkg:rpm/debian/curl", "", false, "has no pkg:rpm/debian/curl"},
		{"pkg:deb", "", false, `reading "pkg:deb": purl is missing type or name`},
		{"cmd:tree", "", true, "/usr/bin/tree of tree 2.1.0-1"},
		{"cmd:tree", ">= 2, < 3", true, "/usr/bin/tree of tree 2.1.0-1"},
		{"cmd:sh", "", true, "/bin/sh of dash 0.5.12-2"},
		{"cmd:wget", "", false, "has no cmd:wget"},
		{"so:libssl.so.3", "", true, "/usr/lib/x86_64-linux-gnu/libssl.so.3 of libssl3 3.0.22-1~deb12u2"},
		{"so:libssl.so.1.1", "", false, "has no so:libssl.so.1.1"},
		{"libssl3", "", true, "libssl3 3.0.22-1~deb12u2"},
		{"", "", false, "has no "},
	} {
		t.Run(test.name+" "+test.constraint, func(t *testing.T) {
			got := s.Answer(test.name, test.constraint)
			if got.Met != test.met || got.Reason != test.reason {
				t.Errorf("Answer(%q, %q) = %v %q\nwant %v %q", test.name, test.constraint, got.Met, got.Reason, test.met, test.reason)
			}
			if got.Met && !got.Offered || got.Offered != (len(got.By) > 0) {
				t.Errorf("Answer(%q, %q): met %v, offered %v, by %d", test.name, test.constraint, got.Met, got.Offered, len(got.By))
			}
		})
	}
}

func TestAnswerUnknown(t *testing.T) {
	curl := deb("debian", "curl", "7.88.1-10", "amd64")
	bash := pkg(sbom.APK, "alpine", "bash", "5.2.26-r0", "x86_64")
	zlib := with(pkg(sbom.RPM, "redhat", "zlib", "1.2.11-40.el9", "x86_64"), "libz.so.1()(64bit)")
	const noFiles, noVirtual = "this SBOM does not list files, so whether ", "; this SBOM does not list virtual packages, so whether another stands in for it is unknown"
	for _, test := range []struct {
		name string
		doc  *sbom.Document
		ask  string
		want string
	}{
		{"files", document(knowing(sbom.Virtual, curl)), "cmd:curl", noFiles + "cmd:curl is there is unknown"},
		{"files, library", document(knowing(0, curl)), "so:libz.so.1", noFiles + "so:libz.so.1 is there is unknown"},
		{"files known", document(curl), "cmd:curl", "has no cmd:curl"},
		{"one package without files", document(curl, knowing(0, deb("debian", "wget", "1-1", "amd64"))), "cmd:curl", noFiles + "cmd:curl is there is unknown"},
		{"virtual", document(knowing(sbom.Files, curl)), "http-client", "has no package http-client" + noVirtual},
		{"virtual known", document(curl), "http-client", "has no http-client"},
		{"a mapped name is no virtual package", document(knowing(0, curl)), "jre", "has no jre"},
		{"apk lists commands as virtual packages", document(knowing(sbom.Virtual, bash)), "cmd:curl", "has no cmd:curl"},
		{"apk without them", document(knowing(0, bash)), "cmd:curl", noFiles + "cmd:curl is there is unknown"},
		{"rpm lists libraries", document(knowing(sbom.Virtual, zlib)), "so:libssl.so.3", "has no so:libssl.so.3"},
		{"rpm does not list commands", document(knowing(sbom.Virtual, zlib)), "cmd:curl", noFiles + "cmd:curl is there is unknown"},
		{"no packages", document(), "curl", "has no packages"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := set(t, test.doc).Answer(test.ask, ""); got.Met || got.Offered || got.Reason != test.want {
				t.Errorf("Answer = %+v, want not offered, %q", got, test.want)
			}
		})
	}
	var none *provides.Set
	if got := none.Answer("curl", ""); got.Met || got.Reason != "nothing is known of the image" {
		t.Errorf("nil set: %+v", got)
	}
	if len(none.All()) > 0 || len(none.Names()) > 0 || none.Prefers("curl") || none.Document() != nil || none.Owners("/") != nil {
		t.Error("a nil set knows something")
	}
}

func TestCommandsAndLibraries(t *testing.T) {
	s := set(t, document(
		with(pkg(sbom.APK, "alpine", "curl", "8.9.1-r2", "x86_64"), "cmd:curl=8.9.1-r2"),
		with(pkg(sbom.APK, "alpine", "libcurl", "8.9.1-r2", "x86_64"), "so:libcurl.so.4=4.8.0"),
		with(pkg(sbom.RPM, "redhat", "openssl-libs", "1:3.0.7-27.el9", "x86_64"), "libssl.so.3()(64bit)", "libssl.so.3(OPENSSL_3.0.0)(64bit)", "libcrypto.so.3", "libx.something()(64bit)"),
		owning(pkg(sbom.RPM, "redhat", "tools", "1-1", "x86_64"), "/bin/one", "/usr/sbin/two", "/usr/libexec/three", "/usr/bin/sub/four", "/opt/bin/five", "/usr/games/six",
			"/lib64/libone.so.1", "/usr/lib/x86_64-linux-gnu/libtwo.so.2.0", "/usr/lib/python3/three.so", "/usr/lib/gcc/x86_64-linux-gnu/12/four.so", "/usr/lib/notes.social"),
	))
	for name, want := range map[string]bool{
		"cmd:curl": true, "so:libcurl.so.4": true, "so:libssl.so.3": true,
		"so:libcrypto.so.3":    false, // the 32-bit form in a 64-bit package
		"so:libx.something":    false,
		"cmd:one":              true,
		"cmd:two":              true,
		"cmd:three":            false,
		"cmd:four":             false,
		"cmd:five":             false,
		"cmd:six":              false,
		"so:libone.so.1":       true,
		"so:libtwo.so.2.0":     true,
		"so:three.so":          false,
		"so:four.so":           false,
		"so:notes.social":      false,
		"libssl.so.3()(64bit)": true,
	} {
		if got := s.Answer(name, ""); got.Met != want {
			t.Errorf("Answer(%q) = %v %q, want %v", name, got.Met, got.Reason, want)
		}
	}
	if got := s.Answer("cmd:curl", ">= 8.9, < 9"); !got.Met || got.By[0].Kind != provides.Command {
		t.Errorf("cmd:curl >= 8.9: %+v", got)
	}
}

func TestForeignArchitecture(t *testing.T) {
	s := set(t, document(
		deb("debian", "base-files", "12", "amd64"), deb("debian", "dash", "0.5.12-2", "amd64"), deb("debian", "tzdata", "2024a-0", "all"),
		deb("debian", "curl", "7.88.1-10", "i386"), owning(deb("debian", "libc6", "2.36-9", "i386"), "/lib/libc.so.6"), deb("debian", "libc6", "2.36-9", "amd64"),
	))
	for name, want := range map[string]bool{
		"curl": false, "curl:i386": true, "libc6": true, "libc6:i386": true, "tzdata": true, "so:libc.so.6": false,
		"pkg:deb/curl": false, "pkg:deb/curl?arch=i386": true, "pkg:deb/curl?arch=amd64": false, "pkg:deb/curl?distro=i386": false,
	} {
		if got := s.Answer(name, ""); got.Met != want {
			t.Errorf("Answer(%q) = %v, want %v", name, got.Met, want)
		}
	}
}

// TestArchitectureOutsideThePURL: where the purl leaves the architecture out, the package's own counts.
func TestArchitectureOutsideThePURL(t *testing.T) {
	s := set(t, document(sbom.Package{Type: sbom.Deb, Name: "curl", Version: "1-1", Arch: "amd64", PURL: "pkg:deb/debian/curl@1-1"}))
	for name, want := range map[string]bool{"arch=amd64": true, "arch=arm64": false, "distro=amd64": false, "arch=amd64&distro=debian-12": false} {
		if got := s.Answer("pkg:deb/curl?"+name, ""); got.Met != want {
			t.Errorf("%s: %v, want %v", name, got.Met, want)
		}
	}
}

// A package URL names one package, of whatever type.
func TestPURLName(t *testing.T) {
	s := set(t, document(sbom.Package{Type: "npm", Name: "lodash", Version: "4.17.21", PURL: "pkg:npm/lodash@4.17.21"}))
	for name, want := range map[string]bool{"pkg:npm/lodash": true, "pkg:npm/react": false, "pkg:npm/%40x/lodash": false} {
		if got := s.Answer(name, ""); got.Met != want {
			t.Errorf("%s: %v (%s), want %v", name, got.Met, got.Reason, want)
		}
	}
}

// Only packages of the system tell whether a command is there.
func TestFilesOfOtherPackages(t *testing.T) {
	s := set(t, document(owning(deb("debian", "curl", "1-1", "amd64"), "/usr/bin/curl"), knowing(0, sbom.Package{Type: "npm", Name: "lodash", Version: "4.17.21", PURL: "pkg:npm/lodash@4.17.21"})))
	if got := s.Answer("cmd:tree", ""); got.Met || strings.Contains(got.Reason, "does not list files") {
		t.Errorf("got %v: %s", got.Met, got.Reason)
	}
}

func TestPreferredAnswerComesFirst(t *testing.T) {
	s, _ := provides.From(document(
		pkg(sbom.APK, "alpine", "nodejs", "9.11-r0", "x86_64"), pkg(sbom.APK, "alpine", "nodejs-current", "22.3.0-r0", "x86_64"),
	), nil, &provides.Declaration{Version: "1.0", Provides: []provides.DeclaredEntry{{Name: "node", Version: "1", Evidence: []string{"pkg:apk/nodejs"}}}})
	var got []string
	for _, p := range s.Lookup("node") {
		got = append(got, string(p.Kind)+" "+p.Version)
	}
	if diff := cmp.Diff([]string{"declared 1", "mapped 22.3.0", "mapped 9.11"}, got); diff != "" {
		t.Errorf("Lookup(node) (-want +got):\n%s", diff)
	}
	if got := s.Answer("node", "9"); !got.Met || len(got.By) != 1 || got.By[0].Version != "9.11" {
		t.Errorf("any of them may meet the requirement: %+v", got)
	}
}

func TestOwners(t *testing.T) {
	s := set(t, document(
		owning(with(deb("debian", "exim4-daemon-light", "4.96-15", "amd64"), "mail-transport-agent"), "/usr/sbin/exim4"),
		owning(deb("debian", "dash", "0.5.12-2", "amd64"), "/bin/sh", "/usr/share/doc/dash/copyright"),
	))
	for path, want := range map[string]int{"/bin/sh": 1, "/usr/bin/sh": 1, "/usr/sbin/exim4": 1, "/sbin/exim4": 1, "/usr/share/doc/dash": 1, "/usr/share/do": 0, "/bin/bash": 0} {
		if got := s.Owners(path); len(got) != want {
			t.Errorf("Owners(%q): %d packages, want %d", path, len(got), want)
		}
	}
}

// What a set answers is the same whatever the order of its inputs, and what it
// lists it also answers.
func TestSetDeterministic(t *testing.T) {
	doc := debian(t)
	doc.Packages = doc.Packages[:200]
	want := set(t, doc).All()
	reversed := *doc
	reversed.Packages = slices.Clone(doc.Packages)
	slices.Reverse(reversed.Packages)
	s := set(t, &reversed)
	if diff := cmp.Diff(want, s.All()); diff != "" {
		t.Fatalf("in reverse (-want +got):\n%s", diff)
	}
	for _, name := range s.Names() {
		if got := s.Answer(name, ""); !got.Met {
			t.Errorf("All has %q, Answer says %q", name, got.Reason)
		}
	}
	if !slices.IsSorted(s.Names()) {
		t.Error("names are not sorted")
	}
}

// An entry of a declaration that the inventory does not back never appears.
func TestDeclarationWithoutEvidenceIsNotProvided(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c", "d"}
		var installed []sbom.Package
		there := map[string]bool{}
		for _, n := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID[string]).Draw(t, "installed") {
			installed = append(installed, owning(deb("debian", n, "1-1", "amd64"), "/opt/"+n))
			there["pkg:deb/debian/"+n], there["pkg:deb/"+n+"@1-1"], there["file:/opt/"+n] = true, true, true
		}
		evidence := rapid.Custom(func(t *rapid.T) string {
			n := rapid.SampledFrom(names).Draw(t, "name")
			return rapid.SampledFrom([]string{"pkg:deb/debian/" + n, "pkg:deb/" + n + "@1-1", "file:/opt/" + n, "pkg:rpm/" + n, "pkg:deb/ubuntu/" + n, "pkg:deb/" + n + "@2"}).Draw(t, "form")
		})
		entry := provides.DeclaredEntry{Name: "declared", Evidence: rapid.SliceOfN(evidence, 1, 3).Draw(t, "evidence")}
		backed := !slices.ContainsFunc(entry.Evidence, func(e string) bool { return !there[e] })
		s, refused := provides.From(document(installed...), nil, &provides.Declaration{Version: "1.0", Provides: []provides.DeclaredEntry{entry}})
		if met := s.Answer("declared", "").Met; met != backed || (len(refused) == 0) != backed || slices.Contains(s.Names(), "declared") != backed {
			t.Fatalf("%v on %d packages: met %v, refused %v, want %v", entry.Evidence, len(installed), met, refused, backed)
		}
		for _, r := range refused {
			if r.Name != "declared" || strings.TrimSpace(r.Why) == "" {
				t.Fatalf("refusal %+v says nothing", r)
			}
		}
	})
}

package extensions

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/sbom"
)

// TestLacks names all packages that an instruction lacks, and none where it would change more than that.
func TestLacks(t *testing.T) {
	images := bases(t)
	for _, tt := range []struct {
		line   string
		lacks  []string
		reason string
	}{
		{"RUN apt-get install -y libgd3 curl libzip4", []string{"libgd3", "libzip4"}, "apt-get install: libgd3 is not installed; libzip4 is not installed"},
		{"RUN apt-get install -y libgd3 && apt-get install -y libzip4 && apt-get clean", []string{"libgd3", "libzip4"},
			"apt-get install: libgd3 is not installed; apt-get install: libzip4 is not installed"},
		{"RUN apt-get install -y curl=9.9", []string{"curl=9.9"}, ""},
		{"RUN apt-get install -y libgd3 && echo x > /etc/motd", nil, "apt-get install: libgd3 is not installed; the redirection /etc/motd is not understood"},
		{"RUN echo x > /etc/motd && apt-get install -y libgd3", nil, "the redirection /etc/motd is not understood; apt-get install: libgd3 is not installed"},
		{"RUN apt-get install -y curl", nil, ""},
	} {
		d, err := Parse("run.Dockerfile", []byte("ARG base_image\nFROM ${base_image}\nUSER root\n"+tt.line+"\n"+reset), Run)
		if err != nil {
			t.Fatal(err)
		}
		got := Check(d, images["debian"], nil, ByEffect).Instructions[1]
		if diff := cmp.Diff(tt.lacks, got.Lacks); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.line, diff)
		}
		if tt.reason != "" && got.Reason != tt.reason {
			t.Errorf("%s: %q, want %q", tt.line, got.Reason, tt.reason)
		}
	}
}

// TestExpanded says which instructions lack a package that a variable names, whose value may be a secret.
func TestExpanded(t *testing.T) {
	base := bases(t)["debian"]
	for line, want := range map[string]bool{
		"RUN apt-get install -y libgd3":            false,
		"RUN apt-get install -y $NAME":             true,
		"RUN apt-get install -y libgd3 ${NAME}":    true,
		"RUN apt-get install -y libgd3=$NAME":      true,
		"RUN N=libgd3 && apt-get install -y $N":    false,
		"RUN apt-get install -y curl":              false,
		"RUN apt-get update && echo $NAME > /etc/": false,
	} {
		d, err := Parse("run.Dockerfile", []byte("ARG base_image\nFROM ${base_image}\nARG NAME\nUSER root\n"+line+"\n"+reset), Run, Arg{Name: "NAME", Value: "libzip4"})
		if err != nil {
			t.Fatal(err)
		}
		if got := Check(d, base, nil, ByEffect).Instructions[2]; got.Expanded != want {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// TestHalfInstalledPackages: a package whose installation did not finish is not installed, and apt finishes it with whatever else it does.
func TestHalfInstalledPackages(t *testing.T) {
	base := bases(t)["debian"]
	doc := *base.Set.Document()
	doc.Unready = []sbom.Unready{{Name: "libgd3", State: "half-configured", Version: "2.3.3-9"}}
	base.Set, _ = provides.From(&doc, nil, nil)
	for line, want := range map[string]string{
		"RUN apt-get install -y libgd3": "apt-get install: libgd3 is not installed: it is half-configured",
		"RUN apt-get install -y curl":   "apt-get install: it also finishes the installation of libgd3, which is half-configured",
	} {
		d, err := Parse("run.Dockerfile", []byte("ARG base_image\nFROM ${base_image}\nUSER root\n"+line+"\n"+reset), Run)
		if err != nil {
			t.Fatal(err)
		}
		got := Check(d, base, nil, ByEffect).Instructions[1]
		if !got.Effect || got.Reason != want {
			t.Errorf("%s: effect %v, %q, want %q", line, got.Effect, got.Reason, want)
		}
	}
}

// TestUntyped: what the SBOM lists without its type is neither installed nor known to be absent.
func TestUntyped(t *testing.T) {
	base := bases(t)["debian"]
	doc := *base.Set.Document()
	doc.Packages = append([]sbom.Package{{Name: "libgd3", Version: "2.3.3-9"}}, doc.Packages...)
	base.Set, _ = provides.From(&doc, nil, nil)
	d, err := Parse("run.Dockerfile", []byte("ARG base_image\nFROM ${base_image}\nUSER root\nRUN apt-get install -y libgd3\n"+reset), Run)
	if err != nil {
		t.Fatal(err)
	}
	got := Check(d, base, nil, ByEffect).Instructions[1]
	if want := "apt-get install: whether libgd3 is installed is unknown: the SBOM lists it without its type"; !got.Effect || got.Reason != want {
		t.Errorf("effect %v, %q, want %q", got.Effect, got.Reason, want)
	}
}

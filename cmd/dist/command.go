package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/sbom/keyless"
)

// A commandFiles is what is published of baseplan for a platform.
type commandFiles struct {
	programs []entry // baseplan, its verifier, and their SBOMs
	others   []entry // below share
	license  entry
}

// command builds baseplan and its verifier for one platform: an archive and, for Linux, the
// packages of distributions and the image, which is nil otherwise.
func (r *release) command(ctx context.Context, p v1.Platform) (v1.Image, error) {
	programs, err := r.binaries(ctx, p, "baseplan", keyless.Name)
	if err != nil {
		return nil, err
	}
	if p.OS == "windows" {
		for i, f := range programs {
			if f.mode&0o100 != 0 {
				programs[i].name += ".exe"
			}
		}
	}
	license, err := os.ReadFile(filepath.Join(r.Source, "LICENSE"))
	if err != nil {
		return nil, err
	}
	others, err := r.documentation()
	if err != nil {
		return nil, err
	}
	c := commandFiles{programs, others, entry{name: "LICENSE", mode: 0o644, body: license}}
	if err := r.write("baseplan", p, append(append(c.programs, c.license), below("share", c.others)...)); err != nil {
		return nil, err
	}
	if p.OS != "linux" {
		return nil, nil
	}
	i := slices.IndexFunc(programs, func(f entry) bool { return f.name == "baseplan.sbom.cdx.json" })
	if r.described == nil {
		r.described = map[string][]byte{}
	}
	r.described[p.String()] = programs[i].body
	if err := r.packages(p, c); err != nil {
		return nil, err
	}
	return r.commandImage(p, c)
}

// documentation returns the manual pages and completions of baseplan, as they are below /usr/share.
func (r *release) documentation() ([]entry, error) {
	root := cli.Command()
	dirs := []string{"man/", "man/man1/", "bash-completion/", "bash-completion/completions/", "zsh/", "zsh/site-functions/", "fish/", "fish/vendor_completions.d/"}
	var all []entry
	for _, dir := range dirs {
		all = append(all, entry{name: dir, mode: 0o755})
	}
	var failed error
	add := func(name string, write func(*bytes.Buffer) error) {
		var b bytes.Buffer
		failed = cmp.Or(failed, write(&b))
		all = append(all, entry{name: name, mode: 0o644, body: b.Bytes()})
	}
	var pages func(cmd *cobra.Command)
	pages = func(cmd *cobra.Command) {
		cmd.DisableAutoGenTag = true
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		add("man/man1/"+name+".1", func(b *bytes.Buffer) error {
			return doc.GenMan(cmd, &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Date: &r.Created, Source: "baseplan " + r.Version, Manual: "baseplan"}, b)
		})
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				pages(sub)
			}
		}
	}
	pages(root)
	add("bash-completion/completions/baseplan", func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) })
	add("zsh/site-functions/_baseplan", func(b *bytes.Buffer) error { return root.GenZshCompletion(b) })
	add("fish/vendor_completions.d/baseplan.fish", func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) })
	return all, failed
}

// formula returns a Homebrew formula for the archives with these checksums, by platform.
func (r *release) formula(sums map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `class Baseplan < Formula
  desc "What a run image provides to buildpacks, and which extensions it makes unnecessary"
  homepage "https://%s"
  version "%s"
  license "Apache-2.0"
`, module, r.Version)
	for _, system := range []struct{ os, ruby string }{{"darwin", "macos"}, {"linux", "linux"}} {
		fmt.Fprintf(&b, "\n  on_%s do\n", system.ruby)
		for _, arch := range []struct{ arch, ruby string }{{"arm64", "arm"}, {"amd64", "intel"}} {
			name := r.archive("baseplan", v1.Platform{OS: system.os, Architecture: arch.arch})
			fmt.Fprintf(&b, "    on_%s do\n      url \"%s/v%s/%s\"\n      sha256 \"%s\"\n    end\n", arch.ruby, r.URL, r.Version, name, sums[name])
		}
		b.WriteString("  end\n")
	}
	b.WriteString(`
  def install
    bin.install "baseplan", "baseplan-verifier"
    man1.install Dir["share/man/man1/*.1"]
    bash_completion.install "share/bash-completion/completions/baseplan"
    zsh_completion.install "share/zsh/site-functions/_baseplan"
    fish_completion.install "share/fish/vendor_completions.d/baseplan.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/baseplan version")
  end
end
`)
	return b.String()
}

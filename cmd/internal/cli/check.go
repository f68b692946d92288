package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

func (c *Console) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check DOCKERFILE --run-image IMAGE",
		Short: "Show which instructions of a Dockerfile have an effect on an image",
		Long: `Shows which instructions of a generated Dockerfile would change an image. An instruction
that baseplan does not understand counts as a change.

--run-image or --build-image names the image and the kind of the Dockerfile. Exits 0 if
nothing would change, 3 otherwise. Of an index, every platform is checked, or that of
--platform.`,
		Example: "  baseplan check run.Dockerfile --run-image registry.example/run:noble\n  baseplan check Dockerfile --kind build --build-image docker://builder --arg version=3.12",
		Args:    cobra.ExactArgs(1),
	}
	inventoryFlags(cmd)
	run := cmd.Flags().String("run-image", "", "run image; the Dockerfile is a run.Dockerfile")
	build := cmd.Flags().String("build-image", "", "build image; the Dockerfile is a build.Dockerfile")
	kind := cmd.Flags().String("kind", "", "run or build (default: from the image flag)")
	args := cmd.Flags().StringArray("arg", nil, "build arg NAME=VALUE, as in extend-config.toml (repeatable)")
	proof := cmd.Flags().String("proof", "", "strict: only pinned installs count as satisfied")
	cmd.MarkFlagsOneRequired("run-image", "build-image")
	cmd.MarkFlagsMutuallyExclusive("run-image", "build-image")
	completeFlag(cmd, "kind", string(extensions.Run), string(extensions.Build))
	completeFlag(cmd, "proof", string(extensions.Strict))
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		name := *run + *build
		if *kind == "" {
			*kind = string(extensions.Run)
			if *build != "" {
				*kind = string(extensions.Build)
			}
		}
		d, err := c.readDockerfile(files[0], *kind, *args)
		if err != nil {
			return err
		}
		s, policy, err := c.judging(cmd, *proof)
		if err != nil {
			return err
		}
		all, err := onPlatforms(cmd.Context(), s, name, func(ctx context.Context, s *source, img *image.Image) (answerer, error) {
			b, err := s.inventory(ctx, img)
			if err != nil {
				return nil, err
			}
			q := base.Question{Lookup: s.lookup, Policy: policy, Built: c.now(), Log: s.log()}
			return &checked{base.Check(ctx, q, d, b), b, platformOf(img), s.titleOf(img)}, nil
		})
		if err != nil {
			return err
		}
		return c.answerAll(*output, name, all)
	}
	return cmd
}

func (c *Console) readDockerfile(path, kind string, args []string) (*extensions.Dockerfile, error) {
	if kind != string(extensions.Run) && kind != string(extensions.Build) {
		return nil, &hinted{fmt.Errorf("unknown --kind %s", kind), "use run or build"}
	}
	content, err := c.readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading Dockerfile: %w", err)
	}
	var buildArgs []extensions.Arg
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, &hinted{fmt.Errorf("--arg %q is not a build arg", arg), "use the form NAME=VALUE"}
		}
		buildArgs = append(buildArgs, extensions.Arg{Name: name, Value: value})
	}
	return extensions.Parse(filepath.ToSlash(called(path)), content, extensions.ImageKind(kind), buildArgs...)
}

// A checkDocument is the output of `check --output json`.
type checkDocument struct {
	envelope
	Image    string `json:"image"`
	Platform string `json:"platform,omitempty"`
	platform.Verdict
}

// A checked Dockerfile is the verdict for one image.
type checked struct {
	extensions.Verdict
	image    base.Image
	platform string
	title    string // the image's name, and the platform unless a heading has it
}

func (v *checked) on() string { return v.platform }
func (v *checked) good() bool { return !v.Outcome.Left() }

func (v *checked) document() any {
	return checkDocument{envelopeOf("check"), v.image.Reference.String(), v.platform, platform.VerdictOf(v.Verdict)}
}

func (v *checked) text(w io.Writer, width int) {
	fmt.Fprintf(w, "%s on %s: %s\n\n", v.Dockerfile.Path, v.title, v.Outcome)
	t := &table{width: width, head: []string{"LINE", "EFFECT", "INSTRUCTION", "WHY"}}
	for _, i := range v.Instructions {
		t.row(fmt.Sprint(i.Line), yesNo(i.Effect), shorten(i.Text, width/3), i.Reason)
	}
	t.write(w)
	for _, reason := range v.Reasons {
		fmt.Fprintf(w, "\n%s\n", strings.Join(wrap(reason, width), "\n"))
	}
}

// shorten returns the beginning of an instruction.
func shorten(text string, width int) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) <= width || width < 2 {
		return string(r)
	}
	return string(r[:width-1]) + "…"
}

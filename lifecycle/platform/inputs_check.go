package platform

import (
	"errors"
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/sbom/reference"
)

// checks are checks across inputs. The first error is reported.
var checks = []struct {
	in    Phase
	check func(in *Inputs, args []string) error
}{
	{Detect | Restore | Extend | Build, (*Inputs).checkNoImage},
	{Analyze | Export | Create | Rebase, (*Inputs).checkSomeImage},
	{Analyze | Create, (*Inputs).checkOneImage},
	{Analyze | Export | Create | Rebase, (*Inputs).checkReferences},
	{Export | Create | Rebase, (*Inputs).checkTags},
	{Analyze | Restore | Export | Create, (*Inputs).checkLayout},
	{Analyze | Restore | Export | Create, (*Inputs).checkUser},
	{all, (*Inputs).checkExecEnv},
}

// check checks inputs that depend on each other.
func (in *Inputs) check(p Phase, args []string) error {
	if in.Version {
		return nil // -version needs no other input
	}
	for _, c := range checks {
		if !p.intersects(c.in) {
			continue
		}
		if err := c.check(in, args); err != nil {
			return err
		}
	}
	return nil
}

func (in *Inputs) checkNoImage(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected arguments %q: this phase takes only flags", args)
	}
	return nil
}

func (in *Inputs) checkSomeImage(args []string) error {
	if len(args) == 0 {
		return errors.New("no image given; pass the app image's reference as the last argument")
	}
	return nil
}

func (in *Inputs) checkOneImage(args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("too many arguments %q: expected the app image's reference only; pass additional names with -tag before it", args)
	}
	return nil
}

func (in *Inputs) checkReferences([]string) error {
	var first string
	for i, image := range in.Images {
		ref := reference.Recorded(image.String())
		if err := ref.Err(); err != nil {
			return fmt.Errorf("the app image's name %q is not an image reference: %w", image, err)
		}
		registry := ref.Host()
		if i == 0 {
			first = registry
		}
		if registry != first && !in.Daemon && !in.Layout {
			return fmt.Errorf("all names of the app image must be in one registry, but %q is not in %s", image, first)
		}
	}
	return nil
}

// checkTags rejects digests, since the digest of an image to be written is unknown.
func (in *Inputs) checkTags([]string) error {
	for _, image := range in.Images {
		if reference.Recorded(image.String()).Digest != "" {
			return fmt.Errorf("the app image's name %q has a digest; images are written by tag", image)
		}
	}
	return nil
}

func (in *Inputs) checkLayout([]string) error {
	switch {
	case in.Layout && in.Daemon:
		return fmt.Errorf("%s and %s are mutually exclusive", in.setBy["CNB_USE_LAYOUT"], in.setBy["CNB_USE_DAEMON"])
	case in.Layout && in.LayoutDir == "":
		return fmt.Errorf("%s requires -layout-dir (CNB_LAYOUT_DIR)", in.setBy["CNB_USE_LAYOUT"])
	}
	return nil
}

// checkUser requires the user and the group together; privileges are dropped to both.
func (in *Inputs) checkUser([]string) error {
	switch {
	case in.UID >= 0 && in.GID < 0:
		return fmt.Errorf("%s requires a group as well: -gid (CNB_GROUP_ID)", in.setBy["CNB_USER_ID"])
	case in.GID >= 0 && in.UID < 0:
		return fmt.Errorf("%s requires a user as well: -uid (CNB_USER_ID)", in.setBy["CNB_GROUP_ID"])
	}
	return nil
}

func (in *Inputs) checkExecEnv([]string) error {
	if strings.Contains(in.ExecEnv, "/") {
		return fmt.Errorf("CNB_EXEC_ENV=%q: the name of an execution environment cannot contain \"/\"", in.ExecEnv)
	}
	return nil
}

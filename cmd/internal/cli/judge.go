package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/resolver"
)

// judge reads the generated Dockerfiles and gives the verdicts.
func (r *resolution) judge(ctx context.Context) error {
	files, err := r.generated()
	if err != nil {
		return err
	}
	looked := map[string]*base{}
	c := extensions.Case{
		Dockerfiles: files, Resolution: r.detected.Resolution, Run: r.base.stand(),
		Lookup: func(ref string) *extensions.Base {
			b, err := r.source.other().base(ctx, ref)
			if err != nil {
				r.source.console.warn("the run image that an extension switches to cannot be read, so what stands on it cannot be judged: %v", err)
				return nil
			}
			looked[ref] = b
			stand := b.stand()
			return &stand
		},
	}
	if r.build != nil {
		c.Build = r.build.stand()
	}
	r.policy.Rule(&c, r.source.console.now())
	r.judged = extensions.Judge(c)
	if r.judged.Switched {
		r.recheck(looked[r.judged.RunImage])
	}
	return nil
}

// extensions are those of the group, in order.
func (r *resolution) extensions() []resolver.Module {
	group := []resolver.Module{}
	for _, c := range r.detected.Group {
		if c.Module.Kind == resolver.Extension {
			group = append(group, c.Module)
		}
	}
	return group
}

// generated reads what the extensions of the group generated, also what a detector left out of it.
func (r *resolution) generated() ([]*extensions.Dockerfile, error) {
	dir := r.flags.generated
	if dir == "" {
		for _, m := range r.extensions() {
			r.unjudged = append(r.unjudged, m.String())
		}
		return nil, nil
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("reading --generated: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("reading --generated: %s is a file; name the folder that a detector leaves in <layers>", dir)
	}
	dir = filepath.Clean(dir)
	files, err := extensions.Read(unignored{os.DirFS(filepath.Dir(dir))}, filepath.Base(dir), r.extensions())
	if err != nil {
		return nil, err
	}
	if err := readWishes(files, r.flags.extensions); err != nil {
		return nil, err
	}
	for _, m := range r.extensions() {
		if !slices.ContainsFunc(files, func(d *extensions.Dockerfile) bool { return d.Extension == m }) && r.alone(m) {
			r.source.console.warn("%s has no Dockerfile of %s, which alone provides what is required: is it the folder that a detector leaves in <layers>?", dir, m)
			r.unjudged = append(r.unjudged, m.String())
		}
	}
	return files, nil
}

// alone reports whether something is required that nothing but this module provides.
func (r *resolution) alone(m resolver.Module) bool {
	return slices.ContainsFunc(r.detected.Requirements, func(req resolver.Requirement) bool {
		return slices.Equal(req.Providers, []resolver.Module{m}) && !req.Run.Met && !req.Build.Met
	})
}

// unignored is a folder of Dockerfiles as they were before a detector renamed those that need not be applied.
type unignored struct{ fs.FS }

func (u unignored) Open(name string) (fs.File, error) {
	file, err := u.FS.Open(name)
	if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(name, "Dockerfile") {
		return u.FS.Open(name + ".ignore")
	}
	return file, err
}

// recheck asks the final run image again for what only the first one met; nil
// is one that cannot be read, which is known to have nothing.
func (r *resolution) recheck(final *base) {
	if final == nil {
		final = &base{}
	}
	for _, req := range r.detected.Requirements {
		if len(req.Providers) > 0 || !req.Run.Met {
			continue
		}
		a := final.set.Answer(req.Name, req.Version)
		if a.Met {
			continue
		}
		why := "it " + a.Reason
		if final.set == nil {
			why = a.Reason
		}
		r.broken = append(r.broken, fmt.Sprintf("%s requires %s, which %s met, but the run image is now %s: %s",
			req.By, strings.TrimSpace(req.Name+" "+req.Version), r.base.Name, r.judged.RunImage, why))
	}
}

package base

import (
	"slices"
	"strings"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/resolver"
)

// A Need is what an image must have for a Dockerfile to be skipped, as far as a catalog tells: everything in one
// of the lists. It serves to choose the images whose inventories are read; the verdicts are by these.
type Need [][]Required

// A Required is a name with a version constraint.
type Required struct{ Name, Constraint string }

// needs returns what another run image must have: what the build relies on in the current one, and, for each
// run.Dockerfile, either what is required of its extension or the packages that it installs.
func (x *judging) needs() []Need {
	var all []Need
	for _, req := range x.out.Resolution.Requirements {
		if promised(req) {
			all = append(all, Need{{{req.Name, req.Version}}})
		}
	}
	for _, v := range x.out.Verdicts {
		if v.Dockerfile.Image != extensions.Run || v.Outcome == extensions.Superseded || v.Outcome == extensions.Switch {
			continue
		}
		var need Need
		if asked := v.Dockerfile.Asked(x.out.Resolution); len(asked) > 0 && !slices.ContainsFunc(asked, asksMore) {
			var list []Required
			for _, req := range asked {
				list = append(list, Required{req.Name, req.Version})
			}
			need = append(need, list)
		}
		if list := lacking(v.Instructions); len(list) > 0 {
			need = append(need, list)
		}
		if need != nil || !v.Along {
			all = append(all, need)
		}
	}
	return all
}

func asksMore(req resolver.Requirement) bool { return len(req.Asks) > 0 }

// lacking returns the packages whose installation is all that instructions would do; nil: they would do more.
func lacking(all []extensions.Instruction) []Required {
	var list []Required
	for _, i := range all {
		if i.Effect && len(i.Lacks) == 0 {
			return nil
		}
		for _, word := range i.Lacks {
			name := word
			if end := strings.IndexAny(word, "=<>~"); end > 0 {
				name = word[:end]
			}
			list = append(list, Required{Name: name})
		}
	}
	return list
}

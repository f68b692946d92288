package platform

import (
	"fmt"
	"slices"

	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// A System is system.toml: buildpacks to add before and after every group of the order
// (platform.md, "system.toml").
type System struct {
	Pre, Post resolver.Group
}

// DecodeSystem decodes system.toml. The name is used in errors.
func DecodeSystem(data []byte, name string) (*System, error) {
	type list struct {
		Buildpacks []struct {
			ID       string `toml:"id"`
			Version  string `toml:"version"`
			Optional bool   `toml:"optional"`
		} `toml:"buildpacks"`
	}
	var file struct {
		System struct {
			Pre  list `toml:"pre"`
			Post list `toml:"post"`
		} `toml:"system"`
	}
	if err := tomlfile.Decode(data, name, &file); err != nil {
		return nil, err
	}
	group := func(key string, l list) (resolver.Group, error) {
		var g resolver.Group
		for i, b := range l.Buildpacks {
			if b.ID == "" || b.Version == "" {
				return nil, fmt.Errorf("reading %s: key \"system.%s.buildpacks\", element %d: \"id\" and \"version\" are required", name, key, i+1)
			}
			g = append(g, resolver.Element{Module: resolver.Module{Kind: resolver.Buildpack, ID: b.ID, Version: b.Version}, Optional: b.Optional})
		}
		return g, nil
	}
	pre, err := group("pre", file.System.Pre)
	if err != nil {
		return nil, err
	}
	post, err := group("post", file.System.Post)
	if err != nil {
		return nil, err
	}
	return &System{Pre: pre, Post: post}, nil
}

// Merge adds the buildpacks to every group of an order, except those whose ID the group
// already has.
func (s *System) Merge(order resolver.Order) resolver.Order {
	if s == nil {
		return order
	}
	merged := make(resolver.Order, len(order))
	for i, group := range order {
		missing := func(e resolver.Element) bool {
			return !slices.ContainsFunc(group, func(have resolver.Element) bool { return have.Module.ID == e.Module.ID })
		}
		merged[i] = slices.Concat(filter(s.Pre, missing), group, filter(s.Post, missing))
	}
	return merged
}

func filter(g resolver.Group, keep func(resolver.Element) bool) resolver.Group {
	return slices.DeleteFunc(slices.Clone(g), func(e resolver.Element) bool { return !keep(e) })
}

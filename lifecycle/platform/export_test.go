package platform

import "github.com/baseplan/baseplan/resolver"

// For the tests of the package.
var ParseAge = parseAge

func (m ResolvedModule) Module() resolver.Module { return m.module() }

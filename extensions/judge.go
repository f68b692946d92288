package extensions

import (
	"github.com/baseplan/baseplan/provides"
	"github.com/baseplan/baseplan/resolver"
)

// A Base is an image that Dockerfiles stand on.
type Base struct {
	Reference string        // as people spell it; "" is fine for a build image
	Set       *provides.Set // what it holds; nil: no inventory is known
	Config    *Config       // nil: unknown
}

// A Config is what of an image's configuration decides about an effect (OCI
// image specification, "config").
type Config struct {
	User       string
	WorkingDir string
	Env        []string // NAME=value
	Labels     map[string]string
	Shell      []string // empty: /bin/sh -c
}

// A Case is all that decides about the Dockerfiles of a group.
type Case struct {
	Dockerfiles []*Dockerfile        // in the order of the group's extensions
	Resolution  *resolver.Resolution // nil: nothing can be proved by plan
	Run, Build  Base

	// Lookup finds the image that a run.Dockerfile switches to; nil, or a nil
	// result, means that nothing is known of it.
	Lookup func(reference string) *Base

	Proof Proof

	// Off leaves nothing out: the outcomes are only Switch, Superseded and Apply
	// (CNB_RUN_SBOM=off).
	Off bool
}

// Judge gives a verdict on every Dockerfile: the first outcome, in the order in
// which the constants stand, that holds.
func Judge(c Case) Result {
	return Result{RunImage: c.Run.Reference}
}

// Check judges one Dockerfile by effect alone: a build.Dockerfile or run.Dockerfile that stands on base.
func Check(d *Dockerfile, base Base, lookup func(reference string) *Base, proof Proof) Verdict {
	return Verdict{Dockerfile: d}
}

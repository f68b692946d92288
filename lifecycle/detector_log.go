package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/baseplan/baseplan/lifecycle/buildpack"
	"github.com/baseplan/baseplan/resolver"
)

// A replay records debug messages and logs them at info level if detection fails
// (docs/compatibility.md).
type replay struct {
	log *slog.Logger
	to  *slog.Logger // gets the replay

	mu    sync.Mutex
	lines []string
}

func (r *replay) Debug(text string) {
	r.mu.Lock()
	r.lines = append(r.lines, text)
	r.mu.Unlock()
	r.log.Debug(text)
}

func (r *replay) Info(text string) { r.log.Info(text) }
func (r *replay) Warn(text string) { r.log.Warn(text) }

func (r *replay) replay() {
	if r.log.Enabled(context.Background(), slog.LevelDebug) {
		return // already logged
	}
	for _, line := range r.lines {
		r.to.Info(line)
	}
	r.lines = nil
}

// output logs the output of a module's bin/detect.
func (r *detecting) output(m resolver.Module, result buildpack.Detected) {
	text := strings.TrimRight(string(result.Output), "\n")
	if result.Err != nil {
		text = strings.TrimLeft(text+"\n"+result.Err.Error(), "\n")
	}
	if text == "" {
		return
	}
	head := "======== Output: "
	if result.Exit != 0 && result.Exit != 100 {
		head = "======== Error: "
	}
	r.log.Debug(head + m.String() + " ========\n" + text)
}

// tries logs the groups that were tried, with their results.
func (r *detecting) tries(all []resolver.Try, tried int) {
	for i, t := range all {
		if i == len(all)-1 && tried > len(all) {
			r.log.Debug(fmt.Sprintf("(%d more groups)", tried-len(all)))
		}
		r.log.Debug("======== Results ========")
		for k, e := range t.Group {
			r.log.Debug(r.result(e, t.Outcomes[k]))
		}
		r.log.Debug(fmt.Sprintf("Resolving plan... (try #%d)", i+1))
		if t.Err == nil {
			continue
		}
		unresolved, ok := errors.AsType[*resolver.UnresolvedError](t.Err)
		if !ok {
			r.log.Debug("fail: " + t.Err.Error())
			continue
		}
		for _, why := range unresolved.Reasons {
			r.log.Debug(fmt.Sprintf("fail: %s %s", why.Module, why.Why))
		}
		if unresolved.GaveUp {
			r.log.Debug(fmt.Sprintf("fail: gave up after %d trials", unresolved.Trials))
		}
	}
}

func (r *detecting) result(e resolver.Element, status resolver.Status) string {
	switch {
	case status == resolver.Pass:
		return "pass: " + e.Module.String()
	case status == resolver.Fail && (e.Optional || e.Module.Kind == resolver.Extension):
		return "skip: " + e.Module.String()
	case status == resolver.Fail:
		return "fail: " + e.Module.String()
	}
	if r.mismatch(e.Module) && !e.Optional {
		return fmt.Sprintf("err:  %s: it does not support the run image", e.Module)
	}
	return fmt.Sprintf("err:  %s (%d)", e.Module, r.results[e.Module].Exit)
}

// report logs the selected group.
func (r *detecting) report(found *resolver.Selected) {
	r.tries(found.Tries, found.Tried)
	for _, d := range found.Dropped {
		r.log.Debug(fmt.Sprintf("skip: %s %s", d.Module, d.Why))
	}
	last := found.Tries[len(found.Tries)-1].Group
	for _, kind := range []resolver.Kind{resolver.Extension, resolver.Buildpack} {
		var of int
		for _, e := range last {
			if e.Module.Kind == kind {
				of++
			}
		}
		var chosen []resolver.Module
		width := 0
		for _, c := range found.Group {
			if c.Module.Kind == kind {
				chosen = append(chosen, c.Module)
				width = max(width, len(c.Module.ID))
			}
		}
		if of == 0 {
			continue
		}
		r.log.Info(fmt.Sprintf("%d of %d %ss participating", len(chosen), of, kind))
		for _, m := range chosen {
			r.log.Info(fmt.Sprintf("%-*s %s", width, m.ID, m.Version))
		}
	}
}

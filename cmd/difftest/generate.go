//go:build linux

package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

var (
	platformAPIs  = []string{"0.7", "0.8", "0.9", "0.10", "0.11", "0.12", "0.13", "0.14", "0.15"}
	buildpackAPIs = []string{"0.7", "0.8", "0.9", "0.10", "0.11", "0.12"}
	variables     = []string{"PATH", "LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PKG_CONFIG_PATH", "FOO", "BAR", "BAZ", "SOME_VAR", "USERVAR", "HOME", "CNB_STACK_ID"}
	suffixes      = []string{"", "", ".append", ".append", ".prepend", ".prepend", ".default", ".override", ".delim", ".delim", ".weird"}
	values        = []string{"one", "two", "x y", "/some/dir", "val\n", "", "$FOO", ":", ",", " ", "a:b"}
	dependencies  = []string{"alpha", "beta", "gamma", "delta"}
	formats       = map[string]string{"cdx.json": "application/vnd.cyclonedx+json", "spdx.json": "application/spdx+json", "syft.json": "application/vnd.syft+json"}
)

type table = map[string]any

// A random generates random values.
type random struct{ *rand.Rand }

// Random returns the case for a seed. It is deterministic.
func Random(seed uint64) *Case {
	r := random{rand.New(rand.NewPCG(seed, 0))}
	c := &Case{
		Seed: seed, PlatformAPI: pick(r, platformAPIs...), Tags: r.chance(20), RunTOML: r.chance(67), Force: r.chance(50),
		CacheImage: r.chance(15), Creator: r.chance(20),
		LaunchEnv: pick(r, nil, map[string]string{"FOO": "runfoo"}, map[string]string{"PATH": "/cnb/process:/cnb/lifecycle:/usr/bin:/bin", "USERVAR": "rt"}),
		Project:   pick(r, nil, table{}, table{"source": table{"type": "git", "version": table{"commit": "abc"}}}),
	}
	for i := range 1 + r.IntN(4) {
		c.Buildpacks = append(c.Buildpacks, r.buildpack(i))
	}
	if r.chance(35) {
		c.Composites = append(c.Composites, composite("acme/meta", r.group(c.Buildpacks)))
	}
	for range 1 + r.IntN(3) {
		group := r.group(c.Buildpacks)
		if len(c.Composites) > 0 && r.chance(50) {
			group = append([]any{table{"id": "acme/meta", "version": "9.9.9"}}, group...)
		}
		c.Order = append(c.Order, table{"group": group})
	}
	if !c.Before(15) && r.chance(40) {
		c.System = table{"system": table{pick(r, "pre", "post"): table{"buildpacks": r.group(c.Buildpacks)[:1]}}}
	}
	c.PlatformEnv = map[string]string{}
	for _, name := range r.some(r.IntN(5), "USERVAR", "FOO", "PATH", "LD_LIBRARY_PATH", "HOME", "CPATH", "BP_X", "CNB_STACK_ID", "CNB_TARGET_OS") {
		c.PlatformEnv[name] = pick(r, "user", "u v", "", "nl\n")
	}
	c.Env = r.phaseEnv(c)
	if !c.Before(11) {
		c.BuildConfig = r.envFiles(r.IntN(5))
	}
	if r.chance(25) {
		process := pick(r, "web", "web", "worker", "none")
		c.ProcessType = &process
	}
	return c
}

func (r random) chance(percent int) bool { return r.IntN(100) < percent }

func pick[T any](r random, from ...T) T { return from[r.IntN(len(from))] }

// some returns n of the values in random order, or all of them.
func (r random) some(n int, from ...string) []string {
	all := slices.Clone(from)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}

func (r random) phaseEnv(c *Case) map[string]string {
	env := map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "JUNK": "no", "CNB_USER_ID": "1000", "CNB_GROUP_ID": "1000"}
	for _, v := range []struct {
		percent, since int
		name, value    string
	}{
		{50, 0, "CNB_STACK_ID", "io.buildpacks.stacks.jammy"}, {30, 0, "LD_LIBRARY_PATH", "/base/lib"}, {20, 0, "http_proxy", ""},
		{20, 0, "FOO", "lifecyclefoo"}, {40, 15, "CNB_EXEC_ENV", pick(r, "test", "production", "development")}, {30, 9, "SOURCE_DATE_EPOCH", "1600000000"},
	} {
		if r.chance(v.percent) && !c.Before(v.since) {
			env[v.name] = v.value
		}
	}
	return env
}

func (r random) envFiles(n int) map[string]string {
	files := map[string]string{}
	for range n {
		files[pick(r, variables...)+pick(r, suffixes...)] = pick(r, values...)
	}
	return files
}

// group returns some of the buildpacks as a group of an order.
func (r random) group(from []Buildpack) []any {
	var ids []string
	for i := range from {
		ids = append(ids, strconv.Itoa(i))
	}
	var out []any
	for _, id := range r.some(1+r.IntN(len(ids)), ids...) {
		i, _ := strconv.Atoi(id)
		entry := table{"id": from[i].ID, "version": from[i].Version}
		if r.chance(30) {
			entry["optional"] = true
		}
		out = append(out, entry)
	}
	return out
}

func composite(id string, group []any) Composite {
	buildpack := table{"id": id, "version": "9.9.9", "homepage": "https://meta.example"}
	return Composite{ID: id, Version: "9.9.9", TOML: table{"api": "0.10", "buildpack": buildpack, "order": []any{table{"group": group}}}}
}

func (r random) buildpack(i int) Buildpack {
	api := pick(r, buildpackAPIs...)
	minor := minorOf(api)
	bp := Buildpack{ID: fmt.Sprintf(pick(r, "acme/bp-%d", "bp%d", "io.acme.bp%d"), i), Version: pick(r, "1.2.3", "0.0.1", "2.0.0"), PlanArgs: "arg"}
	about := table{"id": bp.ID, "version": bp.Version, "name": fmt.Sprintf("Bp %d", i)}
	bp.TOML = table{"api": api, "buildpack": about}
	for _, ext := range r.some(r.IntN(4), slices.Sorted(maps.Keys(formats))...) {
		bp.Formats = append(bp.Formats, formats[ext])
	}
	if len(bp.Formats) > 0 {
		about["sbom-formats"] = bp.Formats
	}
	if r.chance(30) {
		about["clear-env"] = true
	}
	if minor >= 12 && r.chance(40) {
		about["exec-env"] = pick(r, []string{"production"}, []string{"test"}, []string{"*"}, []string{"development", "production"})
	}
	if minor >= 8 && r.chance(50) {
		bp.PlanArgs = "env"
	}
	if minor < 10 || r.chance(20) {
		bp.TOML["stacks"] = []any{table{"id": pick(r, "*", "*", "io.buildpacks.stacks.jammy")}}
	} else if r.chance(60) {
		bp.TOML["targets"] = []any{table{"os": "linux", "arch": pick(r, "", "", "amd64"), "distros": pick(r, nil, []any{}, []any{table{"name": "ubuntu", "version": "24.04"}})}}
		dropEmpty(bp.TOML["targets"].([]any)[0].(table))
	}
	bp.Detect.Code = pick(r, append(slices.Repeat([]int{0}, 50), 100, 100, 1, 7)...)
	if r.chance(40) {
		bp.Plan = r.plan()
		if r.chance(35) {
			bp.Plan["or"] = []any{r.plan()}
		}
	}
	r.build(&bp, i, minor)
	return bp
}

func dropEmpty(t table) {
	maps.DeleteFunc(t, func(_ string, v any) bool {
		list, isList := v.([]any)
		return v == "" || isList && len(list) == 0
	})
}

func (r random) plan() table {
	plan := table{}
	if r.chance(60) {
		plan["provides"] = []any{table{"name": pick(r, dependencies...)}}
	}
	if r.chance(40) {
		require := table{"name": pick(r, dependencies...)}
		if r.chance(60) {
			require["metadata"] = pick(r, table{"build": true}, table{"version": "1.2"}, table{"a": table{"b": []int{1, 2}}, "f": 1.5})
		}
		plan["requires"] = []any{require}
	}
	return plan
}

func (r random) build(bp *Buildpack, i, minor int) {
	b := &bp.Build
	b.Layers, b.SBOM, b.Launch = map[string]Layer{}, map[string]string{}, table{}
	for _, name := range r.some(r.IntN(4), "aa", "b-layer", "c.layer", "zz") {
		b.Layers[name] = r.layer(bp, name)
	}
	for _, which := range []string{"launch", "build"} {
		for ext := range r.sboms(bp) {
			b.SBOM[which+".sbom."+ext] = fmt.Sprintf(`{"bomFormat": "x", "w": %q, "bp": %d}`, which, i)
		}
	}
	if r.chance(60) {
		b.Launch["processes"] = r.processes(minor)
	}
	if r.chance(40) {
		b.Launch["labels"] = []any{table{"key": pick(r, "l.one", "l.two", "io.buildpacks.custom"), "value": pick(r, "1", "two words", `q"uote`)}}
	}
	if r.chance(35) {
		b.Launch["slices"] = []any{table{"paths": r.some(1+r.IntN(2), "*.txt", "sub/*", "sub", "sub/deep/**", "nothing*", "link*", "sub/deep/f.go", "./data", "data/*.txt", "*")}}
	}
	if r.chance(40) {
		b.Store = table{"metadata": table{"s": "v", "n": table{"z": 1}}}
	}
	if provides, _ := bp.Plan["provides"].([]any); len(provides) > 0 && r.chance(40) {
		b.Build = table{"unmet": provides[:1]}
	}
	if r.chance(1) {
		b.Code = 3
	}
}

// sboms returns SBOMs in some of the buildpack's formats, by extension.
func (r random) sboms(bp *Buildpack) map[string]string {
	out := map[string]string{}
	for _, ext := range slices.Sorted(maps.Keys(formats)) {
		if slices.Contains(bp.Formats, formats[ext]) && r.chance(40) {
			out[ext] = fmt.Sprintf(`{"bomFormat": "x", "bp": %q}`, bp.ID)
		}
	}
	return out
}

func (r random) layer(bp *Buildpack, name string) Layer {
	l := Layer{
		Types: table{}, Files: map[string]string{}, SBOM: r.sboms(bp), NoTypes: r.chance(5), NoTOML: r.chance(4), NoDir: r.chance(4),
		Meta: pick(r, nil, table{"k": "v"}, table{"n": table{"x": []int{1, 2}}, "s": "t"}), Again: pick(r, "replace", "types", "types", "delete", "leave", "meta"),
	}
	for _, kind := range []string{"build", "cache", "launch"} {
		if r.chance(55) {
			l.Types[kind] = true
		}
	}
	variable := strings.NewReplacer("-", "_", ".", "_").Replace(name)
	for _, f := range []struct {
		percent       int
		path, content string
	}{
		{50, "bin/tool-" + name, "#!/bin/sh\necho tool\n"}, {40, "lib/x.so", name}, {30, "include/x.h", name}, {30, "pkgconfig/x.pc", name},
		{30, "profile.d/a.sh", fmt.Sprintf("export PROF_%s=\"$FOO-%s\"\n", variable, name)}, {20, "profile.d/web/p.sh", "export PROFWEB=1\n"},
		{25, "exec.d/e", fmt.Sprintf("#!/bin/sh\nprintf 'EXECD_%s=\"%%s\"\\nBAR=\"execd-%s\"\\n' \"$FOO\" >&3\n", variable, name)},
		{15, "exec.d/web/e", "#!/bin/sh\necho 'EXWEB = \"1\"' >&3\n"},
	} {
		if r.chance(f.percent) {
			l.Files[f.path] = f.content
		}
	}
	for _, dir := range []string{"env", "env.build", "env.launch", "env.launch/web", "env.launch/worker"} {
		if r.chance(50) {
			for file, value := range r.envFiles(1 + r.IntN(4)) {
				l.Files[dir+"/"+file] = value
			}
		}
	}
	return l
}

func (r random) processes(minor int) []any {
	var out []any
	for n, kind := range r.some(1+r.IntN(3), "web", "worker", "task-1", "a.b_c") {
		p := table{"type": kind}
		if minor >= 9 {
			p["command"] = pick(r, []string{"bash", "show"}, []string{"bash", "show", "x y"}, []string{"/bin/sh", "-c", `echo "$0 $1 $FOO"; pwd`, "a"})
			if r.chance(60) {
				p["args"] = pick(r, []string{"arg1"}, []string{"$FOO", "b c"}, []string{})
			}
		} else if p["command"] = pick(r, `bash show "$FOO" z`, "echo hi $FOO; pwd"); r.chance(50) {
			p["command"], p["args"], p["direct"] = "bash", []string{"show", pick(r, "q", "$FOO", "a b")}, r.chance(70)
		}
		if r.chance(25) {
			p["working-dir"] = pick(r, "/tmp", "sub", "/")
		}
		if minor >= 12 && r.chance(40) {
			p["exec-env"] = pick(r, []string{"production"}, []string{"test"}, []string{"*"})
		}
		if n == 0 && r.chance(50) {
			p["default"] = true
		}
		out = append(out, p)
	}
	return out
}

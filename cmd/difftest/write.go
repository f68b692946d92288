//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/baseplan/baseplan/sbom/tomlfile"
)

// detectScript records its inputs and appends the build plan.
const detectScript = `#!/bin/bash
W=%q; N=%q
{ echo "nargs $#"; for a in "$@"; do echo "arg ${a##*/}" | sed "s/[0-9.-]*$//; s/^baseplan$/plan/"; done; env | LC_ALL=C sort | grep -v -E '^(_|SHLVL|PWD|OLDPWD|CNB_BUILD_PLAN_PATH|CNB_RUN_IMAGE_PROVIDES|CNB_RUN_IMAGE_SBOM)='; pwd; } > $W/dump/$N.detect.env
[ -n "$CNB_BUILD_PLAN_PATH" ] && echo has-plan-env >> $W/dump/$N.detect.env
P="$2"; %s
cat >> "$P" <<'PLAN_EOF'
%s
PLAN_EOF
exit %d
`

// buildScript is the start of the script that records its inputs and creates the layers.
const buildScript = `#!/bin/bash
W=%q; N=%q; NO=$(cat $W/buildno)
L="$1"; PL="$3"
%s
{ echo "nargs $#"; for a in "$@"; do echo "arg ${a##*/}"; done; env | LC_ALL=C sort | grep -v -E '^(_|SHLVL|PWD|OLDPWD|CNB_BP_PLAN_PATH)=' | sed "s#^CNB_LAYERS_DIR=.*/#CNB_LAYERS_DIR=#"; pwd; } > $W/dump/$N.build.env
sed "s/^  *//" "$PL" | grep -v '^$' > $W/dump/$N.build.plan
(cd "$L" && LC_ALL=C find . | LC_ALL=C sort | while read f; do case "$f" in *.toml) echo "$f: $(tr -d ' \n' < "$f")";; *) echo "$f";; esac; done) > $W/dump/$N.build.restored
`

// showScript is the app: it prints its arguments, its working directory and its environment.
const showScript = `#!/bin/bash
echo "SHOW argv0=$0 n=$#"; for x in "$@"; do echo "[$x]"; done; pwd; env | LC_ALL=C sort | grep -v -E '^(_|SHLVL|PWD|OLDPWD)='
`

// A writer writes files below a folder and keeps the first error.
type writer struct {
	root string
	err  error
}

func (w *writer) write(path, content string, mode fs.FileMode) {
	if w.err != nil {
		return
	}
	path = filepath.Join(w.root, path)
	if w.err = os.MkdirAll(filepath.Dir(path), 0o755); w.err == nil {
		w.err = os.WriteFile(path, []byte(content), mode)
	}
}

func (w *writer) file(path, content string) { w.write(path, content, 0o644) }

func (w *writer) dir(path string) {
	if w.err == nil {
		w.err = os.MkdirAll(filepath.Join(w.root, path), 0o755)
	}
}

func (w *writer) link(target, path string) {
	if w.err == nil {
		w.err = os.Symlink(target, filepath.Join(w.root, path))
	}
}

func (w *writer) toml(path string, value any) { w.file(path, w.encode(value)) }

func (w *writer) encode(value any) string {
	data, err := tomlfile.Encode(value, "an input")
	if err != nil && w.err == nil {
		w.err = err
	}
	return string(data)
}

// write writes the files of the case below root.
func (c *Case) write(root string) error {
	w := &writer{root: root}
	for _, dir := range []string{"app", "layers", "platform/env", "buildpacks", "build-config/env", "cache", "dump"} {
		w.dir(dir)
	}
	w.app()
	for i := range c.Buildpacks {
		w.buildpack(&c.Buildpacks[i])
	}
	for _, bp := range c.Composites {
		w.toml("buildpacks/"+folder(bp.ID)+"/"+bp.Version+"/buildpack.toml", bp.TOML)
	}
	w.toml("order.toml", map[string]any{"order": c.Order})
	if c.System != nil {
		w.toml("system.toml", c.System)
	}
	for name, value := range c.PlatformEnv {
		w.file("platform/env/"+name, value)
	}
	for name, value := range c.BuildConfig {
		w.file("build-config/env/"+name, value)
	}
	return w.err
}

func folder(id string) string { return strings.ReplaceAll(id, "/", "_") }

func (w *writer) app() {
	w.write("app/show", showScript, 0o755)
	for path, content := range map[string]string{
		"a.txt": "a", "b.txt": "bb", "sub/s.txt": "s", "sub/deep/f.go": "go", "sub/deep/er/x": "x", "data/d.txt": "d",
		"Procfile": "p", ".profile": "export APPPROF=\"$FOO+app\"\n",
	} {
		w.file("app/"+path, content)
	}
	w.write("app/data/e.bin", "e", 0o600)
	w.dir("app/emptydir")
	w.link("a.txt", "app/link1")
	w.link("sub", "app/linkdir")
	w.link("nowhere", "app/linkdangling")
}

func (w *writer) buildpack(bp *Buildpack) {
	root := "buildpacks/" + folder(bp.ID) + "/" + bp.Version
	w.toml(root+"/buildpack.toml", bp.TOML)
	planPath, paths := ":", ""
	if bp.PlanArgs == "env" {
		planPath, paths = `P="$CNB_BUILD_PLAN_PATH"`, `L="$CNB_LAYERS_DIR"; PL="$CNB_BP_PLAN_PATH"`
	}
	w.write(root+"/bin/detect", fmt.Sprintf(detectScript, w.root, folder(bp.ID), planPath, w.encode(bp.Plan), bp.Detect.Code), 0o755)

	var script strings.Builder
	fmt.Fprintf(&script, buildScript, w.root, folder(bp.ID), paths)
	data := root + "/data"
	for _, name := range slices.Sorted(maps.Keys(bp.Build.Layers)) {
		l := bp.Build.Layers[name]
		w.layer(data, name, l)
		script.WriteString(l.script(w.root+"/"+data, name))
	}
	for _, file := range slices.Sorted(maps.Keys(bp.Build.SBOM)) {
		w.file(data+"/"+file, bp.Build.SBOM[file])
		fmt.Fprintf(&script, "cp %s/%s/%s \"$L/\"\n", w.root, data, file)
	}
	for name, table := range map[string]map[string]any{"launch": bp.Build.Launch, "build": bp.Build.Build, "store": bp.Build.Store} {
		if len(table) > 0 {
			w.toml(data+"/"+name+".toml.src", table)
			fmt.Fprintf(&script, "cp %s/%s/%s.toml.src \"$L/%s.toml\"\n", w.root, data, name, name)
		}
	}
	fmt.Fprintf(&script, "exit %d\n", bp.Build.Code)
	w.write(root+"/bin/build", script.String(), 0o755)
}

// layer writes the layer's content for the first and the second build.
func (w *writer) layer(data, name string, l Layer) {
	for no := range 2 {
		at := fmt.Sprintf("%s/%s.%d", data, name, no+1)
		w.dir(at)
		for path, content := range l.Files {
			mode := fs.FileMode(0o644)
			if strings.HasPrefix(path, "bin/") || strings.HasPrefix(path, "exec.d/") {
				mode = 0o755
			}
			if strings.HasPrefix(path, "lib/") {
				content += strconv.Itoa(no + 1)
			}
			w.write(at+"/"+path, content, mode)
		}
		table := map[string]any{}
		if !l.NoTypes {
			table["types"] = l.Types
		}
		if len(l.Meta) > 0 {
			meta := maps.Clone(l.Meta)
			meta["no"] = no + 1
			table["metadata"] = meta
		}
		w.toml(at+".toml", table)
	}
	for ext, content := range l.SBOM {
		w.file(data+"/"+name+".sbom."+ext, content)
	}
}

// script returns the part of the build script for the layer.
func (l Layer) script(data, name string) string {
	create := ""
	if !l.NoDir {
		create = fmt.Sprintf(`cp -a %s/%s.$NO "$L/%[2]s"; `, data, name)
	}
	if !l.NoTOML {
		create += fmt.Sprintf(`cp %s/%s.$NO.toml "$L/%[2]s.toml"; `, data, name)
	}
	for _, ext := range slices.Sorted(maps.Keys(l.SBOM)) {
		create += fmt.Sprintf(`cp %s/%s.sbom.%s "$L/"; `, data, name, ext)
	}
	again := map[string]string{
		"replace": fmt.Sprintf(`rm -rf "$L/%[2]s"; cp -a %[1]s/%[2]s.$NO "$L/%[2]s"; cp %[1]s/%[2]s.$NO.toml "$L/%[2]s.toml"`, data, name),
		"types":   fmt.Sprintf(`cp %[1]s/%[2]s.1.toml "$L/%[2]s.toml"`, data, name),
		"meta":    fmt.Sprintf(`cp %[1]s/%[2]s.2.toml "$L/%[2]s.toml"`, data, name),
		"delete":  fmt.Sprintf(`rm -rf "$L/%[1]s.toml" "$L/%[1]s"`, name),
		"leave":   ":",
	}[l.Again]
	return fmt.Sprintf("if [ -e \"$L/%s.toml\" ]; then %s\nelse %s :\nfi\n", name, again, create)
}

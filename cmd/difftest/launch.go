//go:build linux

package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A form is a way to start a container of the image.
type form struct {
	name string
	args []string
}

const launcherPath = "/cnb/lifecycle/launcher"

// forms are run with every image, after each of its process types without and with arguments.
var forms = []form{
	{"none", nil},
	{"web", []string{"web"}},
	{"web arg", []string{"web", "k"}},
	{"cmd", []string{"bash", "show", "k l", "$FOO"}},
	{"script", []string{`echo "$FOO|$BAR|$0|$1|$PATH"; pwd; bash show "$FOO"`}},
	{"words", []string{"echo", "$FOO", "$(echo sub)", "a  b", "*", "q'uo'te", "back\\slash", "`echo x`", ""}},
	{"script args", []string{"echo a; echo", "m n", "$FOO"}},
	{"direct", []string{"--", "bash", "show", "$FOO"}},
	{"direct none", []string{"--"}},
	{"missing", []string{"--", "no-such-cmd"}},
}

// observeImage adds the image and the output of its processes to o.
func (b *build) observeImage(o map[string]any) error {
	img, err := b.fetch()
	if err != nil {
		return err
	}
	described, err := img.describe()
	if err != nil {
		return err
	}
	o["image"] = described
	root := b.Work + ".x"
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if o["files"], err = img.extract(root); err != nil {
		return err
	}
	if err := chownTree(root); err != nil {
		return err
	}
	o["launch"], err = b.launches(img.env(), root)
	return err
}

func (b *build) launches(env map[string]string, root string) (map[string]any, error) {
	env["CNB_LAYERS_DIR"] = root + env["CNB_LAYERS_DIR"]
	env["CNB_APP_DIR"] = root + env["CNB_APP_DIR"]
	env["HOME"] = "/tmp"
	maps.Copy(env, b.c.LaunchEnv)
	if value, ok := b.c.Env["CNB_EXEC_ENV"]; ok {
		env["CNB_EXEC_ENV"] = value
	}
	var all []form
	for _, process := range processTypes(filepath.Join(b.Work, "layers/config/metadata.toml")) {
		path := "/cnb/process/" + process
		all = append(all, form{"proc " + process + " ", []string{path}}, form{"proc " + process + " u1 u 2", []string{path, "u1", "u 2"}})
	}
	for _, f := range forms {
		all = append(all, form{f.name, append([]string{launcherPath}, f.args...)})
	}
	all = append(all, form{"nosuch", []string{"/cnb/process/nosuch"}})

	out := map[string]any{}
	for _, f := range all {
		if err := b.launch(out, f, env); err != nil {
			return nil, err
		}
	}
	with := maps.Clone(env)
	with["CNB_PROCESS_TYPE"] = "worker"
	return out, b.launch(out, form{"CNB_PROCESS_TYPE=worker", []string{launcherPath}}, with)
}

func (b *build) launch(out map[string]any, f form, env map[string]string) error {
	res, err := b.command(cnbUser, b.side.Launcher, f.args, list(env), "/tmp")
	if err != nil {
		return err
	}
	out[f.name] = map[string]any{"rc": number(res.code), "out": split(res.out)}
	return nil
}

// processTypes returns the process types in metadata.toml, sorted.
func processTypes(path string) []string {
	table, _ := readTOML(path).(map[string]any)
	processes, _ := table["processes"].([]any)
	var types []string
	for _, p := range processes {
		if name, ok := p.(map[string]any)["type"].(string); ok && !slices.Contains(types, name) {
			types = append(types, name)
		}
	}
	slices.Sort(types)
	return types
}

// split returns the lines of a text.
func split(text string) []any {
	out := []any{}
	if text == "" {
		return out
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		out = append(out, line)
	}
	return out
}

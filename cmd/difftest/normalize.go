//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"strings"
)

// encode encodes JSON with sorted keys and without HTML escapes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

var (
	targetName    = regexp.MustCompile(`"CNB_TARGET_DISTRO_NAME=([^"]*)"`)
	targetVersion = regexp.MustCompile(`"CNB_TARGET_DISTRO_VERSION=([^"]*)"`)
)

// normalize replaces what differs between machines: the names of registry, image, work directory
// and home directory.
func (r *Runner) normalize(result map[string]any, side *Side) (map[string]any, error) {
	data, err := encode(result)
	if err != nil {
		return nil, err
	}
	text := string(data)
	repo := r.Prefix + "/" + side.Name
	pairs := []string{repo + ":", "IMG:", repo + "@", "IMG@"}
	for _, run := range []struct{ ref, name string }{{r.Run2, "RUN2"}, {r.Run1, "RUN1"}} {
		repo, _, _ := strings.Cut(strings.TrimPrefix(run.ref, r.Prefix), ":")
		pairs = append(pairs, run.ref, run.name, r.Prefix+repo+"@", run.name+"@")
	}
	pairs = append(pairs, r.Work, "WORK")
	text = strings.NewReplacer(pairs...).Replace(text)
	if u, err := user.LookupId(strconv.Itoa(cnbUser)); err == nil && len(u.HomeDir) > 1 {
		text = strings.ReplaceAll(text, u.HomeDir, "USERHOME")
	}
	return replaceHostDistro([]byte(text))
}

// replaceHostDistro replaces the distribution of this machine: before Platform API 0.12 a phase passes
// that of its own container to buildpacks.
func replaceHostDistro(data []byte) (map[string]any, error) {
	own := map[string]string{}
	release, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(release)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		own[name] = strings.Trim(value, `"`)
	}
	replace := func(pattern *regexp.Regexp, value string) {
		data = pattern.ReplaceAllFunc(data, func(found []byte) []byte {
			if name, _, _ := bytes.Cut(found, []byte("=")); string(found) == string(name)+"="+value+`"` {
				return []byte(string(name) + `=OWN"`)
			}
			return found
		})
	}
	replace(targetName, own["ID"])
	replace(targetVersion, own["VERSION_ID"])
	v, err := readJSON(data)
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

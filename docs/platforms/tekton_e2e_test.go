//go:build e2e

package platforms_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

// A taskRun runs the steps of a Task one after the other, as Tekton does in a pod: images, users, volumes,
// environment and references are the Task's.
type taskRun struct {
	*site
	task    task
	values  map[string]string // of references
	volumes map[string]string // the daemon's, by where they are mounted
	named   map[string]string // the daemon's, by the Task's names
}

func (s *site) taskRun(t *testing.T, file string, params map[string]string) *taskRun {
	t.Helper()
	r := &taskRun{site: s, values: map[string]string{}, named: map[string]string{}}
	decode(t, file, &r.task)
	for _, p := range r.task.Spec.Params {
		value, given := params[p.Name]
		switch {
		case given:
			r.values["params."+p.Name] = value
		case p.Default != nil:
			r.values["params."+p.Name] = *p.Default
		default:
			t.Fatalf("%s needs the parameter %s", file, p.Name)
		}
	}
	results := s.Volume(nil)
	s.Shell(results, "chmod 777 .")
	r.volumes = map[string]string{
		"/tekton/results": results, "/tekton/scripts": s.Volume(nil), "/workspace/source": s.Volume(source()),
		"/workspace/dockerconfig": s.Volume(platformtest.Files{"config.json": s.config()}), "/cache": s.Volume(nil),
	}
	for _, w := range r.task.Spec.Workspaces {
		at := w.MountPath
		if at == "" {
			at = "/workspace/" + w.Name
		}
		if r.volumes[at] == "" {
			t.Fatalf("nothing is bound to the workspace %s", w.Name)
		}
		r.values["workspaces."+w.Name+".path"] = at
	}
	for _, result := range r.task.Spec.Results {
		r.values["results."+result.Name+".path"] = "/tekton/results/" + result.Name
	}
	for _, v := range r.task.Spec.Volumes {
		r.named[v.Name] = s.Volume(nil)
	}
	return r
}

// run runs all steps until one fails, whose name it returns.
func (r *taskRun) run(t *testing.T) (log, failed string) {
	t.Helper()
	for i, s := range r.task.Spec.Steps {
		out, code := r.step(t, i, s)
		log += out
		if code != 0 {
			return log, s.Name
		}
	}
	return log, ""
}

func (r *taskRun) step(t *testing.T, i int, s step) (string, int) {
	t.Helper()
	args := []string{"run", "--rm", "--network", "host"}
	for at, volume := range r.volumes {
		args = append(args, "-v", volume+":"+at)
	}
	for _, m := range slices.Concat(r.task.Spec.StepTemplate.VolumeMounts, s.VolumeMounts) {
		args = append(args, "-v", r.named[m.Name]+":"+m.MountPath)
	}
	for _, e := range slices.Concat(r.task.Spec.StepTemplate.Env, s.Env) {
		args = append(args, "-e", e.Name+"="+replaced(e.Value, r.values))
	}
	uid, gid := s.SecurityContext.RunAsUser, s.SecurityContext.RunAsGroup
	if uid == nil {
		uid = r.task.Spec.StepTemplate.SecurityContext.RunAsUser
	}
	if gid == nil {
		gid = r.task.Spec.StepTemplate.SecurityContext.RunAsGroup
	}
	if uid != nil {
		as := fmt.Sprint(*uid)
		if gid != nil {
			as += fmt.Sprintf(":%d", *gid)
		}
		args = append(args, "--user", as)
	}
	dir := "/workspace"
	if s.WorkingDir != "" {
		dir = s.WorkingDir
	}
	command := s.Command
	if s.Script != "" {
		script := fmt.Sprintf("step-%d", i)
		r.Put(r.volumes["/tekton/scripts"], platformtest.Files{script: replaced(s.Script, r.values)})
		r.Shell(r.volumes["/tekton/scripts"], "chmod 755 "+script)
		command = []string{"/tekton/scripts/" + script}
	}
	args = append(args, "-w", dir, "--entrypoint", command[0], replaced(s.Image, r.values))
	args = append(append(args, command[1:]...), allReplaced(s.Args, r.values)...)
	for _, a := range args {
		if left := reference.FindString(a); left != "" {
			t.Fatalf("step %s: nothing is known of %s", s.Name, left)
		}
	}
	return r.Try(nil, args...)
}

// result is what the Task gave.
func (r *taskRun) result(name string) string {
	r.T.Helper()
	return r.Get(r.volumes["/tekton/results"], name)
}

func TestTekton(t *testing.T) {
	s := newSite(t)
	for _, test := range []struct {
		file, run string
		extended  string // result RUN_IMAGE_EXTENDED
		log       []string
	}{
		{"creator", s.enough, "", []string{"sample/curl: skipped"}},
		{"creator", s.lacking, "", []string{"sample/curl: to be applied to the run image", "EXTENDING"}},
		{"phases", s.enough, "false", []string{"sample/curl: skipped"}},
		{"phases", s.lacking, "true", []string{"curl"}},
	} {
		name := test.file + " " + test.run[strings.LastIndex(test.run, ":")+1:]
		t.Run(name, func(t *testing.T) {
			app := s.registry + "/app:" + strings.ReplaceAll(name, " ", "-")
			r := s.taskRun(t, "tekton/"+test.file+".yaml", map[string]string{"APP_IMAGE": app, "BUILDER_IMAGE": s.builder, "RUN_IMAGE": test.run})
			log, failed := r.run(t)
			if failed != "" {
				t.Fatalf("step %s fails\n%s", failed, log)
			}
			contains(t, log, test.log...)
			s.prints(t, app, "/usr/bin/curl")
			if got := r.result("IMAGE_URL"); got != app {
				t.Errorf("result IMAGE_URL is %q", got)
			}
			var digests []string
			if err := json.Unmarshal([]byte(s.Do(nil, "image", "inspect", "-f", "{{json .RepoDigests}}", app)), &digests); err != nil {
				t.Fatal(err)
			}
			if want := s.registry + "/app@" + r.result("IMAGE_DIGEST"); !slices.Contains(digests, want) {
				t.Errorf("result IMAGE_DIGEST makes %s, the image is %q", want, digests)
			}
			if got := r.result("RUN_IMAGE_EXTENDED"); got != test.extended {
				t.Errorf("result RUN_IMAGE_EXTENDED is %q, want %q", got, test.extended)
			}

			if log, failed := r.run(t); failed != "" {
				t.Errorf("the second time step %s fails\n%s", failed, log)
			}
		})
	}
}

// TestTektonSwitchAndExtend: the Task runs the extender in the image that it was given, so that has to be the one that
// is extended.
func TestTektonSwitchAndExtend(t *testing.T) {
	s := newSite(t)
	other := s.runImage("other", "")
	generate := "#!/bin/sh\nprintf 'ARG base_image\\nFROM " + other + "\\nUSER root\\nRUN ln -s /bin/true /usr/bin/curl\\nUSER 1000:1000\\n' > \"$CNB_OUTPUT_DIR/run.Dockerfile\"\n"
	switching := s.pushed(s.Image(s.registry+"/builder:switching", "FROM "+s.builder+"\nCOPY cnb /cnb\n", platformtest.Files{
		"cnb/extensions/sample_curl/1.0.0/bin/generate*": generate,
	}))
	params := map[string]string{"APP_IMAGE": s.registry + "/app:switched", "BUILDER_IMAGE": switching, "RUN_IMAGE": s.lacking}
	log, failed := s.taskRun(t, "tekton/phases.yaml", params).run(t)
	if failed != "restore" {
		t.Errorf("step %q failed\n%s", failed, log)
	}
	contains(t, log, "Name it as RUN_IMAGE", other)

	params["RUN_IMAGE"] = other
	if log, failed := s.taskRun(t, "tekton/phases.yaml", params).run(t); failed != "" {
		t.Fatalf("step %s fails\n%s", failed, log)
	}
	s.prints(t, params["APP_IMAGE"], "/usr/bin/curl")
}

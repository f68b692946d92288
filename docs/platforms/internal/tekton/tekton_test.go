// Package tekton_test holds the Tasks of docs/platforms/tekton to Tekton's own types and checks.
//
// It is a module of its own, so that Tekton and Kubernetes stay out of the graph of baseplan's.
package tekton_test

import (
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"sigs.k8s.io/yaml"
)

func TestTasks(t *testing.T) {
	files, err := filepath.Glob("../../tekton/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 {
		t.Fatalf("got %q, want the two Tasks", files)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var task v1.Task
			if err := yaml.UnmarshalStrict(data, &task); err != nil {
				t.Fatal(err)
			}
			if got := task.APIVersion + " " + task.Kind; got != "tekton.dev/v1 Task" {
				t.Errorf("it is a %s", got)
			}
			task.SetDefaults(t.Context())
			if err := task.Validate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

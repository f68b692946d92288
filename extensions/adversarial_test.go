package extensions

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var onWhat = regexp.MustCompile(`(?m)^# on: (.*)\n# effect: (.*)$`)

// Each Dockerfile of the corpus looks like one without an effect, and has one:
// in the lines that its third line names, and in no other.
func TestAdversarial(t *testing.T) {
	bases := bases(t)
	files, err := filepath.Glob("testdata/adversarial/*.Dockerfile")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d Dockerfiles, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".Dockerfile"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := onWhat.FindSubmatch(content)
			var want []int
			for _, line := range strings.Fields(string(m[2])) {
				n, err := strconv.Atoi(line)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, n)
			}
			d := parse(t, Run, string(content))
			for _, proof := range []Proof{ByPlan, ByEffect} {
				v := Check(d, bases[string(m[1])], nil, proof)
				if v.Outcome != Apply {
					t.Errorf("under %s the verdict is %s", proof, v.Outcome)
				}
				if diff := cmp.Diff(want, effects(v)); diff != "" {
					t.Errorf("lines with an effect (-want +got):\n%s\n%v", diff, v.Instructions)
				}
			}
			without := bases[string(m[1])]
			without.Config, without.Set = nil, nil
			if v := Check(d, without, nil, ByPlan); v.Outcome != Pending {
				t.Errorf("where nothing is known the verdict is %s", v.Outcome)
			}
		})
	}
}

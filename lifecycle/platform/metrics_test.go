package platform_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/baseplan/baseplan/lifecycle/platform"
)

func sampleMetrics() platform.Metrics {
	judged := platform.PhaseMetrics{Phase: "detector", Seconds: 0.25, ExitCode: 0}
	judged.Resolved(&platform.Resolution{
		RunImage:     platform.ResolvedImage{Inventory: "referrer"},
		Requirements: []platform.Requirement{{Name: "curl", MetBy: []string{platform.RunImageProvider, "acme/curl@1"}}, {Name: "node", MetBy: []string{"acme/node@1"}}},
		Verdicts:     []platform.Verdict{{Image: "run", Verdict: "satisfied"}, {Image: "run", Verdict: "satisfied"}, {Image: "build", Verdict: "apply"}},
	})
	return platform.Metrics{Version: "1.0 \"x\\y\"\nz", Phases: []platform.PhaseMetrics{{Phase: "analyzer", Seconds: 1e-7, ExitCode: 32}, judged}}
}

// TestOpenMetrics: Prometheus' parser, which the node exporter uses, reads what was written, and the text has what
// OpenMetrics demands beyond its format.
func TestOpenMetrics(t *testing.T) {
	m := sampleMetrics()
	data, err := m.EncodeAs("/metrics/detector.prom")
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	values := map[string]float64{}
	for name, f := range families {
		if f.GetType().String() != "GAUGE" || f.GetHelp() == "" {
			t.Errorf("%s has type %s, help %q", name, f.GetType(), f.GetHelp())
		}
		for _, metric := range f.GetMetric() {
			key := name
			for _, label := range metric.GetLabel() {
				key += " " + label.GetName() + "=" + label.GetValue()
			}
			values[key] = metric.GetGauge().GetValue()
		}
	}
	for key, want := range map[string]float64{
		"baseplan_build_info version=" + m.Version:                        1,
		"baseplan_phase_seconds phase=analyzer":                           1e-7,
		"baseplan_phase_exit_code phase=analyzer":                         32,
		"baseplan_phase_exit_code phase=detector":                         0,
		"baseplan_run_image_inventory phase=detector source=referrer":     1,
		"baseplan_verdicts phase=detector image=run verdict=satisfied":    2,
		"baseplan_verdicts phase=detector image=run verdict=apply":        0,
		"baseplan_verdicts phase=detector image=build verdict=apply":      1,
		"baseplan_requirements phase=detector":                            2,
		"baseplan_requirements_met_by_run_image phase=detector":           1,
		"baseplan_phase_seconds phase=detector":                           0.25,
		"baseplan_verdicts phase=detector image=build verdict=superseded": 0,
		"baseplan_verdicts phase=detector image=run verdict=no-effect":    0,
	} {
		if have, ok := values[key]; !ok || have != want {
			t.Errorf("%s is %v (%t), want %v", key, have, ok, want)
		}
	}
	if !bytes.HasSuffix(data, []byte("\n# EOF\n")) || bytes.Count(data, []byte("# EOF")) != 1 {
		t.Errorf("it does not end with # EOF:\n%s", data)
	}
	checkABNF(t, string(data))
	for _, name := range []string{"metrics", "metrics.json", ".promx"} {
		if _, err := m.EncodeAs(name); err == nil {
			t.Errorf("%s has a format", name)
		}
	}
}

// openMetricsLine is a line by the ABNF of OpenMetrics 1.0, as far as gauges without timestamps and exemplars need it.
var openMetricsLine = regexp.MustCompile(`^(?:# (?:TYPE [a-zA-Z_:][a-zA-Z0-9_:]* gauge|HELP [a-zA-Z_:][a-zA-Z0-9_:]* [^\n]+|EOF)|` +
	`([a-zA-Z_:][a-zA-Z0-9_:]*)\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\n"])*"(?:,|\}))+ [0-9]+(?:\.[0-9]+)?)$`)

func checkABNF(t *testing.T, text string) {
	t.Helper()
	family, seen := "", map[string]bool{}
	for line := range strings.Lines(text) {
		m := openMetricsLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Errorf("not a line of OpenMetrics: %q", line)
			continue
		}
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			if family = strings.Fields(name)[0]; seen[family] {
				t.Errorf("the family %s is interrupted", family)
			}
			seen[family] = true
		}
		if m[1] != "" && m[1] != family {
			t.Errorf("a sample of %s in the family %s", m[1], family)
		}
	}
}

func TestMetricsLines(t *testing.T) {
	data, err := sampleMetrics().EncodeAs("m.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines:\n%s", len(lines), data)
	}
	if want := `{"baseplan":"1.0 \"x\\y\"\nz","phase":"analyzer","seconds":1e-7,"exit-code":32}`; lines[0] != want {
		t.Errorf("line %s, want %s", lines[0], want)
	}
	var last struct {
		Verdicts     map[string]map[string]int
		Requirements map[string]int
	}
	if err := json.Unmarshal([]byte(lines[1]), &last); err != nil || last.Verdicts["run"]["satisfied"] != 2 || last.Requirements["met-by-run-image"] != 1 {
		t.Errorf("line %s: %v", lines[1], err)
	}
}

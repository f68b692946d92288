package platform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/baseplan/baseplan/extensions"
)

// Metrics is the file of -report-file: what a phase did, and how long it took. It names no image.
type Metrics struct {
	Version string // of baseplan
	Phases  []PhaseMetrics
}

// A MetricsLine is a line of the file as JSON.
type MetricsLine struct {
	Version string `json:"baseplan"` // of baseplan
	PhaseMetrics
}

// PhaseMetrics describe one phase.
type PhaseMetrics struct {
	Phase        string                    `json:"phase"` // analyzer, detector, …; the creator has one for each of its phases, and one for all
	Seconds      float64                   `json:"seconds"`
	ExitCode     int                       `json:"exit-code"`
	Inventory    string                    `json:"inventory,omitempty"`    // source of the run image's inventory: a carrier, or unknown; absent if the phase has none
	Verdicts     map[string]map[string]int `json:"verdicts,omitempty"`     // number of Dockerfiles, by image (run, build) and verdict; absent if the phase does not judge
	Requirements *RequirementMetrics       `json:"requirements,omitempty"` // of the build plan; absent if the phase does not resolve it
}

// RequirementMetrics count requirements.
type RequirementMetrics struct {
	All           int `json:"all"`
	MetByRunImage int `json:"met-by-run-image"`
}

// Resolved sets what a resolution says.
func (m *PhaseMetrics) Resolved(r *Resolution) {
	m.Inventory = r.RunImage.Inventory
	m.Requirements = &RequirementMetrics{All: len(r.Requirements)}
	for _, req := range r.Requirements {
		if slices.Contains(req.MetBy, RunImageProvider) {
			m.Requirements.MetByRunImage++
		}
	}
	m.Verdicts = map[string]map[string]int{}
	for _, image := range []extensions.ImageKind{extensions.Build, extensions.Run} {
		counts := map[string]int{}
		for _, outcome := range []extensions.Outcome{extensions.Superseded, extensions.Satisfied, extensions.NoEffect, extensions.Switch, extensions.Pending, extensions.Apply} {
			counts[string(outcome)] = 0
		}
		m.Verdicts[string(image)] = counts
	}
	for _, v := range r.Verdicts {
		if counts := m.Verdicts[v.Image]; counts != nil {
			counts[v.Verdict]++
		}
	}
}

// metricsFormats are the extensions of metrics files.
var metricsFormats = []string{".prom", ".txt", ".jsonl"}

// EncodeAs encodes the file in the format of its name: OpenMetrics text (.prom, .txt) or JSON lines (.jsonl).
func (m Metrics) EncodeAs(name string) ([]byte, error) {
	switch ext := filepath.Ext(name); {
	case ext == ".jsonl":
		return m.lines()
	case slices.Contains(metricsFormats, ext):
		return m.openMetrics(), nil
	}
	return nil, fmt.Errorf("the name %q has none of the extensions %s", name, strings.Join(metricsFormats, ", "))
}

func (m Metrics) lines() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, p := range m.Phases {
		if err := enc.Encode(MetricsLine{m.Version, p}); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// A family is a family of metrics. All are gauges, whose text is the same in Prometheus' format.
type family struct {
	name, help string
	samples    func(PhaseMetrics) []sample
}

// A sample is a value with labels besides the phase.
type sample struct {
	labels []string // name, value, …
	value  float64
}

var families = []family{
	{"baseplan_phase_seconds", "How long a phase took.", func(p PhaseMetrics) []sample { return []sample{{value: p.Seconds}} }},
	{"baseplan_phase_exit_code", "Exit code of a phase; 0: success.", func(p PhaseMetrics) []sample { return []sample{{value: float64(p.ExitCode)}} }},
	{"baseplan_run_image_inventory", "Source of the run image's inventory.", func(p PhaseMetrics) []sample {
		if p.Inventory == "" {
			return nil
		}
		return []sample{{[]string{"source", p.Inventory}, 1}}
	}},
	{"baseplan_verdicts", "Number of Dockerfiles of extensions, by image and verdict.", func(p PhaseMetrics) (all []sample) {
		for _, image := range slices.Sorted(maps.Keys(p.Verdicts)) {
			for _, verdict := range slices.Sorted(maps.Keys(p.Verdicts[image])) {
				all = append(all, sample{[]string{"image", image, "verdict", verdict}, float64(p.Verdicts[image][verdict])})
			}
		}
		return all
	}},
	{"baseplan_requirements", "Number of requirements of the build plan.", requirementSamples(func(r RequirementMetrics) int { return r.All })},
	{"baseplan_requirements_met_by_run_image", "Number of requirements that the run image meets.", requirementSamples(func(r RequirementMetrics) int { return r.MetByRunImage })},
}

func requirementSamples(count func(RequirementMetrics) int) func(PhaseMetrics) []sample {
	return func(p PhaseMetrics) []sample {
		if p.Requirements == nil {
			return nil
		}
		return []sample{{value: float64(count(*p.Requirements))}}
	}
}

// openMetrics encodes the metrics as OpenMetrics text, version 1.0.
func (m Metrics) openMetrics() []byte {
	var b bytes.Buffer
	b.WriteString("# TYPE baseplan_build_info gauge\n# HELP baseplan_build_info Version of baseplan.\n")
	writeSample(&b, "baseplan_build_info", sample{[]string{"version", m.Version}, 1})
	for _, f := range families {
		fmt.Fprintf(&b, "# TYPE %s gauge\n# HELP %s %s\n", f.name, f.name, f.help)
		for _, p := range m.Phases {
			for _, s := range f.samples(p) {
				s.labels = append([]string{"phase", p.Phase}, s.labels...)
				writeSample(&b, f.name, s)
			}
		}
	}
	b.WriteString("# EOF\n")
	return b.Bytes()
}

// escaped escapes the value of a label.
var escaped = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func writeSample(b *bytes.Buffer, name string, s sample) {
	b.WriteString(name + "{")
	for i := 0; i < len(s.labels); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, `%s="%s"`, s.labels[i], escaped.Replace(s.labels[i+1]))
	}
	b.WriteString("} " + strconv.FormatFloat(s.value, 'f', -1, 64) + "\n")
}

package main

import (
	"fmt"
	"time"

	"github.com/baseplan/baseplan/cmd/internal/build"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/files"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

// A meter measures the phases of this process for -report-file.
type meter struct {
	phases  []platform.PhaseMetrics
	started time.Time // of the last one
	running bool
}

// begin ends the phase that is running, if any, and begins another.
func (m *meter) begin(phase platform.Phase) {
	m.end(nil)
	m.phases = append(m.phases, platform.PhaseMetrics{Phase: phase.String()})
	m.started, m.running = time.Now(), true
}

// end ends the phase that is running, if any.
func (m *meter) end(err error) {
	if !m.running {
		return
	}
	last := m.last()
	last.Seconds, last.ExitCode, m.running = time.Since(m.started).Seconds(), int(fail.CodeOf(err)), false
}

// last returns what is known of the last phase that began.
func (m *meter) last() *platform.PhaseMetrics { return &m.phases[len(m.phases)-1] }

// whole returns the metrics of the creator, with what its phases found out.
func (m *meter) whole(started time.Time, err error) platform.PhaseMetrics {
	all := platform.PhaseMetrics{Phase: platform.Create.String(), Seconds: time.Since(started).Seconds(), ExitCode: int(fail.CodeOf(err))}
	for _, p := range m.phases {
		if p.Inventory != "" {
			all.Inventory = p.Inventory
		}
		if p.Verdicts != nil {
			all.Verdicts, all.Requirements = p.Verdicts, p.Requirements
		}
	}
	return all
}

// measured runs a phase and writes the file of -report-file, also if the phase fails. A file that cannot be
// written is no failure of the phase.
func (c *command) measured(run func() error) error {
	started := time.Now()
	if c.phase != platform.Create {
		c.meter.begin(c.phase)
	}
	err := run()
	c.meter.end(err)
	if c.MetricsFile == "" {
		return err
	}
	all := c.meter.phases
	if c.phase == platform.Create {
		all = append(all, c.meter.whole(started, err))
	}
	data, failed := platform.Metrics{Version: build.Version, Phases: all}.EncodeAs(c.MetricsFile)
	if failed == nil {
		failed = files.WriteWithin(c.Layers, c.MetricsFile, data)
	}
	if failed != nil {
		c.log.Warn(fmt.Sprintf("cannot write the metrics (-report-file): %v", failed))
	}
	return err
}

package page

import (
	"slices"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

func (d *document) verdicts() {
	var rows [][]cell
	for _, v := range d.Resolution.Verdicts {
		rows = append(rows, []cell{
			func() { d.element("code", attrs{"class", "whole"}, func() { d.breakable(v.Extension) }) },
			func() {
				d.text("for the " + v.Image + " image")
				d.element("br", nil, nil)
				d.code(v.Dockerfile)
			},
			func() { d.verdict(v) },
			func() {
				for _, r := range v.Reasons {
					d.element("p", nil, func() { d.breakable(r) })
				}
			},
		})
		if len(v.Instructions)+len(d.Dockerfiles[v.Dockerfile]) > 0 {
			rows = append(rows, []cell{func() {
				d.fold("lines", extensions.Outcome(v.Verdict).Left(), func() { d.text("Line by line") }, func() { d.instructions(v) })
			}})
		}
	}
	d.section("Verdicts", true, func() {
		if len(rows) == 0 {
			d.say("p", "", "No Dockerfile of an extension was judged.")
			return
		}
		d.table([]string{"Extension", "Dockerfile", "Verdict", "Why"}, rows)
	})
}

func (d *document) verdict(v platform.Verdict) {
	class := "verdict"
	if extensions.Outcome(v.Verdict).Left() {
		class = "verdict left"
	}
	d.say("span", class, v.Verdict)
	if v.SwitchTo != "" {
		d.element("br", nil, nil)
		d.text("to ")
		d.code(v.SwitchTo)
	}
	if v.AlwaysApply {
		d.element("br", nil, nil)
		d.text("asks to be applied always")
	}
}

// instructions writes the instructions of a Dockerfile: those that were judged, and those whose text is known.
func (d *document) instructions(v platform.Verdict) {
	judged, texts := map[int]platform.Instruction{}, map[int]string{}
	var lines []int
	for _, i := range v.Instructions {
		judged[i.Line], lines = i, append(lines, i.Line)
	}
	for _, i := range d.Dockerfiles[v.Dockerfile] {
		texts[i.Line], lines = i.Text, append(lines, i.Line)
	}
	slices.Sort(lines)
	labels := []string{"Line"}
	if len(texts) > 0 {
		labels = append(labels, "Instruction")
	}
	if len(judged) > 0 {
		labels = append(labels, "Effect", "Why")
	}
	var rows [][]cell
	for _, line := range slices.Compact(lines) {
		row := []cell{d.cell(number(line))}
		if len(texts) > 0 {
			row = append(row, func() { d.say("code", "source", texts[line]) })
		}
		if i, ok := judged[line]; ok {
			row = append(row, d.effect(i), d.cell(i.Reason))
		} else if len(judged) > 0 {
			row = append(row, d.cell(""), d.cell(""))
		}
		rows = append(rows, row)
	}
	d.table(labels, rows)
}

func (d *document) effect(i platform.Instruction) cell {
	if i.Effect {
		return d.marked("bad", "yes")
	}
	return d.cell("no")
}

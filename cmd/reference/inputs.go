package main

import (
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/platform"
)

const inputsHead = `# Inputs of the phases

The inputs that a platform can set. A flag takes precedence over its environment variable, the variable over ` + "`/cnb/baseplan.toml`" + ` (for
inputs with a key there, see [files](files.md#cnbbaseplantoml)), and that file over the default. An invalid value is an error with exit code 3.

**API** lists the Platform API versions that have an input; empty means all versions from %s to %s. A flag of another version is an
error. Inputs in **bold** are baseplan's own; the others are defined by the specification
([platform.md](https://github.com/buildpacks/spec/blob/main/platform.md)). ` + "`...`" + ` marks flags that can be repeated; in the variable, separate values with commas.

Every phase first reads ` + "`CNB_PLATFORM_API`" + ` (required) and ` + "`CNB_DEPRECATION_MODE`" + ` (` + "`warn`, `quiet` or `error`" + `).
`

// inputsPage returns docs/reference/inputs.md.
func inputsPage() string {
	var b strings.Builder
	versions := api.Platform.Supported
	fmt.Fprintf(&b, inputsHead, versions[0], versions[len(versions)-1])
	for _, name := range platform.PhaseNames() {
		phase, _ := platform.PhaseOf(name)
		fmt.Fprintf(&b, "\n## %s\n\n| flag | variable | default | API | meaning |\n|---|---|---|---|---|\n", name)
		for _, r := range platform.InputRows(phase) {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", flagCell(r), emphasis(r.Env, r.Own), code(r.Default), span(r), cell(r.Help))
		}
	}
	return b.String()
}

func flagCell(r platform.InputRow) string {
	if r.Flag == "" {
		return ""
	}
	text := "-" + r.Flag
	if r.Several {
		text += "..."
	}
	return emphasis(text, r.Own)
}

func emphasis(text string, strong bool) string {
	if strong && text != "" {
		return "**" + code(text) + "**"
	}
	return code(text)
}

// span returns the Platform API versions that have the input, or "" for all.
func span(r platform.InputRow) string {
	since := r.From > api.Platform.Supported[0].Minor
	switch {
	case since && r.Until > 0:
		return fmt.Sprintf("from 0.%d to 0.%d", r.From, r.Until-1)
	case since:
		return fmt.Sprintf("from 0.%d", r.From)
	case r.Until > 0:
		return fmt.Sprintf("to 0.%d", r.Until-1)
	}
	return ""
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// cell escapes a text for a table cell.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;").Replace(text)
}

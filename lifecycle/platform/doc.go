// Package platform defines the files and inputs of the Platform Interface.
//
// Start with [Parse], which reads the flags and environment variables of a phase, and
// [DecodeAnalyzed] for the files.
//
// baseplan adds files to the specification's: the operator's settings ([Settings],
// /cnb/baseplan.toml) and, in <layers>, the inventory of the run image ([RunImageReport],
// run-image.toml), what it provides ([RunImageProvides], run-image.provides.toml) and the
// resolved build plan ([Resolution], resolution.toml). They are versioned: readers reject a
// newer major version and ignore unknown keys.
//
// The API is stable from version 1.0 on; see docs/library.md.
package platform

// Package platform is the Platform Interface as data: the files and settings
// through which a platform and the phases speak to one another.
//
// Start with [Parse], which reads the flags and variables of a phase, and with [DecodeAnalyzed] for the files.
//
// Here are the files that baseplan adds to the specification's: the operator's
// settings ([Settings], /cnb/baseplan.toml), and in <layers> what is known of the run
// image ([RunImageReport], run-image.toml), what it provides ([RunImageProvides],
// run-image.provides.toml) and what became of the build plan ([Resolution],
// resolution.toml). They are versioned: readers refuse a newer major version and
// ignore keys that they do not know.
//
// The API is stable from version 1.0 on; see docs/library.md.
package platform

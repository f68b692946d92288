// Package testdata holds real package databases for tests and for the demo;
// README.md says where each is from. lifecycle/lifecycletest makes images of them.
package testdata

import "embed"

// Rootfs has a folder for each distribution: the package database and the
// os-release of its images, under the paths that they have there, some files compressed.
//
//go:embed rootfs
var Rootfs embed.FS

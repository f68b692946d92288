// Package layers makes the layers of an app image: tars that are the same, byte by
// byte, whenever and wherever the same directory is archived.
//
// Start with [Source.Dir], which describes a buildpack's layer, the launcher's
// configuration (<layers>/config) or the SBOMs (<layers>/sbom/launch).
// [Source.App] divides the app directory into its slices; [Launcher] and [Processes]
// are the layers of the lifecycle's own. [Source.Extract] is the way back, for layers
// that a cache kept.
//
// What the tars look like:
//
//   - Names are absolute, directories have no slash at the end. The parents of a
//     directory come first, then what is in it, each directory sorted by name.
//   - Every time is 1980-01-01T00:00:01Z (platform.md, "Build Reproducibility"), the
//     owner is the one of the [Source], as a number. Modes are those of the files.
//   - Symbolic links stay links, wherever they lead; nothing is read through them.
//     Sockets are left out.
//   - Hard links become files of their own and extended attributes are left out:
//     existing app images and caches have their layers so, and a layer with other
//     bytes would have to be built, pushed and pulled again.
//
// A [Layer] is a v1.Layer of go-containerregistry. Its bytes are streamed from the
// files; they are hashed once and compressed once, and neither before somebody asks.
//
// This package does not know which directories become layers, and in which order:
// that is the exporter's.
package layers

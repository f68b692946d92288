// Package layers makes the layers of an app image: reproducible tars of directories.
//
// Start with [Source.Dir], which returns the layer of a buildpack's layer directory, of
// <layers>/config or of <layers>/sbom/launch. [Source.App] divides the app directory into
// slices; [Launcher] and [Processes] return the lifecycle's own layers. [Source.Extract]
// unpacks a cached layer.
//
// The format of the tars:
//
//   - Names are absolute, without a slash at the end. The parents of a directory
//     come first, then its content, each directory sorted by name.
//   - All times are 1980-01-01T00:00:01Z (platform.md, "Build Reproducibility"). The
//     owner is that of the [Source], by number. Modes are those of the files.
//   - Symbolic links are archived as links and not followed. Sockets are skipped.
//   - Hard links become separate files, and extended attributes are dropped, as in
//     existing app images and caches. Otherwise every layer would change and have
//     to be pushed and pulled again.
//
// A [Layer] is a v1.Layer of go-containerregistry. Its bytes are read from the files on
// demand. They are hashed and compressed at most once. A layer keeps no list of its files, so
// that memory does not grow with them: it walks the directory each time, and recognizes a
// change by a hash of each file's metadata.
//
// The exporter decides which directories become layers, and in which order.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package layers

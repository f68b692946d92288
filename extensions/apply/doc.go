// Package apply applies the Dockerfiles of image extensions to a root file
// system, and takes what they change as layers (image_extension.md, "Phase:
// Extension").
//
// Start with [Applier]: [Applier.Apply] takes Dockerfiles that are left to
// apply, in order, and the configuration of the image that they stand on. What
// uses the package calls [Main] first thing in its main function, since commands
// are run by a second process of the same program.
//
// There are two kinds of root. The root of this container ("/") is extended in
// place, which is what an extender does. Any other directory is an isolated root:
// the image's layers are unpacked there, and commands are shut into it, without
// the means to leave it, to see the rest of this container or to reach its
// credentials.
//
// The language is that of docker build, read by BuildKit's parser and lexer. The
// instructions are those that the specification has for extensions: ADD, ARG,
// COPY, ENV, LABEL, RUN, SHELL, USER and WORKDIR. Where docker's builders differ
// from one another, BuildKit is followed. Where this package differs from both:
// files of the build context get a fixed modification time, so that the same
// content gives the same layer, and what an instruction writes below the paths
// that are never part of a layer (see [Root]) is lost.
//
// Every instruction that can change files gives at most one layer. A layer is
// found by comparing two snapshots of metadata; content is read only where it
// goes into the layer. All of it is for Linux.
//
// The API is stable from version 1.0 on; see docs/library.md.
package apply

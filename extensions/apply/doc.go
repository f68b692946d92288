// Package apply applies the Dockerfiles of image extensions to a root file system and
// records the changes as layers (image_extension.md, "Phase: Extension").
//
// Start with [Applier]: [Applier.Apply] takes the Dockerfiles to apply, in order, and the
// configuration of the image that they extend. A program that uses the package must call
// [Main] first thing in its main function, since commands run in a second process of the
// same program.
//
// There are two kinds of root. The root of this container ("/") is extended in place, as an
// extender does. Any other directory is an isolated root: the image's layers are unpacked
// there, and commands are confined to it. They cannot leave it, see the rest of this
// container or reach its credentials.
//
// The language is that of docker build, parsed by BuildKit's parser and lexer. The
// specification's instructions for extensions are supported: ADD, ARG, COPY, ENV, LABEL,
// RUN, SHELL, USER and WORKDIR. So are EXPOSE, HEALTHCHECK, MAINTAINER, STOPSIGNAL and
// VOLUME. Where docker's builders differ from each other, the package follows BuildKit. It
// differs from both in two ways: files of the build context get a fixed modification time,
// so that the same content gives the same layer; and files that an instruction writes to
// paths that are never part of a layer (see [Root]) are lost.
//
// Every instruction that can change files gives at most one layer. Changes are found by
// comparing two snapshots of metadata; content is read only for files that go into the
// layer. The package requires Linux.
//
// The API is stable from version 1.0 on; see docs/library.md.
package apply

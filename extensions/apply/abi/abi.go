// Package abi is what a sandbox's kernel (cmd/sandbox) and package apply agree on: descriptors,
// system calls, frames, and what belongs in a layer.
//
// Start with [CallUnpack] and [CallScan], the system calls that Linux does not have.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package abi

import (
	"strings"
	"time"
)

// Descriptors that the process outside passes to the kernel.
const (
	ProgramFD    = 3 + iota // the program to run
	MemoryFD                // the file that holds the root file system
	FirstPipeFD             // the program's [QuestionsFD]
	SecondPipeFD            // the program's [AnswersFD]
)

// Descriptors that the kernel passes to the program.
const (
	QuestionsFD = 3 + iota // to write to
	AnswersFD              // to read from
)

// System calls for the first process alone: what takes very many system calls otherwise is one here.
const (
	// CallUnpack is unpack(dir, from, file): it unpacks the layer in the open file from into the
	// open directory. If file is 0, the layer arrives in frames.
	CallUnpack = 1900 + iota
	// CallScan is scan(dir, to, skip, n): it writes a [Record], a name and attributes for every file
	// below dir to the open file to, except for the paths in n bytes of skip, which end in "\x00".
	CallScan
)

// Kinds of frames that hold a file. A frame is a byte for the kind, four bytes for the length
// (big-endian), and a body.
const (
	FrameData = 'd' // a part of the file
	FrameEnd  = 'e' // its end; the body is empty, or an error
)

// Chunk is the largest body of a frame with a part of a file, in bytes.
const Chunk = 128 << 10

// A Record is the metadata of a file, little-endian: the lengths of its name and of its attributes,
// device, inode, mode, links, user, group, device node, size, and the seconds and nanoseconds of its
// modification and change. Name and attributes follow: "name\x00value\x00" for each, sorted.
type Record [14]uint64

// Epoch is the modification time of files that have none of their own.
var Epoch = time.Date(1980, time.January, 1, 0, 0, 1, 0, time.UTC)

// KeptXattr reports whether an extended attribute belongs to the file rather than to the machine, as
// labels of security modules and metadata of overlay file systems do.
func KeptXattr(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "system.posix_acl_")
}

//go:build linux

package apply

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// maxMessage bounds the size of a message that a process accepts.
const maxMessage = 256 << 20

// writeMessage writes v as JSON, preceded by its length in four bytes (big-endian).
func writeMessage(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxMessage {
		return fmt.Errorf("a message of %d bytes exceeds the limit of %d", len(body), maxMessage)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// readMessage reads exactly one message. A json.Decoder would read ahead, or leave the end of
// the line, but what follows in the pipe has its own meaning.
func readMessage(r io.Reader, v any) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxMessage {
		return fmt.Errorf("a message of %d bytes exceeds the limit of %d", n, maxMessage)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

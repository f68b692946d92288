//go:build linux

package apply

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// The Applier and the program in its sandbox talk through two pipes, in frames: a byte for the
// kind, four bytes for the length (big-endian), and a body. The program in the sandbox asks one
// question at a time, and between questions sends the output of commands and log records.
const (
	frameJob    = 'j' // to the sandbox, first: a job
	frameAsk    = 'q' // from the sandbox: a question
	frameAnswer = 'a' // to the sandbox: an answer; data may follow
	frameData   = abi.FrameData
	frameEnd    = abi.FrameEnd
	frameStdout = 'o' // output of a command
	frameStderr = 'x'
	frameLog    = 'l' // a log record as JSON
	frameDone   = 'r' // from the sandbox, last: a report
)

// limits are the largest bodies by kind. Only jobs, which hold Dockerfiles, may be large: the side
// outside does not trust what it receives.
var limits = map[byte]int{
	frameJob: 64 << 20, frameAsk: 64 << 10, frameAnswer: 1 << 20, frameData: abi.Chunk, frameEnd: 64 << 10,
	frameStdout: abi.Chunk, frameStderr: abi.Chunk, frameLog: 1 << 20, frameDone: 1 << 20,
}

// A link is one end of the pipes.
type link struct {
	in  io.Reader
	mu  sync.Mutex // guards out and buf
	out io.Writer
	buf []byte
}

func (l *link) send(kind byte, body []byte) error {
	if len(body) > limits[kind] {
		return fmt.Errorf("frame %q of %d bytes exceeds the limit of %d", kind, len(body), limits[kind])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = binary.BigEndian.AppendUint32(append(l.buf[:0], kind), uint32(len(body)))
	l.buf = append(l.buf, body...)
	_, err := l.out.Write(l.buf)
	return err
}

func (l *link) sendJSON(kind byte, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return l.send(kind, body)
}

// sendParts sends p in as many frames as it takes.
func (l *link) sendParts(kind byte, p []byte) (n int, err error) {
	for len(p) > 0 {
		part := p[:min(len(p), limits[kind])]
		if err := l.send(kind, part); err != nil {
			return n, err
		}
		n, p = n+len(part), p[len(part):]
	}
	return n, nil
}

// sendFile sends the content of r. An error of r reaches the other end as an error of its file.
func (l *link) sendFile(r io.Reader) error {
	w := &fileWriter{to: l}
	_, err := io.CopyBuffer(w, onlyReader{r}, make([]byte, abi.Chunk))
	if w.err != nil {
		return w.err
	}
	return w.end(err)
}

// A fileWriter sends a file in parts.
type fileWriter struct {
	to  *link
	err error
}

func (w *fileWriter) Write(p []byte) (n int, err error) {
	if w.err == nil {
		n, w.err = w.to.sendParts(frameData, p)
	}
	return n, w.err
}

// end ends the file, with an error if it is not whole.
func (w *fileWriter) end(failure error) error {
	if w.err != nil {
		return w.err
	}
	var text []byte
	if failure != nil {
		text = []byte(failure.Error())
		text = text[:min(len(text), limits[frameEnd])]
	}
	return w.to.send(frameEnd, text)
}

type onlyReader struct{ io.Reader }

// receive receives a frame.
func (l *link) receive() (kind byte, body []byte, err error) {
	kind, n, err := l.head()
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(l.in, body)
	return kind, body, noEOF(err)
}

// head receives the kind and the length of a frame.
func (l *link) head() (kind byte, n int, err error) {
	var head [5]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		return 0, 0, err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if limit, ok := limits[head[0]]; !ok || int64(length) > int64(limit) {
		return 0, 0, fmt.Errorf("frame %q of %d bytes exceeds the limit of %d", head[0], length, limit)
	}
	return head[0], int(length), nil
}

// receiveJSON receives a frame that has to be of a kind.
func (l *link) receiveJSON(kind byte, v any) error {
	got, body, err := l.receive()
	if err != nil {
		return err
	}
	if got != kind {
		return fmt.Errorf("unexpected frame %q; want %q", got, kind)
	}
	return json.Unmarshal(body, v)
}

// A fileReader reads a file that the other end sends. Close reads it to its end, so that the
// next frame is what follows.
type fileReader struct {
	from *link
	left int   // bytes of the current frame
	err  error // io.EOF: the file has ended
}

func (l *link) file() *fileReader { return &fileReader{from: l} }

func (r *fileReader) Read(p []byte) (int, error) {
	for r.left == 0 && r.err == nil {
		r.next()
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.from.in.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.err = noEOF(err)
	return n, r.err
}

// next begins the next frame.
func (r *fileReader) next() {
	kind, n, err := r.from.head()
	switch {
	case err != nil:
		r.err = noEOF(err)
	case kind == frameData:
		r.left = n
	case kind != frameEnd:
		r.err = fmt.Errorf("unexpected frame %q in a file", kind)
	case n == 0:
		r.err = io.EOF
	default:
		text := make([]byte, n)
		_, err := io.ReadFull(r.from.in, text)
		r.err = errors.Join(noEOF(err), errors.New(string(text)))
	}
}

func (r *fileReader) Close() error {
	_, err := io.CopyBuffer(onlyWriter{io.Discard}, onlyReader{r}, make([]byte, abi.Chunk))
	return err
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

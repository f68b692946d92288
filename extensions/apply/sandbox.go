//go:build linux

package apply

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// A Sandbox applies Dockerfiles without any privilege: in a kernel in user space, where this
// program runs once more and is root. Only Dockerfiles of a run image can be applied there.
type Sandbox struct {
	// Program is the path of the sandbox program (cmd/sandbox). Main must be called by the
	// program that uses the Sandbox, since that program runs in it.
	Program string

	// Dir is an existing directory for the file that holds the root file system. The file has no
	// name, so nothing is left behind. Empty: [Applier.Spool].
	Dir string

	// Disk limits the size of the root file system and of everything written there, Memory the
	// memory of all commands together, both in bytes; zero: no limit.
	Disk, Memory int64
}

// ErrNoSandbox is wrapped by errors of a sandbox that cannot be started here.
var ErrNoSandbox = errors.New("the sandbox does not work here")

// Test reports why the sandbox cannot be used in this container, or nil. It starts one, which
// takes some 0.2 s.
func (s *Sandbox) Test(ctx context.Context) error {
	if s.Dir == "" {
		return errors.New("testing the sandbox: no directory is given")
	}
	a := &Applier{Log: slog.New(slog.DiscardHandler), Stdout: io.Discard, Stderr: io.Discard}
	_, err := (&supervisor{Applier: a, Sandbox: s}).run(ctx, &job{Test: true, NoNetwork: true})
	return err
}

// A supervisor is the side of the [Applier] of the link to the program in a sandbox.
type supervisor struct {
	*Applier
	*Sandbox
	link
	build       *build
	dockerfiles []*extensions.Dockerfile
	files       map[v1.Hash]string // layers that are here
	received    int64              // bytes of layers
	talked      bool               // the program in the sandbox has sent something
}

// sandboxed applies Dockerfiles in a sandbox.
func (b *build) sandboxed(ctx context.Context, dockerfiles []*extensions.Dockerfile) (*Result, error) {
	o := &supervisor{Applier: b.Applier, Sandbox: b.Sandbox, build: b, dockerfiles: dockerfiles, files: map[v1.Hash]string{}}
	j, err := o.job()
	if err != nil {
		return nil, err
	}
	r, err := o.run(ctx, j)
	if err != nil {
		return nil, err
	}
	result := &Result{Config: r.Config, Author: r.Author, Executed: r.Executed}
	for _, l := range r.Layers {
		file, ok := o.files[l.DiffID]
		if !ok {
			return nil, fmt.Errorf("the sandbox did not send layer %s", l.DiffID)
		}
		result.Layers = append(result.Layers, &Layer{
			Extension: l.Extension, Instruction: l.Instruction, Cached: l.Cached, diffID: l.DiffID, file: file, spool: b.Spool,
		})
	}
	return result, nil
}

func (o *supervisor) job() (*job, error) {
	j := &job{
		Image: o.Image, Digest: o.Digest, BuildID: o.BuildID, Exclude: o.Root.Exclude, Layers: len(o.Root.Layers),
		Cached: o.build.store != nil, TTL: o.TTL, Env: proxies(o.Env), NoNetwork: o.NoNetwork, Config: o.build.config,
		OneOutput: reflect.ValueOf(o.Stdout).Comparable() && o.Stdout == o.Stderr,
		Level:     slog.LevelInfo,
	}
	if o.Log.Enabled(context.Background(), slog.LevelDebug) {
		j.Level = slog.LevelDebug
	}
	for _, d := range o.dockerfiles {
		j.Dockerfiles = append(j.Dockerfiles, jobFile{
			Extension: d.Extension, Image: d.Image, Path: d.Path, Content: d.Content, Args: d.Args, Context: d.Context, SwitchTo: d.SwitchTo,
		})
	}
	for name, to := range map[string]*[]byte{"/etc/hosts": &j.Hosts, "/etc/resolv.conf": &j.Resolv} {
		content, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		*to = content
	}
	return j, nil
}

// run starts the sandbox, and serves the program in it until it has done the job.
func (o *supervisor) run(ctx context.Context, j *job) (*report, error) {
	p, err := o.start(ctx, j.NoNetwork)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoSandbox, err)
	}
	defer p.close()
	o.in, o.out = p.questions, p.answers
	if err := o.sendJSON(frameJob, j); err != nil {
		return nil, p.end(ctx, err, o.talked)
	}
	r, err := o.serve(ctx)
	if err := p.end(ctx, err, o.talked); err != nil {
		return nil, err
	}
	return r, r.Failure.err()
}

// A process is a running sandbox.
type process struct {
	cmd                *exec.Cmd
	dir                string // for files of its start; removed at the end
	questions, answers *os.File
	stderr             excerpt
}

// An excerpt keeps the beginning and the end of what is written to it.
type excerpt struct{ head, tail []byte }

const excerptSize = 4 << 10

func (e *excerpt) Write(p []byte) (int, error) {
	n := min(len(p), excerptSize-len(e.head))
	e.head = append(e.head, p[:n]...)
	e.tail = append(e.tail, p[n:]...)
	e.tail = e.tail[max(0, len(e.tail)-excerptSize):]
	return len(p), nil
}

func (e *excerpt) String() string { return string(e.head) + string(e.tail) }

func (o *supervisor) start(ctx context.Context, noNetwork bool) (p *process, err error) {
	dir, err := os.MkdirTemp(cmp.Or(o.Dir, o.Spool), "sandbox-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	disk, err := o.space(dir)
	if err != nil {
		return nil, err
	}
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	memory, inMemory, err := o.memory(dir)
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	questions, asks, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer asks.Close()
	hears, answers, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, questions.Close())
	}
	defer hears.Close()
	for _, f := range []*os.File{questions, answers} {
		enlarge(f)
	}
	p = &process{dir: dir, questions: questions, answers: answers}
	if inMemory && o.Memory > 0 {
		disk = min(disk, o.Memory)
	}
	args := []string{"-disk", fmt.Sprint(disk), "-memory", fmt.Sprint(o.Memory)}
	if inMemory {
		args = append(args, "-root-in-memory")
	}
	if noNetwork {
		args = append(args, "-no-network")
	}
	p.cmd = exec.CommandContext(ctx, o.Program, append(args, guestName)...)
	p.cmd.Env = []string{} // it can be read in the sandbox's process
	p.cmd.Dir = dir
	p.cmd.Stderr = &p.stderr
	p.cmd.ExtraFiles = []*os.File{exe, memory, asks, hears}
	p.cmd.Cancel = answers.Close // the program in the sandbox ends its commands, and reports
	p.cmd.WaitDelay = 2 * killDelay
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// space returns the limit of the root file system: no more than is free.
func (o *supervisor) space(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &pathError{"reading the free space of", dir, err}
	}
	free := int64(st.Bavail) * int64(st.Bsize) // the type of Bsize depends on the architecture
	if o.Disk <= 0 || free < o.Disk {
		return max(free, 1), nil
	}
	return o.Disk, nil
}

// memory returns a new file without a name for the root file system. Programs are mapped from
// it, so it cannot be on a file system that is mounted noexec: it is in memory there.
func (o *supervisor) memory(dir string) (f *os.File, inMemory bool, err error) {
	if f, err = os.CreateTemp(dir, "sandbox-*"); err != nil {
		return nil, false, err
	}
	if err := errors.Join(os.Remove(f.Name()), f.Truncate(int64(os.Getpagesize()))); err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	page, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	if err == nil {
		return f, false, errors.Join(unix.Munmap(page), f.Truncate(0))
	}
	f.Close()
	o.Log.Warn("keeping the root file system of the sandbox in memory", "error", &pathError{"mapping programs from files in", dir, err})
	fd, err := unix.MemfdCreate("root", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, false, err
	}
	return os.NewFile(uintptr(fd), "root"), true, nil
}

// enlarge gives a pipe a larger buffer, if it may have one, for fewer switches between processes.
func enlarge(pipe *os.File) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
}

func (p *process) close() {
	p.questions.Close()
	p.answers.Close()
}

// end waits for the sandbox, and returns the error of serving it, or what the sandbox says
// about its end.
func (p *process) end(ctx context.Context, serving error, started bool) error {
	p.close()
	kill := time.AfterFunc(2*killDelay, func() { _ = p.cmd.Process.Kill() })
	err := errors.Join(p.cmd.Wait(), os.RemoveAll(p.dir))
	kill.Stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if serving == nil {
		return nil
	}
	text := strings.TrimSpace(p.stderr.String())
	if !errors.Is(serving, io.EOF) && !errors.Is(serving, io.ErrUnexpectedEOF) && !errors.Is(serving, syscall.EPIPE) {
		return serving
	}
	if text == "" && err != nil {
		text = err.Error()
	}
	if started {
		return fmt.Errorf("the sandbox ended early: %s", text)
	}
	text, _, _ = strings.Cut(text, "\n\ngoroutine ") // of a kernel that gives up
	return fmt.Errorf("%w: %s; it takes Linux 4.8 or later, and a seccomp profile that permits ptrace, seccomp and memfd_create, as docker's does",
		ErrNoSandbox, cmp.Or(text, "it ended early"))
}

// serve answers questions until the report arrives.
func (o *supervisor) serve(ctx context.Context) (*report, error) {
	for {
		kind, body, err := o.receive()
		if err != nil {
			return nil, err
		}
		o.talked = true
		switch kind {
		case frameStdout:
			_, _ = o.Stdout.Write(body)
		case frameStderr:
			_, _ = o.Stderr.Write(body)
		case frameLog:
			o.log(ctx, body)
		case frameDone:
			var r report
			return &r, json.Unmarshal(body, &r)
		case frameAsk:
			var q question
			if err := json.Unmarshal(body, &q); err != nil {
				return nil, err
			}
			if err := o.answer(ctx, &q); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("unexpected frame %q", kind)
		}
	}
}

// log passes a record on.
func (o *supervisor) log(ctx context.Context, record []byte) {
	var r struct {
		Level slog.Level
		Msg   string
	}
	var all map[string]any
	decoder := json.NewDecoder(bytes.NewReader(record))
	decoder.UseNumber()
	if json.Unmarshal(record, &r) != nil || decoder.Decode(&all) != nil {
		return
	}
	var attrs []slog.Attr
	for name, value := range all {
		if name != slog.TimeKey && name != slog.LevelKey && name != slog.MessageKey {
			attrs = append(attrs, slog.Any(name, value))
		}
	}
	slices.SortFunc(attrs, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	o.Log.LogAttrs(ctx, r.Level, r.Msg, attrs...)
}

// answer answers a question. An error means that the link is broken; what else goes wrong is
// part of the answer.
func (o *supervisor) answer(ctx context.Context, q *question) error {
	switch {
	case q.Layer != nil:
		return o.sendLayer(*q.Layer)
	case q.Context != nil:
		return o.sendContext(*q.Context)
	case q.Load != "":
		return o.sendEntry(q.Load)
	case q.Get != "":
		return o.download(ctx, q.Get)
	}
	var body io.Reader = bytes.NewReader(nil)
	if q.Save == "" || q.HasLayer {
		f := o.file()
		defer f.Close()
		body = f
	}
	err := o.store(q, body)
	if err != nil {
		_, _ = io.Copy(io.Discard, body)
	}
	return o.reply(err)
}

// reply sends an answer without a file.
func (o *supervisor) reply(err error) error {
	var a answer
	if err != nil {
		a.Error = err.Error()
	}
	return o.sendJSON(frameAnswer, a)
}

// replyFile sends an answer and a file.
func (o *supervisor) replyFile(a answer, r io.Reader) error {
	if err := o.sendJSON(frameAnswer, a); err != nil {
		return err
	}
	return o.sendFile(r)
}

func (o *supervisor) sendLayer(i int) error {
	if i < 0 || i >= len(o.Root.Layers) {
		return o.reply(fmt.Errorf("the image has no layer %d", i))
	}
	r, err := o.Root.Layers[i]()
	if err != nil {
		return o.reply(err)
	}
	defer r.Close()
	return o.replyFile(answer{}, r)
}

func (o *supervisor) sendContext(i int) error {
	if i < 0 || i >= len(o.dockerfiles) {
		return o.reply(fmt.Errorf("there is no Dockerfile %d", i))
	}
	c, err := (&stage{b: o.build, d: o.dockerfiles[i]}).openContext()
	if err != nil {
		return o.reply(err)
	}
	defer c.root.Close()
	if err := o.sendJSON(frameAnswer, answer{}); err != nil {
		return err
	}
	w := &fileWriter{to: &o.link}
	return w.end(packContext(c, w))
}

// entryName matches the names of entries of the cache: a chain, or the content of a cache mount.
var entryName = regexp.MustCompile(`^(mount-)?[0-9a-f]{64}$`)

func (o *supervisor) sendEntry(name string) error {
	if !entryName.MatchString(name) || o.build.store == nil {
		return o.reply(fmt.Errorf("%q cannot be an entry of the layer cache", name))
	}
	e, file, ok := o.entry(name)
	if !ok {
		return o.replyFile(answer{}, bytes.NewReader(nil))
	}
	if file == "" {
		return o.replyFile(answer{Found: true, Entry: e}, bytes.NewReader(nil))
	}
	f, err := openRegular(file)
	if err != nil {
		return o.reply(err)
	}
	defer f.Close()
	return o.replyFile(answer{Found: true, Entry: e, HasLayer: true}, f)
}

func (o *supervisor) entry(name string) (e entry, file string, ok bool) {
	if !strings.HasPrefix(name, "mount-") {
		if e, ok = o.build.store.load(chain(name)); ok && e.file != "" {
			o.files[e.DiffID] = e.file
		}
		return e, e.file, ok
	}
	dir := filepath.Join(o.build.store.dir, name)
	if checkPrivate(dir) != nil {
		return e, "", false
	}
	return e, filepath.Join(dir, layerFile), true
}

// store stores an entry of the cache, or a layer that is not cached.
func (o *supervisor) store(q *question, content io.Reader) error {
	dir := o.Spool
	cached := q.Save != ""
	if cached {
		if !entryName.MatchString(q.Save) || o.build.store == nil {
			return fmt.Errorf("%q cannot be an entry of the layer cache", q.Save)
		}
		dir = o.build.store.spool(dir)
	}
	if cached && q.IDs != nil {
		o.build.store.saveIDs(chain(q.Save), q.IDs[0], q.IDs[1])
		return nil
	}
	if cached && !q.HasLayer {
		o.build.store.save(chain(q.Save), &Layer{})
		return nil
	}
	file, digest, _, err := spool(dir, "layer-*.tar", func(w io.Writer) error {
		n, err := io.CopyBuffer(onlyWriter{w}, onlyReader{o.limited(content)}, make([]byte, abi.Chunk))
		o.received += n
		if err == nil && o.Disk > 0 && o.received > o.Disk {
			err = fmt.Errorf("the layers exceed the limit of %d bytes: %w", o.Disk, unix.ENOSPC)
		}
		return err
	})
	if err != nil {
		return err
	}
	if strings.HasPrefix(q.Save, "mount-") {
		return o.build.store.saveMount(q.Save, file)
	}
	l := &Layer{diffID: digest, file: file}
	if cached {
		o.build.store.save(chain(q.Save), l)
	}
	o.files[digest] = l.file
	return nil
}

// limited returns a reader of little more than the layers may still have.
func (o *supervisor) limited(r io.Reader) io.Reader {
	if o.Disk <= 0 {
		return r
	}
	return io.LimitReader(r, o.Disk-o.received+1)
}

// download answers with what a URL has.
func (o *supervisor) download(ctx context.Context, url string) error {
	if o.NoNetwork {
		return o.reply(errNoNetwork)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return o.reply(err)
	}
	resp, err := o.Client.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*neturl.Error](err); ok {
			err = wrapped.Err // the client inside names the URL
		}
		return o.reply(err)
	}
	defer resp.Body.Close()
	return o.replyFile(answer{Status: resp.StatusCode, StatusText: resp.Status, LastModified: resp.Header.Get("Last-Modified")}, resp.Body)
}

//go:build linux

package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// guestName is the name (os.Args[0]) of this program in a sandbox.
const guestName = "baseplan-sandboxed"

// The file systems of a sandbox. Everything that can grow is below workDir, whose size is
// limited.
const (
	workDir  = "/work"
	rootDir  = workDir + "/root"
	cacheDir = workDir + "/cache"
	spoolDir = workDir + "/spool"
	etcDir   = workDir + "/etc" // /etc is a link to it
)

// A guest is the side in the sandbox of the link to the [Applier] outside.
type guest struct {
	link
	turn     sync.Mutex // one question at a time
	contexts map[int]string
}

// runGuest does the job of the [Applier] outside.
func runGuest() {
	closeOnExec()
	in := &guest{link: link{in: os.NewFile(abi.AnswersFD, "answers"), out: os.NewFile(abi.QuestionsFD, "questions")}, contexts: map[int]string{}}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		waitHangUp(abi.AnswersFD)
		cancel()
	}()
	r, err := in.work(ctx)
	if r == nil {
		r = &report{}
	}
	r.Failure = failureOf(err)
	if err := in.sendJSON(frameDone, r); err != nil {
		fmt.Fprintln(os.Stderr, "reporting to the parent process:", err)
	}
}

// waitHangUp returns when the other end of a pipe is closed, without reading from it.
func waitHangUp(pipe int) {
	for {
		polled := []unix.PollFd{{Fd: int32(pipe)}}
		if _, err := unix.Poll(polled, -1); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (in *guest) work(ctx context.Context) (*report, error) {
	var j job
	if err := in.receiveJSON(frameJob, &j); err != nil {
		return nil, fmt.Errorf("reading the job: %w", err)
	}
	for _, dir := range []string{cacheDir, spoolDir, etcDir, filepath.Join(workDir, "app")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
	}
	for name, content := range map[string][]byte{"hosts": j.Hosts, "resolv.conf": j.Resolv} {
		if content == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(etcDir, name), content, 0o644); err != nil {
			return nil, err
		}
	}
	a := in.applier(&j)
	if j.Test {
		return nil, a.try(ctx)
	}
	var files []*extensions.Dockerfile
	for i := range j.Dockerfiles {
		files = append(files, whole(j.Dockerfiles[i]))
	}
	result, err := a.Apply(ctx, files, j.Config)
	if err != nil {
		return nil, err
	}
	r := &report{Config: result.Config, Author: result.Author, Executed: result.Executed}
	for _, l := range result.Layers {
		r.Layers = append(r.Layers, reported{Extension: l.Extension, Instruction: l.Instruction, Cached: l.Cached, DiffID: l.diffID})
	}
	return r, nil
}

func (in *guest) applier(j *job) *Applier {
	a := &Applier{
		Root:  Root{Dir: rootDir, Exclude: j.Exclude},
		Image: j.Image, Digest: j.Digest, BuildID: j.BuildID, TTL: j.TTL,
		Spool: spoolDir, Env: j.Env, NoNetwork: j.NoNetwork,
		Client: &http.Client{Transport: in},
		Stdout: frameWriter{&in.link, frameStdout}, Stderr: frameWriter{&in.link, frameStderr},
		Log:   slog.New(slog.NewJSONHandler(frameWriter{&in.link, frameLog}, &slog.HandlerOptions{Level: j.Level})),
		guest: in,
	}
	if j.OneOutput {
		a.Stderr = a.Stdout
	}
	if j.Cached {
		a.Cache = cacheDir
	}
	for i := range j.Layers {
		a.Root.Layers = append(a.Root.Layers, func() (io.ReadCloser, error) {
			return in.ask(question{Layer: &i}, nil)
		})
	}
	return a
}

// try finds out whether a command can be run in an isolated root.
func (a *Applier) try(ctx context.Context) error {
	file := filepath.Join(a.Spool, "test")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chown(file, 1, 1), os.Remove(file)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args, cmd.Env = []string{testName}, []string{}
	return cmd.Run()
}

// testName is the name (os.Args[0]) of a process that ends at once.
const testName = "baseplan-test"

// A frameWriter sends output as frames.
type frameWriter struct {
	to   *link
	kind byte
}

func (w frameWriter) Write(p []byte) (int, error) { return w.to.sendParts(w.kind, p) }

// ask asks for a file. It must be closed before the next question.
func (in *guest) ask(q question, to *answer) (io.ReadCloser, error) {
	in.turn.Lock()
	a, err := in.exchange(q)
	if err != nil {
		in.turn.Unlock()
		return nil, err
	}
	if to != nil {
		*to = *a
	}
	return &asked{file: in.file(), turn: &in.turn}, nil
}

// An asked file ends the turn when it is closed.
type asked struct {
	file *fileReader
	turn *sync.Mutex
	once sync.Once
}

func (a *asked) Read(p []byte) (int, error) { return a.file.Read(p) }

func (a *asked) Close() error {
	err := a.file.Close()
	a.once.Do(a.turn.Unlock)
	return err
}

// exchange asks a question whose answer has no file.
func (in *guest) exchange(q question) (*answer, error) {
	if err := in.sendJSON(frameAsk, q); err != nil {
		return nil, err
	}
	return in.answer()
}

func (in *guest) answer() (*answer, error) {
	var a answer
	if err := in.receiveJSON(frameAnswer, &a); err != nil {
		return nil, err
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return &a, nil
}

// give hands over a file, and removes it.
func (in *guest) give(q question, name string) error {
	in.turn.Lock()
	defer in.turn.Unlock()
	if err := in.sendJSON(frameAsk, q); err != nil {
		return err
	}
	var sending error
	if name != "" {
		sending = in.giveFile(name)
	}
	_, err := in.answer()
	if err = errors.Join(sending, err); err == nil && name != "" {
		err = os.Remove(name) // what is refused is still needed here
	}
	return err
}

func (in *guest) giveFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return errors.Join(err, (&fileWriter{to: &in.link}).end(err))
	}
	return errors.Join(in.sendFile(f), f.Close())
}

// keep hands over a layer that is not cached.
func (in *guest) keep(l *Layer) error {
	return in.give(question{Keep: l.diffID.String()}, l.file)
}

// load brings an entry of the cache into the store of this sandbox, if there is one.
func (in *guest) load(s *store, name string) error {
	var a answer
	body, err := in.ask(question{Load: name}, &a)
	if err != nil {
		return err
	}
	defer body.Close()
	if !a.Found {
		return nil
	}
	dir := filepath.Join(s.dir, name)
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return err
	}
	content, err := json.Marshal(a.Entry)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, entryFile), content, 0o600); err != nil {
		return err
	}
	if !a.HasLayer {
		return nil
	}
	f, err := os.Create(filepath.Join(dir, layerFile))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

// save hands over an entry of the store of this sandbox, and removes its layer.
func (in *guest) save(s *store, name string, ids *[2]int) error {
	q := question{Save: name, IDs: ids}
	file := filepath.Join(s.dir, name, layerFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		file = ""
	} else if err != nil {
		return err
	}
	q.HasLayer = file != ""
	return in.give(q, file)
}

// context returns a copy of the build context of a Dockerfile.
func (in *guest) context(i int) (string, error) {
	if dir, ok := in.contexts[i]; ok {
		return dir, nil
	}
	body, err := in.ask(question{Context: &i}, nil)
	if err != nil {
		return "", err
	}
	defer body.Close()
	dir := filepath.Join(workDir, "context-"+strconv.Itoa(i))
	if err := unpackContext(body, dir); err != nil {
		return "", err
	}
	in.contexts[i] = dir
	return dir, nil
}

// RoundTrip downloads a URL through the Applier outside, which has the certificates.
func (in *guest) RoundTrip(req *http.Request) (*http.Response, error) {
	var a answer
	body, err := in.ask(question{Get: req.URL.String()}, &a)
	if err != nil {
		return nil, err
	}
	resp := &http.Response{StatusCode: a.Status, Status: a.StatusText, Header: http.Header{}, Body: body, Request: req, ContentLength: -1}
	if a.LastModified != "" {
		resp.Header.Set("Last-Modified", a.LastModified)
	}
	return resp, nil
}

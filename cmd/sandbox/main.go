//go:build linux && (amd64 || arm64)

// Command sandbox runs one program in a Linux kernel in user space (gVisor's sentry), without
// any privilege. The program is root there, and has an empty file system of its own.
//
// It is started by [apply.Sandbox], with these descriptors: 3 is the program; 4 an empty file
// that holds the content of /work; 5 and 6 are pipes that become the program's 3 and 4. All
// other files, processes and variables of this machine are out of its reach.
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/cpuid"
	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/metric"
	"gvisor.dev/gvisor/pkg/ring0"
	_ "gvisor.dev/gvisor/pkg/sentry/platform/systrap" // the one platform that needs neither ptrace nor KVM
	"gvisor.dev/gvisor/runsc/boot"
	"gvisor.dev/gvisor/runsc/config"
	"gvisor.dev/gvisor/runsc/specutils"
	"gvisor.dev/gvisor/runsc/starttime"

	"github.com/baseplan/baseplan/extensions/apply/abi"
)

// emptyRoot is the root file system: an EROFS image with the mount points and a link
// from /etc to a directory of /work. gVisor's loader wants a root that is EROFS or served by a process of its own.
//
//go:generate ./mkroot root.erofs
//go:embed root.erofs
var emptyRoot []byte

// id is the name of the only container in the sandbox.
const id = "sandbox"

type options struct {
	disk, memory int64
	noNetwork    bool
	inMemory     bool
	debug        bool
	args         []string
}

func main() {
	var o options
	flag.Int64Var(&o.disk, "disk", 0, "`bytes` that may be written; 0: any number")
	flag.Int64Var(&o.memory, "memory", 0, "`bytes` of memory for all processes and the kernel together; 0: any number")
	flag.BoolVar(&o.inMemory, "root-in-memory", false, "the file of the root file system is in memory, too")
	flag.BoolVar(&o.noNetwork, "no-network", false, "without a network")
	flag.BoolVar(&o.debug, "debug", false, "log what the sandbox does")
	flag.Parse()
	o.args = flag.Args()
	status, err := o.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

// run starts the sandbox and waits for the program. It returns the program's exit code.
func (o *options) run() (int, error) {
	if len(o.args) == 0 {
		return 0, fmt.Errorf("no program given: this command is started by the lifecycle")
	}
	if page := unix.Getpagesize(); page != 4096 {
		return 0, fmt.Errorf("pages of %d bytes are not supported; only those of 4096 are", page)
	}
	// The sandbox must not survive the process that started it.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return 0, err
	}
	o.setUpLog()
	addCalls()
	cpuid.Initialize()
	ring0.InitDefault()
	conf, err := o.config()
	if err != nil {
		return 0, err
	}
	var inMemory []int
	if o.inMemory {
		root, err := unix.FcntlInt(abi.MemoryFD, unix.F_DUPFD_CLOEXEC, abi.SecondPipeFD+1)
		if err != nil {
			return 0, err
		}
		inMemory = append(inMemory, root)
	}
	loader, err := o.newLoader(conf)
	if err != nil {
		return 0, err
	}
	fd, err := memoryFile()
	if err != nil {
		return 0, err
	}
	debug.SetMemoryLimit(maxKernel * 3 / 4) // collects garbage before the limit is reached
	go o.watchMemory(append(inMemory, fd))
	// From here on, only what the filter of system calls permits is possible.
	loader.WaitForStartSignal()
	if err := loader.Run(); err != nil {
		return 0, err
	}
	status := loader.WaitExit()
	if status.Signaled() {
		return 128 + int(status.TerminationSignal()), nil
	}
	return int(status.ExitStatus()), nil
}

// newLoader returns a loader that has been told to start.
func (o *options) newLoader(conf *config.Config) (*boot.Loader, error) {
	control, err := newControl()
	if err != nil {
		return nil, fmt.Errorf("creating the control socket: %w", err)
	}
	args, err := o.bootArgs(conf, control.fd)
	if err != nil {
		return nil, err
	}
	loader, err := boot.New(*args)
	if err != nil {
		return nil, err
	}
	metric.Initialize()
	return loader, control.start()
}

func (o *options) setUpLog() {
	to := io.Discard
	if o.debug {
		to = os.Stderr
		log.SetLevel(log.Debug)
	}
	log.SetTarget(&log.GoogleEmitter{Writer: &log.Writer{Next: to}})
}

// config returns gVisor's configuration. It is made from flags alone.
func (o *options) config() (*config.Config, error) {
	flags := flag.NewFlagSet("runsc", flag.ContinueOnError)
	config.RegisterFlags(flags)
	args := []string{"-platform=systrap", "-network=host", "-directfs=false", "-host-uds=none", "-host-fifo=none", "-overlay2=none", "-rootless"}
	if o.noNetwork {
		args[1] = "-network=none"
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	return config.NewFromFlags(flags)
}

// minProcessors is the smallest number of processors in the sandbox. On a machine with two, installing a package with
// apt-get takes 1.7 times as long as in an isolated root if the sandbox has two, 1.3 times if it has four or eight.
const minProcessors = 4

func (o *options) bootArgs(conf *config.Config, control int) (*boot.Args, error) {
	root, err := memFile("root", emptyRoot)
	if err != nil {
		return nil, err
	}
	args := &boot.Args{
		ID: id, Spec: o.spec(), Conf: conf,
		ControllerFD: control,
		GoferFDs:     []int{root},
		PassFDs:      []boot.FDMapping{{Guest: abi.QuestionsFD, Host: abi.FirstPipeFD}, {Guest: abi.AnswersFD, Host: abi.SecondPipeFD}},
		ExecFD:       abi.ProgramFD,
		// The root is EROFS; /work is a tmpfs whose content is in the file of the parent.
		GoferMountConfs: []specutils.GoferMountConf{
			{Lower: specutils.Erofs, Upper: specutils.NoOverlay},
			{Lower: specutils.NoneLower, Upper: specutils.AnonOverlay},
		},
		GoferFilestoreFDs: []int{abi.MemoryFD},
		NumCPU:            max(minProcessors, runtime.NumCPU()),
		StartupTimer:      starttime.Timer("sandbox"),
		DevGoferFD:        -1, PinRingFD: -1, UserLogFD: -1, PodInitConfigFD: -1, RootfsUpperTarFD: -1,
	}
	if o.memory > 0 {
		args.TotalMem = uint64(o.memory)
	}
	for fd := range 3 {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, abi.SecondPipeFD+1)
		if err != nil {
			return nil, fmt.Errorf("duplicating descriptor %d: %w", fd, err)
		}
		args.StdioFDs = append(args.StdioFDs, dup)
	}
	return args, nil
}

// memFile returns the descriptor of a file in memory.
func memFile(name string, content []byte) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return 0, fmt.Errorf("creating a file in memory: %w", err)
	}
	if _, err := unix.Write(fd, content); err != nil {
		return 0, fmt.Errorf("writing a file in memory: %w", err)
	}
	return fd, nil
}

// memoryFile returns the descriptor of the file that holds the memory of all processes in the sandbox.
func memoryFile() (int, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.Contains(to, "memfd:runsc-memory") {
			return strconv.Atoi(e.Name())
		}
	}
	return 0, errors.New("the memory of the sandbox is not among the open files")
}

// maxKernel is the size that the kernel's own objects may have: every file, process and socket is some.
const maxKernel = 1 << 30

// watchMemory ends the sandbox when its processes, or the kernel on their behalf, take too much memory, which files in
// memory hold.
func (o *options) watchMemory(files []int) {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for range time.Tick(20 * time.Millisecond) {
		metrics.Read(heap)
		kernel := int64(heap[0].Value.Uint64())
		if kernel > maxKernel {
			exceeded("the files and processes of the commands take more than %d bytes of the kernel's memory", maxKernel)
		}
		used := kernel
		for _, fd := range files {
			var st unix.Stat_t
			if unix.Fstat(fd, &st) == nil {
				used += st.Blocks * 512
			}
		}
		if o.memory > 0 && used > o.memory {
			exceeded("the commands take more than %d bytes of memory", o.memory)
		}
	}
}

func exceeded(format string, limit int64) {
	fmt.Fprintf(os.Stderr, "sandbox: "+format+"\n", limit)
	os.Exit(1)
}

// Command launcher starts a process of an app image: /cnb/process/TYPE [ARG...], or
// /cnb/lifecycle/launcher [--] COMMAND [ARG...].
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/lifecycle/fail"
	"github.com/baseplan/baseplan/lifecycle/launch"
)

func main() {
	err := run()
	fmt.Fprintf(os.Stderr, "ERROR: failed to launch: %v\n", err)
	os.Exit(int(fail.CodeOf(err)))
}

// run replaces the launcher by the process. It returns only if that fails.
func run() error {
	mode := api.DeprecationMode(os.Getenv("CNB_DEPRECATION_MODE"))
	version, warning, err := api.Platform.Check(os.Getenv("CNB_PLATFORM_API"), "the platform (CNB_PLATFORM_API)", mode)
	if err != nil {
		return err
	}
	if warning != "" {
		warn(warning)
	}
	warnProcessType()
	app, err := dir("CNB_APP_DIR", "/workspace")
	if err != nil {
		return err
	}
	layers, err := dir("CNB_LAYERS_DIR", "/layers")
	if err != nil {
		return err
	}
	l := launch.Launcher{
		API: version, App: app, Layers: layers, ExecEnv: os.Getenv("CNB_EXEC_ENV"), Environ: os.Environ(),
		Deprecation: mode, Warn: warn,
	}
	return l.Run(os.Args[0], os.Args[1:])
}

// warnProcessType warns if CNB_PROCESS_TYPE, which no longer selects the process, names another one.
func warnProcessType() {
	requested := os.Getenv("CNB_PROCESS_TYPE")
	if requested != "" && requested != filepath.Base(os.Args[0]) {
		warn(fmt.Sprintf("CNB_PROCESS_TYPE=%s is ignored: to start that process, use /cnb/process/%[1]s as the entrypoint", requested))
	}
}

func dir(variable, def string) (string, error) {
	path := os.Getenv(variable)
	if path == "" {
		path = def
	}
	path, err := filepath.Abs(path)
	return path, fail.As(fail.Launch, "reading "+variable, err)
}

func warn(text string) { fmt.Fprintln(os.Stderr, "Warning: "+text) }

package cli

import (
	"cmp"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// variable returns the name of the environment variable for a flag.
func variable(flag string) string {
	return "BASEPLAN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// setFromEnv sets the flags that the arguments do not set from the environment. A flag of the
// arguments also overrides the variables of those that exclude it.
func (c *Console) setFromEnv(cmd *cobra.Command) error {
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value := c.env(variable(f.Name))
		if _, only := f.Annotations[onlyFlag]; only || value == "" || f.Changed || excluded(cmd, f) || failed != nil {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			failed = fmt.Errorf("%s: %w", variable(f.Name), err)
		}
	})
	return failed
}

// onlyFlag annotates a flag that no variable sets: the variable has another meaning for other commands.
const onlyFlag = "baseplan-only-flag"

// excluded reports whether a flag that is set excludes this one.
func excluded(cmd *cobra.Command, f *pflag.Flag) bool {
	for _, group := range f.Annotations["cobra_annotation_mutually_exclusive"] {
		if slices.ContainsFunc(strings.Fields(group), cmd.Flags().Changed) {
			return true
		}
	}
	return false
}

// cacheDir returns the directory for the packages of layers: the flag's, or one in the user's
// cache directory (XDG Base Directory Specification); empty if there is none.
func (c *Console) cacheDir(flag string) string {
	dir := cmp.Or(flag, c.userCacheDir())
	if dir == "none" {
		return ""
	}
	return dir
}

func (c *Console) userCacheDir() string {
	home := c.env("HOME")
	switch dir := c.env("XDG_CACHE_HOME"); {
	case filepath.IsAbs(dir): // others are to be ignored
		return filepath.Join(dir, "baseplan")
	case runtime.GOOS == "windows" && c.env("LocalAppData") != "":
		return filepath.Join(c.env("LocalAppData"), "baseplan")
	case runtime.GOOS == "windows" || home == "":
		return ""
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Caches", "baseplan")
	default:
		return filepath.Join(home, ".cache", "baseplan")
	}
}

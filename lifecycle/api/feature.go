package api

// A Feature is a difference between versions of an API, named for what is there while it holds.
type Feature struct {
	Since Version // the first version that has it
	Until Version // the first version that no longer has it; zero: all later ones have it
}

// In tells whether version v has the feature.
func (f Feature) In(v Version) bool {
	return v.Compare(f.Since) >= 0 && (f.Until.IsZero() || v.Compare(f.Until) < 0)
}

// Differences between versions of the Platform API.
var (
	// UserArgsReplace: user-provided arguments replace a process's default ones.
	UserArgsReplace = Feature{Since: Version{0, 10}}
	// CommandList: metadata.toml has a process's command as a list.
	CommandList = Feature{Since: Version{0, 10}}
	// ProcessExecEnv: the launcher chooses among processes by CNB_EXEC_ENV.
	ProcessExecEnv = Feature{Since: Version{0, 15}}
)

// Differences between versions of the Buildpack API.
var (
	// DefaultArgs: a process's args are defaults, its command is a list and needs no shell.
	DefaultArgs = Feature{Since: Version{0, 9}}
	// LaunchExecEnv: launch.toml may restrict a process to execution environments.
	LaunchExecEnv = Feature{Since: Version{0, 12}}
)

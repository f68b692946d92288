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
	// LegacyBOM: the label io.buildpacks.build.metadata and report.toml have the Bill-of-Materials of older buildpacks.
	LegacyBOM = Feature{Until: Version{0, 9}}
	// MetadataBOM: metadata.toml has it, too.
	MetadataBOM = Feature{Until: Version{0, 8}}
	// LegacySBOM: it is in sbom.legacy.json.
	LegacySBOM = Feature{Since: Version{0, 9}}
	// SBOM: buildpacks' SBOM files are kept.
	SBOM = Feature{Since: Version{0, 8}}
	// SourceDateEpoch: the platform chooses when an app image was created.
	SourceDateEpoch = Feature{Since: Version{0, 9}}
	// StoreOnSkip: a creator that restores nothing still restores store.toml.
	StoreOnSkip = Feature{Since: Version{0, 9}}
	// LifecycleSBOM: the SBOMs of lifecycle and launcher are kept with those of buildpacks.
	LifecycleSBOM = Feature{Since: Version{0, 11}}
	// History: app images tell of each layer how it was created.
	History = Feature{Since: Version{0, 12}}
	// TargetData: images have targets, which buildpacks are matched with; run.toml replaces stack.toml.
	TargetData = Feature{Since: Version{0, 12}}
	// Extensions: image extensions take part in detection.
	Extensions = Feature{Since: Version{0, 10}}
	// ExtensionsStable: they are no experiment any more.
	ExtensionsStable = Feature{Since: Version{0, 13}}
	// RunImageExtension: run.Dockerfiles may do more than switch the run image.
	RunImageExtension = Feature{Since: Version{0, 12}}
	// GeneratedByExtension: <generated> has a folder for each extension; before, one for each image.
	GeneratedByExtension = Feature{Since: Version{0, 13}}
	// SafeRebase: the rebaser refuses run images for other targets or of other names, and images that say they are not rebasable.
	SafeRebase = Feature{Since: Version{0, 12}}
	// ExecEnv: builds are for an execution environment.
	ExecEnv = Feature{Since: Version{0, 15}}
	// ProcessExecEnv: the launcher chooses among processes by CNB_EXEC_ENV.
	ProcessExecEnv = Feature{Since: Version{0, 15}}
)

// Differences between versions of the Buildpack API.
var (
	// PathVariables: executables get paths in variables; before, as arguments alone.
	PathVariables = Feature{Since: Version{0, 8}}
	// Targets: buildpack.toml has targets, and executables get CNB_TARGET_* variables.
	Targets = Feature{Since: Version{0, 10}}
	// BOM: launch.toml and build.toml have a Bill-of-Materials of their own format.
	BOM = Feature{Until: Version{0, 9}}
	// WorkingDir: launch.toml may give a process a working directory.
	WorkingDir = Feature{Since: Version{0, 8}}
	// DefaultArgs: a process's args are defaults, its command is a list and needs no shell.
	DefaultArgs = Feature{Since: Version{0, 9}}
	// CacheAlone: a cached launch layer is restored whatever is in the previous image; before, only one that is in it.
	CacheAlone = Feature{Since: Version{0, 12}}
	// LaunchExecEnv: launch.toml may restrict a process to execution environments.
	LaunchExecEnv = Feature{Since: Version{0, 12}}
)

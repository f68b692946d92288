package api

// A Feature is a behaviour that only some versions of an API have.
type Feature struct {
	Since Version // the first version that has it
	Until Version // the first version without it; zero: all later versions have it
}

// In reports whether version v has the feature.
func (f Feature) In(v Version) bool {
	return v.Compare(f.Since) >= 0 && (f.Until.IsZero() || v.Compare(f.Until) < 0)
}

// Differences between versions of the Platform API.
var (
	// UserArgsReplace: the user's arguments replace a process's default arguments.
	UserArgsReplace = Feature{Since: Version{0, 10}}
	// CommandList: a process's command is a list in metadata.toml.
	CommandList = Feature{Since: Version{0, 10}}
	// LegacyBOM: the label io.buildpacks.build.metadata and report.toml hold the Bill-of-Materials of older buildpacks.
	LegacyBOM = Feature{Until: Version{0, 9}}
	// MetadataBOM: metadata.toml holds the legacy Bill-of-Materials.
	MetadataBOM = Feature{Until: Version{0, 8}}
	// LegacySBOM: sbom.legacy.json holds the legacy Bill-of-Materials.
	LegacySBOM = Feature{Since: Version{0, 9}}
	// SBOM: the SBOM files of buildpacks are exported.
	SBOM = Feature{Since: Version{0, 8}}
	// SourceDateEpoch: the platform sets the creation time of app images.
	SourceDateEpoch = Feature{Since: Version{0, 9}}
	// StoreOnSkip: the creator restores store.toml even if it skips restoring layers.
	StoreOnSkip = Feature{Since: Version{0, 9}}
	// LifecycleSBOM: the SBOMs of lifecycle and launcher are exported with those of buildpacks.
	LifecycleSBOM = Feature{Since: Version{0, 11}}
	// History: app images have a history entry for each layer.
	History = Feature{Since: Version{0, 12}}
	// TargetData: buildpacks are matched with the targets of images; run.toml replaces stack.toml.
	TargetData = Feature{Since: Version{0, 12}}
	// Extensions: image extensions take part in detection.
	Extensions = Feature{Since: Version{0, 10}}
	// ExtensionsStable: image extensions are no longer experimental.
	ExtensionsStable = Feature{Since: Version{0, 13}}
	// RunImageExtension: a run.Dockerfile may do more than switch the run image.
	RunImageExtension = Feature{Since: Version{0, 12}}
	// GeneratedByExtension: <generated> has a directory for each extension, not for each image.
	GeneratedByExtension = Feature{Since: Version{0, 13}}
	// SafeRebase: the rebaser refuses run images with another target or name, and images labelled as not rebasable.
	SafeRebase = Feature{Since: Version{0, 12}}
	// ExecEnv: builds have an execution environment.
	ExecEnv = Feature{Since: Version{0, 15}}
	// ProcessExecEnv: the launcher chooses processes by CNB_EXEC_ENV.
	ProcessExecEnv = Feature{Since: Version{0, 15}}
)

// Differences between versions of the Buildpack API.
var (
	// PathVariables: executables get paths in environment variables, not only as arguments.
	PathVariables = Feature{Since: Version{0, 8}}
	// Targets: buildpack.toml has targets, and executables get CNB_TARGET_* variables.
	Targets = Feature{Since: Version{0, 10}}
	// BOM: launch.toml and build.toml may hold a legacy Bill-of-Materials.
	BOM = Feature{Until: Version{0, 9}}
	// WorkingDir: launch.toml may set a process's working directory.
	WorkingDir = Feature{Since: Version{0, 8}}
	// DefaultArgs: a process's args are defaults, its command is a list, and it runs without a shell.
	DefaultArgs = Feature{Since: Version{0, 9}}
	// CacheAlone: a cached launch layer is restored even if the previous image does not have it.
	CacheAlone = Feature{Since: Version{0, 12}}
	// LaunchExecEnv: launch.toml may limit a process to execution environments.
	LaunchExecEnv = Feature{Since: Version{0, 12}}
)

package platform

import (
	"slices"

	"github.com/baseplan/baseplan/lifecycle/api"
	"github.com/baseplan/baseplan/sbom/reference"
)

// An input is a setting that a platform can pass to a phase.
type input struct {
	flag, env, def string
	in             Phase
	from, until    uint // minor versions of the Platform API, until is exclusive; 0: unlimited
	early          bool // the flag is accepted before from as well, with the same meaning
	to             func(*Inputs) setter
	help           string
}

func (r input) since(v api.Version) bool {
	return v.Minor >= r.from && (r.until == 0 || v.Minor < r.until)
}

// versions describes the Platform API versions that have the input.
func (r input) versions() string {
	if r.until != 0 {
		return "versions before " + api.Version{Minor: r.until}.String()
	}
	return api.Version{Minor: r.from}.String() + " and later"
}

const all = Analyze | Detect | Restore | Extend | Build | Export | Create | Rebase

// table has every input of every phase.
var table = slices.Concat(specified, added)

// specified are the inputs of the specification (platform.md, "Inputs" of each phase). Some
// are accepted in more versions than specified, since platforms pass them: -insecure-registry
// in all, and the creator's arguments (docs/compatibility.md, "Platforms").
var specified = []input{
	{flag: "analyzed", env: "CNB_ANALYZED_PATH", def: "<layers>/analyzed.toml", in: Analyze | Restore | Export, to: stringVar(func(i *Inputs) *string { return &i.Analyzed }), help: "path of analyzed.toml"},
	{flag: "analyzed", env: "CNB_ANALYZED_PATH", def: "<layers>/analyzed.toml", in: Detect | Extend, from: 10, to: stringVar(func(i *Inputs) *string { return &i.Analyzed }), help: "path of analyzed.toml"},
	{flag: "analyzed", env: "CNB_ANALYZED_PATH", def: "<layers>/analyzed.toml", in: Build, from: 12, to: stringVar(func(i *Inputs) *string { return &i.Analyzed }), help: "path of analyzed.toml"},
	{env: "CNB_ANALYZED_PATH", def: "<layers>/analyzed.toml", in: Create, to: stringVar(func(i *Inputs) *string { return &i.Analyzed }), help: "path of analyzed.toml"},
	{flag: "app", env: "CNB_APP_DIR", def: "/workspace", in: Detect | Extend | Build | Export | Create, to: stringVar(func(i *Inputs) *string { return &i.App }), help: "directory of the app"},
	{flag: "build-config", env: "CNB_BUILD_CONFIG_DIR", def: "/cnb/build-config", in: Detect | Extend | Build, from: 11, early: true, to: stringVar(func(i *Inputs) *string { return &i.BuildConfig }), help: "directory of the operator's build configuration"},
	{flag: "build-config", env: "CNB_BUILD_CONFIG_DIR", def: "/cnb/build-config", in: Create, to: stringVar(func(i *Inputs) *string { return &i.BuildConfig }), help: "directory of the operator's build configuration"},
	{flag: "build-image", env: "CNB_BUILD_IMAGE", in: Restore, from: 10, to: imageVar(func(i *Inputs) *reference.Reference { return &i.BuildImage }), help: "reference of the build image, required to extend it"},
	{flag: "buildpacks", env: "CNB_BUILDPACKS_DIR", def: "/cnb/buildpacks", in: Detect | Extend | Build | Create, to: stringVar(func(i *Inputs) *string { return &i.Buildpacks }), help: "directory of the buildpacks"},
	{flag: "cache-dir", env: "CNB_CACHE_DIR", in: Restore | Export | Create, to: stringVar(func(i *Inputs) *string { return &i.CacheDir }), help: "directory of the cache"},
	{flag: "cache-image", env: "CNB_CACHE_IMAGE", in: Analyze | Restore | Export | Create, to: imageVar(func(i *Inputs) *reference.Reference { return &i.CacheImage }), help: "reference of the cache image"},
	{flag: "daemon", env: "CNB_USE_DAEMON", in: Analyze | Export | Create | Rebase, to: boolVar(func(i *Inputs) *bool { return &i.Daemon }), help: "the app image is in a docker daemon"},
	{flag: "daemon", env: "CNB_USE_DAEMON", in: Restore, from: 12, to: boolVar(func(i *Inputs) *bool { return &i.Daemon }), help: "the run image is in a docker daemon"},
	{flag: "extended", env: "CNB_EXTENDED_DIR", def: "<layers>/extended", in: Extend | Export, from: 12, to: stringVar(func(i *Inputs) *string { return &i.Extended }), help: "directory of the extended run image"},
	{flag: "extended", env: "CNB_EXTENDED_DIR", def: "<layers>/extended", in: Create, to: stringVar(func(i *Inputs) *string { return &i.Extended }), help: "directory of the extended run image"},
	{flag: "extensions", env: "CNB_EXTENSIONS_DIR", def: "/cnb/extensions", in: Detect, from: 10, to: stringVar(func(i *Inputs) *string { return &i.Extensions }), help: "directory of the image extensions"},
	{flag: "extensions", env: "CNB_EXTENSIONS_DIR", def: "/cnb/extensions", in: Create, to: stringVar(func(i *Inputs) *string { return &i.Extensions }), help: "directory of the image extensions"},
	{flag: "force", env: "CNB_FORCE_REBASE", in: Rebase, from: 12, early: true, to: boolVar(func(i *Inputs) *bool { return &i.Force }), help: "rebase even if the run image does not allow it"},
	{flag: "generated", env: "CNB_GENERATED_DIR", def: "<layers>/generated", in: Detect | Restore | Extend | Export, from: 10, to: stringVar(func(i *Inputs) *string { return &i.Generated }), help: "directory of the generated Dockerfiles"},
	{flag: "generated", env: "CNB_GENERATED_DIR", def: "<layers>/generated", in: Create, to: stringVar(func(i *Inputs) *string { return &i.Generated }), help: "directory of the generated Dockerfiles"},
	{flag: "gid", env: "CNB_GROUP_ID", in: Analyze | Restore | Extend | Export | Create | Rebase, to: idVar(func(i *Inputs) *int { return &i.GID }), help: "primary group ID of the build image's user"},
	{flag: "group", env: "CNB_GROUP_PATH", def: "<layers>/group.toml", in: Detect | Restore | Extend | Build | Export, to: stringVar(func(i *Inputs) *string { return &i.Group }), help: "path of group.toml"},
	{env: "CNB_GROUP_PATH", def: "<layers>/group.toml", in: Create, to: stringVar(func(i *Inputs) *string { return &i.Group }), help: "path of group.toml"},
	{flag: "insecure-registry", env: "CNB_INSECURE_REGISTRIES", in: Analyze | Restore | Export | Create | Rebase, to: listVar(func(i *Inputs) *[]string { return &i.Insecure }), help: "registry (host or host/path) to access over HTTP, or HTTPS without verifying its certificate (repeatable)"},
	{flag: "kaniko-cache-ttl", env: "CNB_KANIKO_CACHE_TTL", def: "336h", in: Extend, from: 10, to: func(i *Inputs) setter { return duration{&i.KanikoCacheTTL} }, help: "how long layers in the extender's cache are valid"},
	{flag: "kaniko-cache-ttl", env: "CNB_KANIKO_CACHE_TTL", def: "336h", in: Create, to: func(i *Inputs) setter { return duration{&i.KanikoCacheTTL} }, help: "how long layers in the extender's cache are valid"},
	{flag: "kaniko-dir", env: "CNB_KANIKO_DIR", def: "/kaniko", in: Restore | Extend | Export, from: 10, to: stringVar(func(i *Inputs) *string { return &i.KanikoDir }), help: "directory of the extender's cache"},
	{flag: "kaniko-dir", env: "CNB_KANIKO_DIR", def: "/kaniko", in: Create, to: stringVar(func(i *Inputs) *string { return &i.KanikoDir }), help: "directory of the extender's cache"},
	{flag: "kind", env: "CNB_EXTEND_KIND", def: "build", in: Extend, from: 10, to: choiceVar(func(i *Inputs) *string { return &i.Kind }, "build", "run"), help: "the image to extend: build or run"},
	{flag: "launch-cache", env: "CNB_LAUNCH_CACHE_DIR", in: Analyze, from: 9, early: true, to: stringVar(func(i *Inputs) *string { return &i.LaunchCache }), help: "directory of the cache of launch layers"},
	{flag: "launch-cache", env: "CNB_LAUNCH_CACHE_DIR", in: Export | Create, to: stringVar(func(i *Inputs) *string { return &i.LaunchCache }), help: "directory of the cache of launch layers"},
	{flag: "launcher", def: "/cnb/lifecycle/launcher", in: Export | Create, to: stringVar(func(i *Inputs) *string { return &i.Launcher }), help: "path of the launcher"},
	{flag: "launcher-sbom", def: "/cnb/lifecycle", in: Export, from: 11, early: true, to: stringVar(func(i *Inputs) *string { return &i.LauncherSBOM }), help: "directory of the launcher's SBOMs"},
	{flag: "launcher-sbom", def: "/cnb/lifecycle", in: Create, to: stringVar(func(i *Inputs) *string { return &i.LauncherSBOM }), help: "directory of the launcher's SBOMs"},
	{flag: "layers", env: "CNB_LAYERS_DIR", def: "/layers", in: all &^ Rebase, to: stringVar(func(i *Inputs) *string { return &i.Layers }), help: "directory of the layers"},
	{env: "CNB_LAYERS_DIR", def: "/layers", in: Rebase, to: stringVar(func(i *Inputs) *string { return &i.Layers }), help: "directory of the layers"},
	{flag: "layout", env: "CNB_USE_LAYOUT", in: Analyze | Restore | Export, from: 12, to: boolVar(func(i *Inputs) *bool { return &i.Layout }), help: "read and write images as OCI layouts on disk"},
	{flag: "layout", env: "CNB_USE_LAYOUT", in: Create, to: boolVar(func(i *Inputs) *bool { return &i.Layout }), help: "read and write images as OCI layouts on disk"},
	{flag: "layout-dir", env: "CNB_LAYOUT_DIR", in: Analyze | Restore | Export, from: 12, to: stringVar(func(i *Inputs) *string { return &i.LayoutDir }), help: "directory of the OCI layouts"},
	{flag: "layout-dir", env: "CNB_LAYOUT_DIR", in: Create, to: stringVar(func(i *Inputs) *string { return &i.LayoutDir }), help: "directory of the OCI layouts"},
	{flag: "log-level", env: "CNB_LOG_LEVEL", def: "info", in: all, to: choiceVar(func(i *Inputs) *string { return &i.LogLevel }, "debug", "info", "warn", "error"), help: "debug, info, warn or error"},
	{flag: "no-color", env: "CNB_NO_COLOR", in: all, to: boolVar(func(i *Inputs) *bool { return &i.NoColor }), help: "print no colors"},
	{flag: "order", env: "CNB_ORDER_PATH", in: Detect | Create, to: stringVar(func(i *Inputs) *string { return &i.Order }), help: "path of order.toml (default <layers>/order.toml if present, or /cnb/order.toml)"},
	{flag: "parallel", env: "CNB_PARALLEL_EXPORT", in: Export, from: 13, early: true, to: boolVar(func(i *Inputs) *bool { return &i.Parallel }), help: "export the app image and the cache in parallel"},
	{flag: "parallel", env: "CNB_PARALLEL_EXPORT", in: Create, to: boolVar(func(i *Inputs) *bool { return &i.Parallel }), help: "export the app image and the cache in parallel"},
	{flag: "plan", env: "CNB_PLAN_PATH", def: "<layers>/plan.toml", in: Detect | Extend | Build, to: stringVar(func(i *Inputs) *string { return &i.Plan }), help: "path of plan.toml"},
	{env: "CNB_PLAN_PATH", def: "<layers>/plan.toml", in: Create, to: stringVar(func(i *Inputs) *string { return &i.Plan }), help: "path of plan.toml"},
	{flag: "platform", env: "CNB_PLATFORM_DIR", def: "/platform", in: Detect | Extend | Build | Create, to: stringVar(func(i *Inputs) *string { return &i.Platform }), help: "directory of the platform"},
	{flag: "previous-image", env: "CNB_PREVIOUS_IMAGE", in: Analyze | Create, to: imageVar(func(i *Inputs) *reference.Reference { return &i.PreviousImage }), help: "the image of the previous build (default IMAGE)"},
	{flag: "previous-image", in: Rebase, from: 11, to: imageVar(func(i *Inputs) *reference.Reference { return &i.PreviousImage }), help: "the image to rebase (default IMAGE)"},
	{flag: "process-type", env: "CNB_PROCESS_TYPE", in: Export | Create, to: stringVar(func(i *Inputs) *string { return &i.ProcessType }), help: "default process type of the app image"},
	{flag: "project-metadata", env: "CNB_PROJECT_METADATA_PATH", def: "<layers>/project-metadata.toml", in: Export | Create, to: stringVar(func(i *Inputs) *string { return &i.ProjectMetadata }), help: "path of project-metadata.toml"},
	{flag: "report", env: "CNB_REPORT_PATH", def: "<layers>/report.toml", in: Export | Create | Rebase, to: stringVar(func(i *Inputs) *string { return &i.Report }), help: "path of report.toml"},
	{flag: "run", env: "CNB_RUN_PATH", def: "/cnb/run.toml", in: Analyze | Detect | Export | Create, from: 12, to: stringVar(func(i *Inputs) *string { return &i.Run }), help: "path of run.toml"},
	{flag: "run", env: "CNB_RUN_PATH", def: "/cnb/run.toml", in: Restore, from: 14, to: stringVar(func(i *Inputs) *string { return &i.Run }), help: "path of run.toml"},
	{flag: "run-image", env: "CNB_RUN_IMAGE", in: Analyze | Create | Rebase, to: imageVar(func(i *Inputs) *reference.Reference { return &i.RunImage }), help: "reference of the run image (default from run.toml; rebaser: from IMAGE)"},
	{flag: "image", env: "CNB_RUN_IMAGE", in: Rebase, to: imageVar(func(i *Inputs) *reference.Reference { return &i.RunImage }), help: "deprecated alias of -run-image"},
	{flag: "skip-layers", env: "CNB_SKIP_LAYERS", in: Analyze, to: boolVar(func(i *Inputs) *bool { return &i.SkipLayers }), help: "do not restore the SBOM layer of the previous image"},
	{flag: "skip-layers", env: "CNB_SKIP_LAYERS", in: Restore, to: boolVar(func(i *Inputs) *bool { return &i.SkipLayers }), help: "restore no layers"},
	{flag: "skip-restore", env: "CNB_SKIP_RESTORE", in: Create, to: boolVar(func(i *Inputs) *bool { return &i.SkipRestore }), help: "restore only store.toml (before Platform API 0.9: nothing)"},
	{env: "CNB_SKIP_SBOM", in: Analyze | Restore | Export | Create, to: boolVar(func(i *Inputs) *bool { return &i.SkipSBOM }), help: "neither create nor restore SBOM layers"},
	{flag: "stack", env: "CNB_STACK_PATH", def: "/cnb/stack.toml", in: Analyze | Export | Create, until: 12, to: stringVar(func(i *Inputs) *string { return &i.Stack }), help: "path of stack.toml"},
	{flag: "system", env: "CNB_SYSTEM_PATH", def: "/cnb/system.toml", in: Detect | Create, from: 15, to: stringVar(func(i *Inputs) *string { return &i.System }), help: "path of system.toml"},
	{flag: "tag", in: Analyze | Create, to: func(i *Inputs) setter { return imageNames{&i.Images} }, help: "additional name of the app image (repeatable)"},
	{flag: "uid", env: "CNB_USER_ID", in: Analyze | Restore | Extend | Export | Create | Rebase, to: idVar(func(i *Inputs) *int { return &i.UID }), help: "ID of the build image's user"},
	{flag: "version", in: all, to: boolVar(func(i *Inputs) *bool { return &i.Version }), help: "print the version"},
	{env: "CNB_EXEC_ENV", def: "production", in: Analyze | Detect | Restore | Extend | Build | Export | Create, from: 15, to: stringVar(func(i *Inputs) *string { return &i.ExecEnv }), help: "execution environment"},
	{env: "CNB_REGISTRY_AUTH", in: Analyze | Restore | Export | Create | Rebase, to: stringVar(func(i *Inputs) *string { return &i.RegistryAuth }), help: "JSON object of Authorization headers (Basic, Bearer, X-Identity) by registry or repository"},
	{env: "CNB_EXPERIMENTAL_MODE", in: all, to: choiceVar(func(i *Inputs) *string { return (*string)(&i.Experimental) }, "warn", "silent", "error"), help: "what to do about experimental features: warn, silent, error"},
	{env: "SOURCE_DATE_EPOCH", in: Export | Create, from: 9, to: func(i *Inputs) setter { return moment{&i.Epoch} }, help: "creation time of the app image, in seconds since 1970"},
}

// added are baseplan's inputs (docs/design.md, "Policy").
var added = []input{
	{flag: "run-sbom-policy", env: "CNB_RUN_SBOM", in: Analyze | Detect | Restore | Create, to: choiceVar(func(i *Inputs) *string { return (*string)(&i.RunSBOM) }, allowed["run-sbom"]...), help: "where the run image's inventory may come from: auto, generate, attached, off (default from baseplan.toml, else auto)"},
	{env: "CNB_RUN_SBOM", in: Extend | Export, to: choiceVar(func(i *Inputs) *string { return (*string)(&i.RunSBOM) }, allowed["run-sbom"]...), help: "where the run image's inventory may come from: auto, generate, attached, off (default from baseplan.toml, else auto)"},
	{flag: "run-sbom", env: "CNB_RUN_SBOM_PATH", in: Analyze | Restore | Create, to: stringVar(func(i *Inputs) *string { return &i.RunSBOMPath }), help: "SBOM of the run image, or a directory of SBOMs by image digest"},
	{flag: "run-sbom-key", env: "CNB_RUN_SBOM_KEY", in: Analyze | Restore | Create | Rebase, to: listVar(func(i *Inputs) *[]string { return &i.RunSBOMKeys }), help: "public key, as PEM or path; attached SBOMs must be signed with one of the keys (repeatable)"},
	{env: "CNB_TRUSTED_ROOT", in: Analyze | Restore | Create | Rebase, to: stringVar(func(i *Inputs) *string { return &i.TrustedRoot }), help: "file with Sigstore's trusted root, for the identities in baseplan.toml (default from baseplan.toml)"},
	{env: "CNB_RUN_IMAGE_PROOF", in: Detect | Restore | Create, to: choiceVar(func(i *Inputs) *string { return &i.RunImageProof }, allowed["proof"]...), help: "proof required to skip a Dockerfile: plan, installs, effect, strict (default from baseplan.toml, else installs)"},
	{flag: "baseplan", env: "CNB_BASEPLAN_PATH", def: "/cnb/baseplan.toml", in: Analyze | Detect | Restore | Extend | Create | Rebase, to: stringVar(func(i *Inputs) *string { return &i.Settings }), help: "path of the operator's baseplan.toml"},
	{env: "CNB_RUN_IMAGE_SELECTION", in: Create, to: choiceVar(func(i *Inputs) *string { return &i.Selection }, allowed["select"]...), help: "switch to another image of run.toml if that makes extending it unnecessary: auto, off (default from baseplan.toml, else off)"},
	{env: "CNB_RUN_IMAGE_CATALOG", in: Create, to: func(i *Inputs) setter { return registryName{&i.Catalog} }, help: "catalog of run images in a registry, to choose from besides run.toml if CNB_RUN_IMAGE_SELECTION is auto (default from baseplan.toml, else none)"},
	{env: "CNB_EXTEND_IN_CREATOR", in: Extend | Create, to: choiceVar(func(i *Inputs) *string { return &i.ExtendInCreate }, allowed["extend-in-creator"]...), help: "how to apply Dockerfiles in the creator: auto, never, root, sandbox (default from baseplan.toml, else auto); the extender takes never for auto"},
	{env: "CNB_EXTEND_NETWORK", in: Extend | Create, to: choiceVar(func(i *Inputs) *string { return &i.ExtendNetwork }, allowed["extend-network"]...), help: "network of the commands in Dockerfiles: host, none (default from baseplan.toml, else host)"},
	{env: "CNB_EXTEND_DISK", def: "20G", in: Extend | Create, to: func(i *Inputs) setter { return byteSize{&i.ExtendDisk} }, help: "size that the run image and what its Dockerfiles write may have in a sandbox, such as 20G"},
	{env: "CNB_EXTEND_MEMORY", in: Extend | Create, to: func(i *Inputs) setter { return byteSize{&i.ExtendMemory} }, help: "memory of all commands in a sandbox together, such as 500M (default unlimited)"},
	{flag: "report-file", env: "CNB_METRICS_PATH", in: all, to: func(i *Inputs) setter { return metricsName{&i.MetricsFile} }, help: "file for metrics of the phase: OpenMetrics text (.prom, .txt) or JSON lines (.jsonl); <phase> in it is the name of the phase"},
	{env: "CNB_REBASE_CHECK", in: Rebase, to: choiceVar(func(i *Inputs) *string { return &i.RebaseCheck }, "fail", "warn", "off"), help: "what to do if the new run image lacks a requirement of the app: fail, warn, off (default fail)"},
}

func stringVar(field func(*Inputs) *string) func(*Inputs) setter {
	return func(i *Inputs) setter { return text{field(i)} }
}

func boolVar(field func(*Inputs) *bool) func(*Inputs) setter {
	return func(i *Inputs) setter { return boolean{field(i)} }
}

func idVar(field func(*Inputs) *int) func(*Inputs) setter {
	return func(i *Inputs) setter { return number{field(i)} }
}

func listVar(field func(*Inputs) *[]string) func(*Inputs) setter {
	return func(i *Inputs) setter { return &list{to: field(i)} }
}

func imageVar(field func(*Inputs) *reference.Reference) func(*Inputs) setter {
	return func(i *Inputs) setter { return imageName{field(i)} }
}

func choiceVar(field func(*Inputs) *string, of ...string) func(*Inputs) setter {
	return func(i *Inputs) setter { return choice{field(i), of} }
}

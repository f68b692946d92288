package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/sbom/attach"
)

const filesHead = `# Files and labels

The files and labels that baseplan adds to those of the specification. Each file has a version. Readers reject a newer major version with an error and
ignore unknown keys. Files are written atomically (to a temporary file, which is then renamed), with mode 0644. Paths are relative to
` + "`<layers>`" + ` unless they begin with a slash. The key ` + "`a[].b`" + ` is the key ` + "`b`" + ` of each table ` + "`[[a]]`" + `.

| file or label | written by | read by |
|---|---|---|
`

// A described is one file or label on the page.
type described struct {
	name        string
	writer      string
	reader      string
	about       string
	typ, format string // struct type ("platform.Resolution") and the struct tag for its keys; empty: no keys of ours
	sample      string
	language    string // of the sample
}

// filesPage returns docs/reference/files.md.
func filesPage(root string) (string, error) {
	all, err := descriptions(root)
	if err != nil {
		return "", err
	}
	src, err := readSource(root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(filesHead)
	for _, d := range all {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s |\n", d.name, anchor(d.name), d.writer, d.reader)
	}
	for _, d := range all {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s\n", d.name, d.about)
		if d.sample != "" {
			fmt.Fprintf(&b, "\n```%s\n%s\n```\n", d.language, strings.TrimSpace(d.sample))
		}
		if d.typ == "" {
			continue
		}
		keys, err := src.keys(d.typ, d.format, "")
		if err != nil {
			return "", err
		}
		b.WriteString("\n| key | value | meaning |\n|---|---|---|\n")
		for _, k := range keys {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, k.kind, cell(k.meaning))
		}
	}
	return b.String(), nil
}

// anchor returns the link target of a heading, as Markdown viewers generate it.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_':
			return r
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.ToLower(heading))
}

func descriptions(root string) ([]described, error) {
	if err := checkSamples(); err != nil {
		return nil, err
	}
	resolution, names, err := resolved(root)
	searched, err1 := reportSample()
	label, err2 := labelSample()
	written, err3 := writtenSample()
	explained, err4 := explainedSample(resolution)
	listed, err5 := catalogSample()
	measured, err6 := metricsSample(resolution)
	if err := errors.Join(err, err1, err2, err3, err4, err5, err6); err != nil {
		return nil, err
	}
	return []described{
		{
			name: "/cnb/baseplan.toml", writer: "operator, in the builder", reader: "detector, creator, `baseplan`",
			about: "The operator's policy and mapping. `-baseplan` sets another path. Flags and environment variables take precedence over keys of `[policy]`. An entry `[[provides]]` replaces\n" +
				"the built-in entry of that name; with `packages = []`, no image provides the name. In a pattern, `*` matches any characters except a slash, `[0-9]` a digit, and `{version}`\n" +
				"dotted numbers, which become the version. Analyzer and restorer often run without access to this file, so the detector records policy and mapping in `resolution.toml`.",
			typ: "platform.Settings", format: "toml", sample: settingsSample, language: "toml",
		},
		{
			name: "run-image.toml", writer: "analyzer, restorer, creator", reader: "detector, restorer",
			about: "Where the run image's SBOM was searched for and the results, the publisher's declaration, and the parts of the image's configuration that determine whether an instruction\n" +
				"has an effect. The detector judges with this file, since it has no registry access.",
			typ: "platform.RunImageReport", format: "toml", sample: searched, language: "toml",
		},
		{
			name: "run-image.sbom.<ext>", writer: "analyzer, restorer, creator", reader: "detector, extensions",
			about: "The SBOM of the run image, as found or generated: `cdx.json`, `spdx.json` or `syft.json`. `CNB_RUN_IMAGE_SBOM` tells extensions its path; it is unset if no inventory is\nknown.",
		},
		{
			name: "run-image.provides.toml", writer: "detector, creator", reader: "extensions",
			about: "What the run image provides to the build plan, for `bin/detect` and `bin/generate` of extensions. `CNB_RUN_IMAGE_PROVIDES` tells them its path; it is unset if no inventory is known. An extract:",
			typ:   "platform.RunImageProvides", format: "toml", sample: names, language: "toml",
		},
		{
			name: "resolution.toml", writer: "detector, restorer, creator", reader: "restorer, extender, exporter, `baseplan`",
			about: "How the build plan was resolved, and the verdict on each Dockerfile. Without this file, later phases behave like any other lifecycle.",
			typ:   "platform.Resolution", format: "toml", sample: resolution, language: "toml",
		},
		{
			name: "report.toml", writer: "exporter, creator", reader: "platform",
			about: "The specification's file with an additional table, `[run-image]`. Its keys:",
			typ:   "platform.ReportRunImage", format: "toml", sample: written, language: "toml",
		},
		{
			name: "label " + platform.RequirementsLabel, writer: "exporter, creator", reader: "rebaser, `baseplan rebase-check`",
			about: "What an app image relies on in its run image, so that another run image can be checked without the builder. It contains no installed versions, so it stays valid after a rebase.\nAbsent if the app relies on nothing.",
			typ:   "platform.Requirements", format: "json", sample: label, language: "json",
		},
		{
			name: "label " + platform.ResolutionLabel, writer: "exporter, creator, rebaser", reader: "`baseplan explain`",
			about: "How the build plan of an app image was resolved, for people: a part of `resolution.toml`. Absent if neither extensions nor the run image's inventory took part in the build, or if run image SBOMs are\n" +
				"disabled. A rebase keeps it and adds `rebased`; the verdicts are those of the build. It has at most 8192 bytes; what does not fit is cut and counted. Everybody who can pull the image can read it,\n" +
				"so it has no build args, environment variables, other metadata of the plan, or file paths. Of a Dockerfile it has no text: reasons keep the words of baseplan's own messages and the names of\n" +
				"packages, and have `…` instead of all other words.",
			typ: "platform.Explanation", format: "json", sample: explained, language: "json",
		},
		{
			name: "label " + attach.ProvidesLabel, writer: "image publisher", reader: "analyzer, creator, `baseplan`",
			about: "What a base image provides beyond its packages. The same JSON can be attached as a referrer of type `" + attach.DeclarationType + "`, which takes precedence over the label. The\n" +
				"inventory must confirm all evidence of an entry, or the entry is rejected with a warning: a package URL by type, namespace, name and, if given, version; a file by its owner or\n" +
				"its presence.",
			typ: "provides.Declaration", format: "json", sample: declarationSample, language: "json",
		},
		{
			name: "names.toml", writer: "image publisher", reader: "`baseplan sbom publish --promise`",
			about: "What every image of a publisher must provide, under any file name. If an image does not provide a name in a version that the constraint allows, `baseplan sbom publish` writes nothing.\n" +
				"Names are those of `baseplan provides`. Unknown keys are errors.",
			typ: "platform.Promise", format: "toml", sample: promiseSample, language: "toml",
		},
		{
			name: "label " + attach.SBOMLabel, writer: "image publisher, `baseplan sbom attach --as layer`", reader: "analyzer, restorer, creator, rebaser, `baseplan`",
			about: "The diff ID of the layer that holds the image's SBOM, `/cnb/sbom/*.{cdx,spdx,syft}.json`. It is used only if that layer is the image's last.",
		},
		{
			name: "catalog of run images", writer: "`baseplan catalog push`", reader: "creator, `baseplan select`, `baseplan catalog show`",
			about: "What the run images of an operator provide, so that one can be chosen without reading the inventory of each: an artifact in a registry of type `" + catalog.Type + "`,\n" +
				"with one layer of that type, this JSON. Packages are listed once, with the images that have them; what they provide follows from them as from an SBOM, by the mapping of whoever reads the catalog.\n" +
				"Times and the order of the images have no influence on it, so the same images have the same digest. A signature is one over the artifact's manifest, as `cosign sign` makes it.",
			typ: "catalog.File", format: "json", sample: listed, language: "json",
		},
		{
			name: "<cache-dir>/run-image/<algorithm>-<hex>.json", writer: "restorer, creator", reader: "restorer, creator",
			about: "A generated inventory as Syft JSON, named by the digest of the image, next to `committed` and `staging` of the build cache. Only the newest are kept.",
		},
		{
			name: "file of -report-file", writer: "every phase", reader: "platform",
			about: "What a phase did and how long it took, if `-report-file` or `CNB_METRICS_PATH` names a file; a failure to write it is a warning. With the extension `.prom` or `.txt` it is OpenMetrics text of gauges,\n" +
				"`baseplan_…` with the label `phase` (see [the operator's tutorial](../tutorials/operator.md#metrics)). With `.jsonl` it has one JSON object for each phase:",
			typ: "platform.MetricsLine", format: "json", sample: measured, language: "json",
		},
		{
			name: "extension.toml", writer: "extension author", reader: "detector, creator, `baseplan`",
			about:  "The specification's file. With this key, the extension's Dockerfiles are always applied:",
			sample: "[metadata.baseplan]\nalways-apply = true", language: "toml",
		},
	}, nil
}

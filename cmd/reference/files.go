package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/sbom/attach"
)

const filesHead = `# Files and labels

What baseplan adds to the files and labels of the specification. Every file has a version: a reader refuses a newer major version with a message, and
ignores keys that it does not know. Files are written whole or not at all (a temporary file, then a rename), with mode 0644. Paths are
relative to ` + "`<layers>`" + ` unless they begin with a slash. A key written ` + "`a[].b`" + ` is the key ` + "`b`" + ` of each table ` + "`[[a]]`" + `.

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
	if err := errors.Join(err, err1, err2, err3); err != nil {
		return nil, err
	}
	return []described{
		{
			name: "/cnb/baseplan.toml", writer: "operator, in the builder", reader: "detector, creator, `baseplan`",
			about: "The operator's policy and mapping; another path with `-baseplan`. A flag or a variable wins over a key of `[policy]`. An entry `[[provides]]` replaces the built-in one of\n" +
				"that name; with `packages = []` the image does not provide the name. In a pattern, `*` stands for anything but a slash, `[0-9]` for a digit, and `{version}` for dotted\n" +
				"numbers, which then are the version. Analyzer and restorer often run where this file is not: the detector records policy and mapping in `resolution.toml`.",
			typ: "platform.Settings", format: "toml", sample: settingsSample, language: "toml",
		},
		{
			name: "run-image.toml", writer: "analyzer, restorer, creator", reader: "detector, restorer",
			about: "Where the run image's SBOM was looked for and what came of it, the publisher's declaration, and what of the image's configuration decides whether an instruction has an\n" +
				"effect. The detector reaches no registry: it judges with this.",
			typ: "platform.RunImageReport", format: "toml", sample: searched, language: "toml",
		},
		{
			name: "run-image.sbom.<ext>", writer: "analyzer, restorer, creator", reader: "detector, extensions",
			about: "The SBOM of the run image as it was found, or generated: `cdx.json`, `spdx.json` or `syft.json`. Extensions find its path in `CNB_RUN_IMAGE_SBOM`, which is unset where no\ninventory is known.",
		},
		{
			name: "run-image.provides.toml", writer: "detector, creator", reader: "extensions",
			about: "What the run image provides to the build plan, for `bin/detect` and `bin/generate` of extensions: `CNB_RUN_IMAGE_PROVIDES` is its path, and is unset where no inventory is known. An extract:",
			typ:   "platform.RunImageProvides", format: "toml", sample: names, language: "toml",
		},
		{
			name: "resolution.toml", writer: "detector, restorer, creator", reader: "restorer, extender, exporter, `baseplan`",
			about: "How the build plan was resolved, and what became of each Dockerfile. Without it, later phases do nothing of baseplan's.",
			typ:   "platform.Resolution", format: "toml", sample: resolution, language: "toml",
		},
		{
			name: "report.toml", writer: "exporter, creator", reader: "platform",
			about: "The specification's file with one more table, `[run-image]`; its keys:",
			typ:   "platform.ReportRunImage", format: "toml", sample: written, language: "toml",
		},
		{
			name: "label " + platform.RequirementsLabel, writer: "exporter, creator", reader: "rebaser, `baseplan rebase-check`",
			about: "What an app image relies on in its run image, so that it can be judged again without the builder. No version of today is in it: it stays true after a rebase. Absent where the app\nrelies on nothing.",
			typ:   "platform.Requirements", format: "json", sample: label, language: "json",
		},
		{
			name: "label " + attach.ProvidesLabel, writer: "image publisher", reader: "analyzer, creator, `baseplan`",
			about: "What a base image provides beyond its packages. The same JSON can be attached as a referrer of type `" + attach.DeclarationType + "`, which wins over the label. Every evidence of\n" +
				"an entry must be backed by the inventory, or the entry is refused with a warning: a package URL by type, namespace, name and, if spelled, version; a file by its owner or its presence.",
			typ: "provides.Declaration", format: "json", sample: declarationSample, language: "json",
		},
		{
			name: "label " + attach.SBOMLabel, writer: "image publisher, `baseplan sbom attach --as layer`", reader: "analyzer, restorer, creator, rebaser, `baseplan`",
			about: "The diff ID of the layer that holds the image's SBOM, `/cnb/sbom/*.{cdx,spdx,syft}.json`. It is believed only if that layer is the image's last one.",
		},
		{
			name: "<cache-dir>/run-image/<algorithm>-<hex>.json", writer: "restorer, creator", reader: "restorer, creator",
			about: "A generated inventory as Syft JSON, by the digest of the image. It stands beside `committed` and `staging` of the build cache; the newest are kept.",
		},
		{
			name: "extension.toml", writer: "extension author", reader: "detector, creator, `baseplan`",
			about:  "The specification's file. With this key, the extension's Dockerfiles are applied whatever can be proved:",
			sample: "[metadata.baseplan]\nalways-apply = true", language: "toml",
		},
	}, nil
}

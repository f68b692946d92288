package cli

// Documents returns an empty document of every kind that commands print with --output json,
// by its kind. cmd/reference makes their schema of it.
func Documents() map[string]any {
	return map[string]any{
		"advice":         adviseDocument{},
		"answers":        answersDocument{},
		"attached":       attachedDocument{},
		"catalog":        catalogDocument{},
		"catalog-pushed": pushedDocument{},
		"changes":        changes{},
		"check":          checkDocument{},
		"copied":         copiedDocument{},
		"debug":          message{},
		"diff":           diffDocument{},
		"error":          message{},
		"explanation":    resolveDocument{},
		"inventory":      inventory{},
		"platforms":      platformsDocument{},
		"policy":         policyDocument{},
		"policy-check":   policyCheckDocument{},
		"provides":       providesDocument{},
		"prune":          pruneDocument{},
		"pruned":         prunedDocument{},
		"published":      publishDocument{},
		"rebase-check":   rebaseCheckDocument{},
		"resolution":     resolveDocument{},
		"sboms":          carriedDocument{},
		"selection":      selectDocument{},
		"version":        versionDocument{},
		"warning":        message{},
	}
}

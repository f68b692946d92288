package credentials

// Headers tells of all that is wrong with CNB_REGISTRY_AUTH.
func Headers(value string, warn func(string)) {
	for _, h := range parseAuth(value) {
		if h.wrong != "" {
			warn(h.wrong)
		}
	}
}

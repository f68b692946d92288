package credentials

import "testing"

// TestCloudRegistries holds which registries a cloud's own keychain is asked
// for: asking it for others would look for a metadata service, or hand it a name
// that is none of its business.
func TestCloudRegistries(t *testing.T) {
	for host, want := range map[string]string{
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com":       "amazon",
		"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com": "amazon",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":      "amazon",
		"public.ecr.aws":   "amazon",
		"acme.azurecr.io":  "azure",
		"acme.azurecr.cn":  "azure",
		"registry.example": "",
		"dkr.ecr.eu-central-1.amazonaws.com.example":           "",
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil": "",
		"azurecr.io.example":                                   "",
	} {
		got := ""
		switch {
		case amazonHosts.MatchString(host):
			got = "amazon"
		case azureHosts.MatchString(host):
			got = "azure"
		}
		if got != want {
			t.Errorf("%s: asked %q, want %q", host, got, want)
		}
	}
}

package sigstore_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/baseplan/baseplan/sbom/keyless"
	"github.com/baseplan/baseplan/sbom/keyless/keylesstest"
	"github.com/baseplan/baseplan/sbom/keyless/sigstore"
)

const (
	issuer  = "https://token.actions.example"
	subject = "https://github.example/acme/run-images/.github/workflows/publish.yml@refs/heads/main"
)

var digest = "sha256:" + strings.Repeat("1", 64)

// TestVerify changes one thing of a good bundle at a time.
func TestVerify(t *testing.T) {
	ours, theirs := keylesstest.New(), keylesstest.New()
	signed := func(s keylesstest.Signing) []byte {
		t.Helper()
		s.Issuer, s.Subject = issuer, subject
		statement := keylesstest.Statement("https://cyclonedx.org/bom", map[string]string{"bomFormat": "CycloneDX"}, digest)
		return ours.Sign(statement, s)
	}
	request := func(bundle []byte) keyless.Request {
		return keyless.Request{TrustedRoot: ours.TrustedRoot(), Bundle: bundle, Digest: digest}
	}
	good := signed(keylesstest.Signing{})
	for name, r := range map[string]keyless.Request{
		"logged":               request(good),
		"logged and timed":     request(signed(keylesstest.Signing{Timestamp: ours})),
		"several subjects":     request(several(ours)),
		"late, but still good": request(signed(keylesstest.Signing{LoggedAfter: 9 * time.Minute})),
	} {
		got, err := sigstore.Verify(t.Context(), r)
		if want := (keyless.Signer{Issuer: issuer, Subject: subject}); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	for name, c := range map[string]struct {
		request keyless.Request
		want    string
	}{
		"certificate of another authority":  {request(signed(keylesstest.Signing{Certificate: theirs, SCT: ours, Log: ours})), "failed to verify leaf certificate"},
		"no SCT":                            {request(signed(keylesstest.Signing{NoSCT: true})), "signed certificate timestamp"},
		"SCT of another log":                {request(signed(keylesstest.Signing{SCT: theirs})), "signed certificate timestamp"},
		"no entry in the log":               {request(signed(keylesstest.Signing{NoLog: true, Timestamp: ours})), "log inclusion"},
		"entry in another log":              {request(signed(keylesstest.Signing{Log: theirs})), "log inclusion"},
		"entry of another signature":        {request(signed(keylesstest.Signing{OtherEntry: true})), "log inclusion"},
		"logged when no longer valid":       {request(signed(keylesstest.Signing{LoggedAfter: 11 * time.Minute})), "outside certificate validity"},
		"logged when not yet valid":         {request(signed(keylesstest.Signing{LoggedAfter: -time.Minute})), "outside certificate validity"},
		"no time":                           {request(signed(keylesstest.Signing{NoLoggedTime: true})), ""},
		"timestamp of another authority":    {request(signed(keylesstest.Signing{NoLoggedTime: true, Timestamp: theirs})), ""},
		"about another digest":              {keyless.Request{TrustedRoot: ours.TrustedRoot(), Bundle: good, Digest: "sha256:" + strings.Repeat("2", 64)}, "does not match"},
		"changed statement":                 {request(bytes.Replace(good, []byte(`"payload":"`), []byte(`"payload":"IA`), 1)), ""},
		"another's trusted root":            {keyless.Request{TrustedRoot: theirs.TrustedRoot(), Bundle: good, Digest: digest}, ""},
		"trusted root that is not one":      {keyless.Request{TrustedRoot: []byte("{}"), Bundle: good, Digest: digest}, "reading the trusted root"},
		"bundle that is not one":            {request([]byte("{}")), "reading the bundle"},
		"digest that is not one":            {keyless.Request{TrustedRoot: ours.TrustedRoot(), Bundle: good, Digest: "sha256:"}, "reading digest"},
		"digest of an algorithm of no use":  {keyless.Request{TrustedRoot: ours.TrustedRoot(), Bundle: good, Digest: "crc:00"}, ""},
		"digest of the same length but sum": {keyless.Request{TrustedRoot: ours.TrustedRoot(), Bundle: good, Digest: "sha512:" + strings.Repeat("1", 64)}, ""},
	} {
		if got, err := sigstore.Verify(t.Context(), c.request); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", name, got, err, c.want)
		}
	}
}

func several(a *keylesstest.Authority) []byte {
	statement := keylesstest.Statement("https://spdx.dev/Document", map[string]string{}, "sha256:"+strings.Repeat("0", 64), digest)
	return a.Sign(statement, keylesstest.Signing{Issuer: issuer, Subject: subject})
}

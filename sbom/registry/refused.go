package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// A RefusedError is a response with [Status] 401 or 403.
type RefusedError struct {
	Advice string // why, or what to do
	Err    error
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%v (%s)", e.Err, e.Advice) }

// Unwrap returns the error of the library.
func (e *RefusedError) Unwrap() error { return e.Err }

// Refused returns a [RefusedError] if a registry refused access to the repository, and other
// errors as they are. Errors of a [Client.Repository] are of that type already.
func (c *Client) Refused(r name.Repository, err error) error {
	status := Status(err)
	if _, done := errors.AsType[*RefusedError](err); done || status != http.StatusUnauthorized && status != http.StatusForbidden {
		return err
	}
	why := ""
	if k, ok := c.Keychain.(interface{ Reason(authn.Resource) string }); ok {
		why = k.Reason(r)
	}
	advice := "the credentials do not allow access"
	switch {
	case status == http.StatusUnauthorized && why != "":
		advice = "no credentials: " + why
	case why != "":
		advice = "no access without credentials: " + why
	case status == http.StatusUnauthorized:
		advice = "credentials are missing or wrong; see CNB_REGISTRY_AUTH and docker's config.json"
	}
	return &RefusedError{advice, err}
}

// Status returns the status of the response that an error of one of the libraries is about; 0: none.
func Status(err error) int {
	if e, ok := errors.AsType[*transport.Error](err); ok {
		return e.StatusCode
	}
	if e, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		return e.StatusCode
	}
	if errors.Is(err, auth.ErrBasicCredentialNotFound) {
		return http.StatusUnauthorized
	}
	return 0
}

var (
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)?[^\s/@"':]+:[^\s/@"']+@([^\s/@:"']+[.:/])`)
	queries  = regexp.MustCompile(`\?[^\s"']+`)
)

// Redact hides passwords in front of a host, and the values of queries, which may be tokens.
func Redact(s string) string {
	s = userinfo.ReplaceAllStringFunc(s, func(found string) string {
		if strings.HasSuffix(found, "@sha256:") {
			return found // a tag followed by a digest
		}
		return userinfo.ReplaceAllString(found, "${1}***@${2}")
	})
	return queries.ReplaceAllStringFunc(s, func(q string) string {
		values, err := url.ParseQuery(q[1:])
		if err != nil {
			return "?***"
		}
		for k := range values {
			if k != "scope" && k != "service" && k != "path" {
				values[k] = []string{"***"}
			}
		}
		return "?" + values.Encode()
	})
}

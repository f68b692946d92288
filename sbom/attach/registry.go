package attach

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/baseplan/baseplan/sbom/attach/watch"
)

// A repository is one repository of a registry, read within limits. It is
// oras-go's client, which follows pages of referrers, falls back to their tag,
// and keeps credentials at their origin, under go-containerregistry's names and
// keychains.
type repository struct {
	*remote.Repository
	name   name.Repository
	limits Limits
	base   http.RoundTripper
	once   sync.Once
}

func newRepository(n name.Repository, keys authn.Keychain, base http.RoundTripper, limits Limits) *repository {
	if base == nil {
		base = ggcr.DefaultTransport
	}
	limits = limits.orDefault()
	answers := plainAnswers{
		base:  &retry.Transport{Base: base, Policy: func() retry.Policy { return patience{} }},
		limit: limits.Metadata,
	}
	return &repository{
		name:   n,
		limits: limits,
		base:   base,
		Repository: &remote.Repository{
			Reference:            registry.Reference{Registry: n.RegistryStr(), Repository: n.RepositoryStr()},
			PlainHTTP:            n.Scheme() == "http",
			MaxMetadataBytes:     limits.Metadata,
			ReferrerListMaxPages: limits.Pages,
			TagListPageSize:      1000,
			SkipReferrersGC:      true,
			Client: reasoning{n, keys, &auth.Client{
				Client:     &http.Client{Transport: answers},
				Cache:      auth.NewCache(),
				ClientID:   "baseplan",
				Header:     http.Header{"User-Agent": {"baseplan"}},
				Credential: credentials(n, keys),
			}},
		},
	}
}

// transportFor returns the transport for a repository. It aborts stalled transfers.
func transportFor(r name.Repository, all http.RoundTripper, of func(name.Repository) http.RoundTripper, stall time.Duration) http.RoundTripper {
	if of != nil {
		all = of(r)
	}
	return watch.Transport{Next: all, Limit: stall}
}

// A reasoner is a keychain that knows why it has no credentials for a repository.
type reasoner interface {
	Reason(authn.Resource) string
}

func reason(keys authn.Keychain, r name.Repository) string {
	if k, ok := keys.(reasoner); ok {
		return k.Reason(r)
	}
	return ""
}

// withReason adds the reason for missing credentials to a 401 response.
func withReason(keys authn.Keychain, r name.Repository, err error) error {
	t, ok := errors.AsType[*transport.Error](err)
	if why := reason(keys, r); ok && t.StatusCode == http.StatusUnauthorized && why != "" {
		return fmt.Errorf("%w (no credentials: %s)", err, why)
	}
	return err
}

// A deniedError is a 401 response where credentials could not be read.
type deniedError struct{ why string }

func (e *deniedError) Error() string {
	return "the registry answers 401, and there are no credentials: " + e.why
}

// reasoning converts a 401 response to an error with the reason for missing
// credentials, if known.
type reasoning struct {
	name name.Repository
	keys authn.Keychain
	*auth.Client
}

// Do implements [remote.Client].
func (c reasoning) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.Client.Do(req)
	answer, isAnswer := errors.AsType[*errcode.ErrorResponse](err) // from the token server
	denied := errors.Is(err, auth.ErrBasicCredentialNotFound) || err == nil && resp.StatusCode == http.StatusUnauthorized ||
		isAnswer && answer.StatusCode == http.StatusUnauthorized
	why := ""
	if denied {
		why = reason(c.keys, c.name)
	}
	if why == "" {
		return resp, err
	}
	if resp != nil {
		resp.Body.Close()
	}
	return nil, &deniedError{why}
}

// dial determines whether a registry that may be accessed over HTTP (on this
// machine, in a private network, or declared insecure) supports TLS, as
// go-containerregistry does. It must be called before the first request.
func (r *repository) dial(ctx context.Context) {
	r.once.Do(func() {
		if !r.PlainHTTP {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, maxWait)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+r.name.RegistryStr()+"/v2/", nil)
		if err != nil {
			return
		}
		if resp, err := r.base.RoundTrip(req); err == nil {
			resp.Body.Close()
			r.PlainHTTP = false
		}
	})
}

// credentials passes a keychain's credentials to oras-go, for the repository's own
// registry only.
func credentials(n name.Repository, keys authn.Keychain) auth.CredentialFunc {
	return func(ctx context.Context, hostport string) (auth.Credential, error) {
		if keys == nil || hostport != n.RegistryStr() {
			return auth.EmptyCredential, nil
		}
		who, err := authn.Resolve(ctx, keys, n)
		if err != nil {
			return auth.EmptyCredential, fmt.Errorf("finding credentials for %s: %w", n.RegistryStr(), err)
		}
		c, err := authn.Authorization(ctx, who)
		if err != nil {
			return auth.EmptyCredential, fmt.Errorf("finding credentials for %s: %w", n.RegistryStr(), err)
		}
		if c.Username == "" && c.Auth != "" {
			if pair, err := base64.StdEncoding.DecodeString(c.Auth); err == nil {
				c.Username, c.Password, _ = strings.Cut(string(pair), ":")
			}
		}
		return auth.Credential{Username: c.Username, Password: c.Password, RefreshToken: c.IdentityToken, AccessToken: c.RegistryToken}, nil
	}
}

// manifest returns a manifest by tag or digest and verifies its digest.
func (r *repository) manifest(ctx context.Context, reference string) (ocispec.Descriptor, []byte, error) {
	desc, body, err := r.FetchReference(ctx, reference)
	if err != nil {
		return desc, nil, err
	}
	defer body.Close()
	if desc.Size > r.limits.Metadata {
		return desc, nil, tooLarge("manifest", desc.Size, r.limits.Metadata)
	}
	data, err := content.ReadAll(body, desc)
	return desc, data, err
}

// blob returns a blob of at most limit bytes and verifies its digest.
func (r *repository) blob(ctx context.Context, desc ocispec.Descriptor, limit int64) ([]byte, error) {
	return r.blobIf(ctx, desc, limit, nil)
}

// blobIf is like blob, but stops and returns nil if the start of the blob is not
// wanted.
func (r *repository) blobIf(ctx context.Context, desc ocispec.Descriptor, limit int64, wanted func(start []byte) bool) ([]byte, error) {
	if desc.Size > limit || desc.Size < 0 {
		return nil, tooLarge("blob", desc.Size, limit)
	}
	if int64(len(desc.Data)) == desc.Size && desc.Digest.Validate() == nil && desc.Digest.Algorithm().FromBytes(desc.Data) == desc.Digest {
		return desc.Data, nil
	}
	body, err := r.Blobs().Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	in := bufio.NewReaderSize(body, peeked)
	if wanted != nil {
		start, err := in.Peek(peeked)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if !wanted(start) {
			return nil, nil
		}
	}
	return content.ReadAll(in, desc)
}

// at formats a digest of this repository for messages.
func (r *repository) at(digest string) string { return r.name.Name() + "@" + digest }

// tagged formats a tag of this repository for messages.
func (r *repository) tagged(tag string) string { return r.name.Name() + ":" + tag }

// digestTag returns the tag for a digest (distribution-spec, "Referrers Tag
// Schema", and cosign's with a suffix).
func digestTag(h v1.Hash, suffix string) string { return h.Algorithm + "-" + h.Hex + suffix }

// patience retries a request up to three times, after the delay that the registry
// requests. It does not retry after long delays.
type patience struct{}

const maxWait = 5 * time.Second

func (patience) Retry(attempt int, resp *http.Response, err error) (time.Duration, error) {
	if attempt >= 3 {
		return -1, nil
	}
	if again, err := retry.DefaultPredicate(resp, err); err != nil || !again {
		return -1, nil //nolint:nilerr // the caller returns the response and error as they are
	}
	wait := retry.DefaultBackoff(attempt, nil)
	if resp != nil {
		if asked, ok := retryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
			wait = asked
		}
	}
	if wait > maxWait {
		return -1, nil
	}
	return wait, nil
}

// retryAfter parses both forms of the header (RFC 9110, section 10.2.3).
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(s) * time.Second, true
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(0, t.Sub(now)), true
	}
	return 0, false
}

// plainAnswers normalizes responses for oras-go: every response without a referrers
// API becomes a 404, media types lose their parameters, and manifests get a length
// (otherwise oras-go would request them twice). Manifests and lists over the limit
// are errors.
type plainAnswers struct {
	base  http.RoundTripper
	limit int64
}

func (p plainAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.base.RoundTrip(req)
	if err != nil || req.Method != http.MethodGet {
		return resp, err
	}
	list := strings.Contains(req.URL.Path, "/referrers/")
	if !list && !strings.Contains(req.URL.Path, "/manifests/") {
		return resp, nil
	}
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		if list {
			resp.StatusCode = http.StatusNotFound
			resp.Body.Close()
			resp.Body = io.NopCloser(strings.NewReader("{}")) // not NAME_UNKNOWN: the image was found, so the name is known
		}
		return resp, nil
	case http.StatusOK:
	default:
		return resp, nil
	}
	if t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil {
		resp.Header.Set("Content-Type", t)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, p.limit+1))
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if size := int64(len(data)); size > p.limit {
		return nil, tooLarge("answer", max(size, resp.ContentLength), p.limit)
	}
	resp.ContentLength = int64(len(data))
	resp.Body = io.NopCloser(bytes.NewReader(data))
	return resp, nil
}

// An unreadableError means that content was received but cannot be used.
type unreadableError struct{ err error }

func (e *unreadableError) Error() string { return e.err.Error() }
func (e *unreadableError) Unwrap() error { return e.err }

func unreadable(format string, args ...any) error {
	return &unreadableError{fmt.Errorf(format, args...)}
}

func tooLarge(what string, size, limit int64) error {
	return unreadable("%s of %s is over the limit of %s", what, bytesOf(size), bytesOf(limit))
}

func bytesOf(n int64) string {
	switch {
	case n < 0:
		return "unknown size"
	case n < 1<<20:
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// explain maps an error to an outcome and a message.
func explain(ctx context.Context, err error) (Outcome, string) {
	if ctx.Err() != nil {
		return Unreachable, context.Cause(ctx).Error()
	}
	if e, ok := errors.AsType[*unreadableError](err); ok {
		return Unreadable, clip(e.Error())
	}
	if e, ok := errors.AsType[*deniedError](err); ok {
		return Unreachable, clip(e.Error())
	}
	if resp, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		said := http.StatusText(resp.StatusCode)
		if len(resp.Errors) > 0 {
			said = clip(resp.Errors.Error())
		}
		return Unreachable, fmt.Sprintf("the registry answers %d: %s", resp.StatusCode, said)
	}
	if errors.Is(err, auth.ErrBasicCredentialNotFound) {
		return Unreachable, "the registry answers 401 and asks for a user name and password, and none are known"
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		where := "the registry"
		if u, err := url.Parse(e.URL); err == nil {
			where = u.Host // a path may be long, a query secret
		}
		return Unreachable, fmt.Sprintf("asking %s: %s", where, clip(e.Err.Error()))
	}
	if isContent(err) {
		return Unreadable, clip(err.Error())
	}
	return Unreachable, clip(err.Error())
}

// isContent reports whether the error is about received content, not about
// receiving it.
func isContent(err error) bool {
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return true
	}
	for _, is := range []error{
		content.ErrMismatchedDigest, content.ErrTrailingData, content.ErrInvalidDescriptorSize,
		digest.ErrDigestInvalidFormat, digest.ErrDigestInvalidLength, digest.ErrDigestUnsupported,
		errdef.ErrSizeExceedsLimit, errdef.ErrNotFound,
	} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// address matches the start of an error of oras-go. Its query may contain a secret.
var address = regexp.MustCompile(`(?:[A-Z]+ )?"https?://[^"]*":? ?`)

// clip shortens a registry's message for a report.
func clip(s string) string {
	s = strings.Join(strings.Fields(address.ReplaceAllString(s, "")), " ")
	if len(s) > 300 {
		return strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

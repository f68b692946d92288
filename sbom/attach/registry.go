package attach

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/baseplan/baseplan/sbom/registry"
)

// A repository is one repository of a registry, read within limits.
type repository struct {
	*registry.Repository
	limits Limits
}

func newRepository(n name.Repository, client *registry.Client, limits Limits) *repository {
	limits = limits.orDefault()
	r := client.Repository(n, func(next http.RoundTripper) http.RoundTripper { return normalizing{next, limits.Metadata} })
	r.MaxMetadataBytes, r.ReferrerListMaxPages, r.TagListPageSize = limits.Metadata, limits.Pages, 1000
	r.SkipReferrersGC = true
	return &repository{r, limits}
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
	in := bufio.NewReaderSize(body, sniffed)
	if wanted != nil {
		start, err := in.Peek(sniffed)
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
func (r *repository) at(digest string) string { return r.Name.Name() + "@" + digest }

// tagged formats a tag of this repository for messages.
func (r *repository) tagged(tag string) string { return r.Name.Name() + ":" + tag }

// digestTag returns the tag for a digest (distribution-spec, "Referrers Tag
// Schema", and cosign's with a suffix).
func digestTag(h v1.Hash, suffix string) string { return h.Algorithm + "-" + h.Hex + suffix }

// normalizing normalizes responses for oras-go: every response without a referrers
// API becomes a 404, media types lose their parameters, and manifests get a length
// (otherwise oras-go would request them twice). Manifests and lists over the limit
// are errors.
type normalizing struct {
	next  http.RoundTripper
	limit int64
}

// RoundTrip implements [http.RoundTripper].
func (n normalizing) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := n.next.RoundTrip(req)
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
	data, err := io.ReadAll(io.LimitReader(resp.Body, n.limit+1))
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if size := int64(len(data)); size > n.limit {
		return nil, tooLarge("response", max(size, resp.ContentLength), n.limit)
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
	resp, isResponse := errors.AsType[*errcode.ErrorResponse](err)
	refused, isRefused := errors.AsType[*registry.RefusedError](err)
	if isResponse || isRefused {
		message := http.StatusText(registry.Status(err))
		if isResponse && len(resp.Errors) > 0 {
			message = clip(resp.Errors.Error())
		}
		if isRefused {
			message += " (" + clip(refused.Advice) + ")"
		}
		return Unreachable, fmt.Sprintf("the registry returned %d: %s", registry.Status(err), message)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		where := "the registry"
		if u, err := url.Parse(e.URL); err == nil {
			where = u.Host // a path may be long, a query secret
		}
		return Unreachable, fmt.Sprintf("accessing %s: %s", where, clip(e.Err.Error()))
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

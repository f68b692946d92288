// Package trustedroot fetches Sigstore's trusted root: the certificates and keys
// by which signatures are verified. They change now and then, so they are
// published by The Update Framework (TUF).
//
// Start with [Fetch]. Only `baseplan trusted-root` does: the phases read the file
// that an operator made with it.
//
// The API serves baseplan itself and may change in any release; see docs/library.md.
package trustedroot

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata/fetcher"

	"github.com/baseplan/baseplan/sbom/keyless"
)

// target is the trusted root's name in the repository.
const target = "trusted_root.json"

// Options say where the trusted root is from. The zero value is Sigstore's
// public instance.
type Options struct {
	Mirror    string            // URL of the TUF repository
	Root      []byte            // its root.json, of any version; nil: that of Sigstore's public instance
	Transport http.RoundTripper // nil: as net/http's default
}

// patience is how long all of it may take.
const patience = time.Minute

// A doer does requests.
type doer func(*http.Request) (*http.Response, error)

// Do does one.
func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// Fetch gives the trusted root as JSON. Everything is verified from the root on;
// nothing is kept on disk.
func Fetch(ctx context.Context, o Options) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer within %s", patience))
	defer cancel()
	options := tuf.DefaultOptions().WithDisableLocalCache()
	if o.Mirror != "" {
		options.RepositoryBaseURL = o.Mirror
	}
	if o.Root != nil {
		options.Root = o.Root
	}
	f := fetcher.NewDefaultFetcher()
	client := &http.Client{Transport: o.Transport}
	f.SetHTTPClient(doer(func(r *http.Request) (*http.Response, error) { return client.Do(r.WithContext(ctx)) }))
	options.Fetcher = f
	var data []byte
	repository, err := tuf.New(options)
	if err == nil {
		data, err = repository.GetTarget(target)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("fetching the trusted root from %s: %w", options.RepositoryBaseURL, err)
	}
	if err := keyless.CheckRoot(data); err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", target, options.RepositoryBaseURL, err)
	}
	return data, nil
}

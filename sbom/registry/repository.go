package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// A Repository is oras-go's client for a repository. See [Client.Repository].
type Repository struct {
	*remote.Repository
	Name name.Repository

	client *Client
	once   sync.Once
}

// Repository returns a client for a repository. It sends credentials only to the repository's
// own registry. The transport, between oras-go's authentication and the Client's retries, may be
// wrapped; nil: unchanged.
func (c *Client) Repository(n name.Repository, wrap func(http.RoundTripper) http.RoundTripper) *Repository {
	next := c.transport(n)
	if wrap != nil {
		next = wrap(next)
	}
	return &Repository{client: c, Name: n, Repository: &remote.Repository{
		Reference: registry.Reference{Registry: n.RegistryStr(), Repository: n.RepositoryStr()},
		PlainHTTP: n.Scheme() == "http",
		Client: refusing{c, n, &auth.Client{
			Client:     &http.Client{Transport: next},
			Cache:      auth.NewCache(),
			ClientID:   userAgent,
			Header:     http.Header{"User-Agent": {userAgent}},
			Credential: c.credential(n),
		}},
	}}
}

// Dial determines whether the registry is accessed over HTTP: if its name allows that (see
// [Client.Reference]), and it does not support TLS. It must be called before the first request.
// go-containerregistry does the same itself.
func (r *Repository) Dial(ctx context.Context) {
	r.once.Do(func() {
		if !r.PlainHTTP {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+r.Name.RegistryStr()+"/v2/", nil)
		if err != nil {
			return
		}
		if resp, err := r.client.transport(r.Name).RoundTrip(req); err == nil {
			resp.Body.Close()
			r.PlainHTTP = false
		}
	})
}

// PushBlob pushes a blob. It starts over if a request fails that only a new upload can repeat,
// as go-containerregistry does.
func (r *Repository) PushBlob(ctx context.Context, desc ocispec.Descriptor, data []byte) error {
	backoff := r.client.backoff()
	for {
		err := r.Blobs().Push(ctx, desc, bytes.NewReader(data))
		last := backoff.Steps <= 1
		wait := backoff.Step()
		if last || !interrupted(err) || !endsAfter(ctx, wait) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}

// DeleteReference deletes a manifest by its digest, or a tag (distribution-spec, "Content Management").
// oras-go deletes no tags.
func (r *Repository) DeleteReference(ctx context.Context, reference string) error {
	scheme := "https"
	if r.PlainHTTP {
		scheme = "http"
	}
	address := fmt.Sprintf("%s://%s/v2/%s/manifests/%s", scheme, r.Repository.Reference.Host(), r.Repository.Reference.Repository, reference)
	ctx = auth.AppendRepositoryScope(ctx, r.Repository.Reference, auth.ActionPull, auth.ActionDelete)
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, address, nil)
	if err != nil {
		return err
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return answerOf(req, resp)
}

// answerOf returns the error of a response.
func answerOf(req *http.Request, resp *http.Response) *errcode.ErrorResponse {
	answer := &errcode.ErrorResponse{Method: req.Method, URL: req.URL, StatusCode: resp.StatusCode}
	var body struct{ Errors errcode.Errors }
	if json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&body) == nil {
		answer.Errors = body.Errors
	}
	return answer
}

// refusing returns a [RefusedError] for a response with status 401 or 403, of the registry or
// of its token server.
type refusing struct {
	client *Client
	name   name.Repository
	*auth.Client
}

// Do implements [remote.Client].
func (r refusing) Do(req *http.Request) (*http.Response, error) {
	resp, err := r.Client.Do(req)
	if err != nil {
		return resp, r.client.Refused(r.name, err)
	}
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, r.client.Refused(r.name, answerOf(req, resp))
}

// credential passes the keychain's credentials to oras-go.
func (c *Client) credential(n name.Repository) auth.CredentialFunc {
	return func(ctx context.Context, hostport string) (auth.Credential, error) {
		if c.Keychain == nil || hostport != n.RegistryStr() {
			return auth.EmptyCredential, nil
		}
		who, err := authn.Resolve(ctx, c.Keychain, n)
		if err != nil {
			return auth.EmptyCredential, fmt.Errorf("finding credentials for %s: %w", n.RegistryStr(), err)
		}
		found, err := authn.Authorization(ctx, who)
		if err != nil {
			return auth.EmptyCredential, fmt.Errorf("finding credentials for %s: %w", n.RegistryStr(), err)
		}
		if found.Username == "" && found.Auth != "" {
			if pair, err := base64.StdEncoding.DecodeString(found.Auth); err == nil {
				found.Username, found.Password, _ = strings.Cut(string(pair), ":")
			}
		}
		return auth.Credential{Username: found.Username, Password: found.Password, RefreshToken: found.IdentityToken, AccessToken: found.RegistryToken}, nil
	}
}

// maxTags limits the tags of [Client.Tags].
const maxTags = 1_000_000

// Tags returns the tags of a repository, sorted.
func (c *Client) Tags(ctx context.Context, n name.Repository) ([]string, error) {
	var all []string
	err := c.Repository(n, nil).Tags(ctx, "", func(page []string) error {
		if all = append(all, page...); len(all) > maxTags {
			return fmt.Errorf("it has more than %d tags", maxTags)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the tags of %s: %w", n, err)
	}
	slices.Sort(all)
	return all, nil
}

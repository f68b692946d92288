package image_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	ggcrregistry "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry"
	"github.com/baseplan/baseplan/sbom/registry/credentials"
	"github.com/baseplan/baseplan/sbom/registry/watch"
)

// resolve gives the credentials for a repository or registry, in short.
const basicA, basicB, basicC = "Basic YTpwdw==", "Basic Yjpwdw==", "Basic Yzpwdw=="

// TestHeadersByRepository: the longest name that a repository is below wins, whatever the order.
// TestBadCredentials: unreadable credentials are reported once, if they are needed, and in the error when a registry refuses.
// TestNextBestCredentials: a bad entry does not hide a good one behind it.
// A host is a registry that wants credentials.
type host struct {
	name string
}

// serve starts a registry: auth is "", "basic" or "token"; all three take user a, the last one also the
// identity token idt.
func serve(t *testing.T, auth string, secure bool) *host {
	t.Helper()
	h := &host{}
	store := lifecycletest.Handler(ggcrregistry.WithReferrersSupport(false))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme := "http"
		if secure {
			scheme = "https"
		}
		switch authorization := r.Header.Get("Authorization"); {
		case r.URL.Path == "/token":
			if r.PostFormValue("refresh_token") != "idt" && r.PostFormValue("password") != "pw" && authorization != basicA {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"token": "t0k3n", "access_token": "t0k3n"})
		case auth == "basic" && authorization != basicA:
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		case auth == "token" && authorization != "Bearer t0k3n":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+scheme+`://`+r.Host+`/token",service="s"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			store.ServeHTTP(w, r)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	h.name = server.Listener.Addr().String()
	options := []remote.Option{remote.WithTransport(server.Client().Transport), remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "a", Password: "pw"}))}
	for _, repository := range []string{"/team/run:1", "/other/run:1"} {
		if err := remote.Write(must(name.ParseReference(h.name+repository, name.Insecure)), one, options...); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// clients are all ways to a registry; each gives an error if it cannot read what is there.
func clients(t *testing.T, o *image.Opener, ref string) map[string]error {
	t.Helper()
	o.Registry.Retry = remote.Backoff{Duration: time.Millisecond, Steps: 1}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := image.Writer{Opener: o}
	errs := map[string]error{"checking read": w.CheckRead(ctx, reference.Parse(ref)), "checking write": w.CheckWrite(ctx, reference.Parse(ref))}
	reading := image.Writer{Opener: fewerRequests(o)}
	errs["checking with fewer requests"] = errors.Join(reading.CheckRead(ctx, reference.Parse(ref)), reading.CheckWrite(ctx, reference.Parse(ref)))
	_, errs["opening"] = o.Open(ctx, reference.Parse(ref))

	r := must(o.Registry.Reference(reference.Parse(ref)))
	digest := must(one.Digest())
	f := attach.Finder{Registry: o.Registry}
	found, err := f.Find(ctx, attach.Subject{Ref: r, Digest: digest, Config: must(one.ConfigFile()), Image: one})
	for _, s := range found.Searched {
		if s.Result == attach.Unreachable {
			err = errors.Join(err, errors.New(s.Detail))
		}
	}
	errs["finding an SBOM"] = err
	a := attach.Attacher{Registry: o.Registry, Settle: time.Millisecond}
	_, errs["attaching"] = a.Attach(ctx, r, attach.Options{Material: func(context.Context, attach.Target) (attach.Material, error) {
		return attach.Material{Provides: []byte(`{"version": "1.0", "provides": []}`)}, nil
	}})
	return errs
}

// TestCredentialsReachRegistries: real registries over http and https, with basic and token auth, by every client.
func TestCredentialsReachRegistries(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	for _, secure := range []bool{false, true} {
		for _, tt := range []struct{ auth, header string }{{"", "Odd x"}, {"basic", basicA}, {"token", basicA}, {"token", "X-Identity idt"}, {"token", "Bearer t0k3n"}} {
			h := serve(t, tt.auth, secure)
			o := &image.Opener{Registry: registry.Client{Keychain: credentials.New(`{"`+h.name+`/team":"`+tt.header+`","`+h.name+`":"`+basicC+`","else.example":[1]}`, nil), Insecure: []string{h.name}}}
			for client, err := range clients(t, o, h.name+"/team/run:1") {
				if err != nil {
					t.Errorf("secure %t, %s auth, %s: %s: %v", secure, tt.auth, tt.header, client, err)
				}
			}
		}
	}
}

// TestRefusedWithReason: only a registry that answers 401 makes a missing helper an error, and then by name.
func TestRefusedWithReason(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DOCKER_CONFIG", dockerConfig(t, `{"credsStore":"not-installed"}`))
	open, closed, token := serve(t, "", false), serve(t, "basic", false), serve(t, "token", false)
	var warnings []string
	k := credentials.New("", func(warning string) { warnings = append(warnings, warning) })
	for client, err := range clients(t, &image.Opener{Registry: registry.Client{Keychain: k}}, open.name+"/team/run:1") {
		if err != nil {
			t.Errorf("%s: %v", client, err)
		}
	}
	for _, h := range []*host{closed, token} {
		for client, err := range clients(t, &image.Opener{Registry: registry.Client{Keychain: k}}, h.name+"/team/run:1") {
			if err == nil || !strings.Contains(err.Error(), "not-installed") {
				t.Errorf("%s: %v, want the missing helper in it", client, err)
			}
		}
	}
	if len(warnings) != 1 {
		t.Errorf("warnings %q, want one", warnings)
	}
}

// TestInsecure: certificates are not verified for exactly the registries and repositories that are named.
func TestInsecure(t *testing.T) {
	h, other := serve(t, "token", true), serve(t, "", true)
	auth := `{"` + h.name + `":"` + basicA + `"}`
	for _, tt := range []struct {
		insecure, ref string
		want          bool
	}{
		{h.name, h.name + "/team/run:1", true},
		{"https://" + h.name + "/", h.name + "/team/run:1", true},
		{h.name + "/team", h.name + "/team/run:1", true},
		{h.name + "/team/run", h.name + "/team/run:1", true},
		{h.name + "/team", h.name + "/other/run:1", false},
		{h.name + "/te", h.name + "/team/run:1", false},
		{h.name, other.name + "/team/run:1", false},
		{"", h.name + "/team/run:1", false},
	} {
		o := &image.Opener{Registry: registry.Client{Insecure: []string{tt.insecure}, Keychain: credentials.New(auth, nil)}}
		for client, err := range clients(t, o, tt.ref) {
			if (err == nil) != tt.want {
				t.Errorf("insecure %s, %s: %s: %v", tt.insecure, strings.TrimPrefix(tt.ref, h.name), client, err)
			}
		}
	}
	// What an unverified host says is not believed where it is verified.
	o := fewerRequests(&image.Opener{Registry: registry.Client{Insecure: []string{h.name + "/team"}, Keychain: credentials.New(auth, nil), Retry: quick}})
	if _, err := o.Open(t.Context(), reference.Parse(h.name+"/team/run:1")); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Open(t.Context(), reference.Parse(h.name+"/other/run:1")); err == nil {
		t.Error("opened without verification, though only another repository is insecure")
	}
}

// TestInsecureByName is about hosts that are not loopback: HTTP only where it is allowed.
func TestInsecureByName(t *testing.T) {
	plain, secure := serve(t, "", false), serve(t, "", true)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		to := map[string]string{"plain.example:5000": plain.name, "secure.example:443": secure.name}[address]
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	for _, tt := range []struct {
		insecure []string
		ref      string
		want     bool
	}{
		{[]string{"plain.example:5000"}, "plain.example:5000/team/run:1", true},
		{[]string{"plain.example:5000/team"}, "plain.example:5000/team/run:1", true},
		{[]string{"secure.example"}, "secure.example/team/run:1", true},
		{[]string{"secure.example/other", "plain.example"}, "secure.example/team/run:1", false},
		{[]string{"plain.example", "secure.example"}, "plain.example:5000/team/run:1", false},
		{nil, "plain.example:5000/team/run:1", false},
		{nil, "secure.example/team/run:1", false},
	} {
		o := &image.Opener{Registry: registry.Client{Insecure: tt.insecure, Transport: transport, Retry: quick}}
		if _, err := o.Open(t.Context(), reference.Parse(tt.ref)); (err == nil) != tt.want {
			t.Errorf("insecure %q, %s: %v", tt.insecure, tt.ref, err)
		}
	}
}

// drip is a registry that sends a byte each interval.
func drip(t *testing.T, on string, interval time.Duration) string {
	t.Helper()
	store := lifecycletest.Handler(ggcrregistry.WithReferrersSupport(false))
	f := newFront(t, store)
	push(t, f.name+"/run:1", one)
	f.set(func(w http.ResponseWriter, r *http.Request, host http.Handler) {
		if !strings.Contains(r.URL.Path, on) {
			host.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		host.ServeHTTP(answer, r)
		for key, values := range answer.Header() {
			w.Header()[key] = values
		}
		w.WriteHeader(answer.Code)
		for _, b := range answer.Body.Bytes() {
			_, _ = w.Write([]byte{b})
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(interval):
			}
		}
	})
	return f.name + "/run:1"
}

// TestDrip: a registry that sends a byte now and then does not keep a build for hours.
func TestDrip(t *testing.T) {
	for _, on := range []string{"/manifests/", "/blobs/"} {
		ref := drip(t, on, 20*time.Millisecond)
		o := &image.Opener{Registry: registry.Client{Stall: 400 * time.Millisecond, Retry: quick}}
		if _, err := o.Open(t.Context(), reference.Parse(ref)); !errors.Is(err, watch.ErrStalled) {
			t.Errorf("opening from a registry that drips %s: %v", on, err)
		}
		a := attach.Attacher{Registry: registry.Client{Stall: 400 * time.Millisecond, Retry: quick}}
		_, err := a.Attach(t.Context(), must(o.Registry.Reference(reference.Parse(ref))), attach.Options{Material: func(ctx context.Context, target attach.Target) (attach.Material, error) {
			_, err := target.Image.RawConfigFile()
			return attach.Material{}, err
		}})
		if !errors.Is(err, watch.ErrStalled) {
			t.Errorf("attaching to a registry that drips %s: %v", on, err)
		}
	}
}

// TestUnreadableHome: a config.json that this user cannot see is the reason of a refusal, but no warning.

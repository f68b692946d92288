package credentials_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/baseplan/baseplan/sbom/reference"
	"github.com/baseplan/baseplan/sbom/registry/credentials"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func dockerConfig(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

const basicA, basicB, basicC = "Basic YTpwdw==", "Basic Yjpwdw==", "Basic Yzpwdw=="

func TestKeychain(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", dockerConfig(t, `{"auths":{"docker.example":{"auth":"ZG9ja2VyOnB3"},"both.example":{"auth":"ZG9ja2VyOnB3"}}}`))
	t.Setenv("HOME", t.TempDir())
	cnb := `{"cnb.example:5000":"Basic Y25iOnB3","both.example":"Basic Y25iOnB3","token.example":"Bearer t0k3n","https://index.docker.io/v1/":"Basic aHViOnB3"}`
	keychain := credentials.New(cnb, func(warning string) { t.Errorf("warning: %s", warning) })
	for registry, want := range map[string]authn.AuthConfig{
		"cnb.example:5000": {Username: "cnb", Password: "pw"},
		"docker.example":   {Username: "docker", Password: "pw"},
		"both.example":     {Username: "cnb", Password: "pw"},
		"token.example":    {RegistryToken: "t0k3n"},
		"index.docker.io":  {Username: "hub", Password: "pw"},
		"other.example":    {},
	} {
		t.Run(registry, func(t *testing.T) {
			auth, err := keychain.Resolve(must(name.NewRegistry(registry)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := authn.Authorization(t.Context(), auth)
			if err != nil {
				t.Fatal(err)
			}
			if got.Username != want.Username || got.Password != want.Password || got.RegistryToken != want.RegistryToken {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

func TestCredentialHelper(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\nread -r server\n[ \"$1\" = get ] && [ \"$server\" = helped.example ] && echo '{\"ServerURL\":\"helped.example\",\"Username\":\"u\",\"Secret\":\"s\"}'\n"
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-scripted"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("DOCKER_CONFIG", dockerConfig(t, `{"credHelpers":{"helped.example":"scripted"}}`))
	keychain := credentials.New("", nil)
	auth := must(keychain.Resolve(must(name.NewRegistry("helped.example"))))
	got := must(authn.Authorization(t.Context(), auth))
	if got.Username != "u" || got.Password != "s" {
		t.Errorf("%+v, want what the helper says", got)
	}
}

func resolve(t *testing.T, k authn.Keychain, of string) string {
	t.Helper()
	var r authn.Resource = must(name.NewRegistry(strings.Split(of, "/")[0]))
	if strings.Contains(of, "/") {
		r = must(name.NewRepository(of))
	}
	c := must(authn.Authorization(t.Context(), must(k.Resolve(r))))
	return strings.Join([]string{c.Username, c.IdentityToken, c.RegistryToken}, "|")
}

func TestHeadersByRepository(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	for _, cnb := range []string{
		`{"r.example":"` + basicA + `","r.example/team":"` + basicB + `","r.example/team/app":"X-Identity idt","HTTPS://Other.example/v2/":"bearer tok"}`,
		`{"r.example/team/app/":"x-identity  idt ","https://r.example/team":"` + basicB + `","r.example":"` + basicA + `","other.example":"Bearer tok"}`,
	} {
		k := credentials.New(cnb, func(warning string) { t.Errorf("warning: %s", warning) })
		for of, want := range map[string]string{
			"r.example": "a||", "r.example/xx": "a||", "r.example/teams/app": "a||", "r.example/team": "b||", "r.example/team/apps": "b||",
			"r.example/team/app": "|idt|", "r.example/team/app/cache": "|idt|", "other.example/xx": "||tok", "another.example/xx": "||",
		} {
			if got := resolve(t, k, of); got != want {
				t.Errorf("%s: %s, want %s", of, got, want)
			}
			if got := resolve(t, credentials.Known(k, reference.Parse(of)), of); got != want {
				t.Errorf("%s, known: %s, want %s", of, got, want)
			}
			if got := resolve(t, credentials.Known(k, reference.Parse("r.example/xx"), reference.Parse("r.example/team/app")), of); got != want {
				t.Errorf("%s, others known: %s, want %s", of, got, want)
			}
		}
	}
}

func TestDockerConfigByRepository(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DOCKER_CONFIG", dockerConfig(t, `{"auths":{"r.example":{"auth":"YTpwdw=="},"r.example/team":{"auth":"Yjpwdw=="},"r.example/team/app":{"identitytoken":"idt"}}}`))
	k := credentials.New("", func(warning string) { t.Errorf("warning: %s", warning) })
	for of, want := range map[string]string{
		"r.example": "a||", "r.example/xx": "a||", "r.example/team/x/y": "b||", "r.example/team/app": "|idt|", "r.example/team/app/x": "|idt|", "s.example/team": "||",
	} {
		if got := resolve(t, k, of); got != want {
			t.Errorf("%s: %s, want %s", of, got, want)
		}
	}
}

func TestBadCredentials(t *testing.T) {
	const missing = `{"credsStore":"not-installed","auths":{"r.example/team":{"auth":"Yjpwdw=="}}}`
	for _, tt := range []struct {
		name, cnb, docker string
		reason            string // of r.example/team/app
		other             bool   // there is one for others too
	}{
		{"not JSON", `s3cret`, "", "CNB_REGISTRY_AUTH is not a JSON object", true},
		{"a list", `["s3cret"]`, "", "CNB_REGISTRY_AUTH is not a JSON object", true},
		{"no scheme", `{"r.example":"s3cret"}`, "", "the entry for r.example in CNB_REGISTRY_AUTH is none of", false},
		{"odd scheme", `{"r.example/team":"Digest s3cret"}`, "", "the entry for r.example/team in CNB_REGISTRY_AUTH", false},
		{"no base64", `{"r.example":"Basic s3cret"}`, "", "the entry for r.example", false},
		{"nested", `{"r.example":{"auth":"s3cret"}}`, "", "the entry for r.example", false},
		{"null", `{"r.example":null}`, "", "the entry for r.example", false},
		{"broken config.json", "", `{"auths":`, "reading docker's config.json", true},
		{"missing helper", "", missing, "docker-credential-not-installed", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("HOME", t.TempDir())
			t.Setenv("DOCKER_CONFIG", t.TempDir())
			if tt.docker != "" {
				t.Setenv("DOCKER_CONFIG", dockerConfig(t, tt.docker))
			}
			var warnings []string
			k := credentials.New(tt.cnb, func(warning string) { warnings = append(warnings, warning) })
			if got := resolve(t, k, "other.example/xx"); got != "||" || (len(warnings) > 0) != tt.other {
				t.Errorf("another registry: %s, %q", got, warnings)
			}
			for range 3 {
				resolve(t, k, "r.example/team/app")
			}
			if len(warnings) != 1 || !strings.Contains(warnings[0], tt.reason) || strings.Contains(warnings[0], "s3cret") {
				t.Errorf("warnings %q, want one with %q", warnings, tt.reason)
			}
			for _, k := range []authn.Keychain{k, credentials.Known(k, reference.Parse("r.example/team/app"))} {
				if why := k.(interface{ Reason(authn.Resource) string }).Reason(must(name.NewRepository("r.example/team/app"))); !strings.Contains(why, tt.reason) {
					t.Errorf("reason %q, want %q", why, tt.reason)
				}
			}
		})
	}
}

func TestNextBestCredentials(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DOCKER_CONFIG", dockerConfig(t, `{"auths":{"s.example":{"auth":"Yzpwdw=="}}}`))
	k := credentials.New(`{"r.example/team":"Odd x","r.example":"`+basicA+`","s.example":"Odd y"}`, nil)
	if got := resolve(t, k, "r.example/team/app"); got != "a||" {
		t.Errorf("%s, want those of the registry", got)
	}
	if got := resolve(t, k, "s.example/app"); got != "c||" {
		t.Errorf("%s, want those of config.json", got)
	}
}

func TestUnreadableHome(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can see everything")
	}
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".docker"), 0); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", "")
	k := credentials.New("", func(warning string) { t.Errorf("warning: %s", warning) })
	got := resolve(t, k, "r.example/app")
	if why := k.Reason(must(name.NewRepository("r.example/app"))); got != "||" || !strings.Contains(why, "permission denied") {
		t.Error(cmp.Diff("permission denied", why))
	}
}
func FuzzKeychain(f *testing.F) {
	f.Add("r.example", "Basic dXNlcjpwYXNzd29yZA==")
	f.Add("https://index.docker.io/v1/", "Bearer abcdefgh")
	f.Fuzz(func(t *testing.T, registry, header string) {
		raw, err := json.Marshal(map[string]string{registry: header})
		if err != nil {
			return
		}
		for _, value := range []string{string(raw), header} {
			_, secret, _ := strings.Cut(header, " ")
			credentials.Headers(value, func(warning string) {
				if len(secret) > 12 && !strings.Contains(registry, secret) && strings.Contains(warning, secret) {
					t.Error(warning)
				}
			})
		}
	})
}

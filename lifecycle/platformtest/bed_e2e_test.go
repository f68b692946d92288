//go:build e2e

package platformtest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/lifecycle/platformtest"
)

const (
	user   = "tester"
	secret = "s3cret"
)

// A bed is what the tests share: registries, a lifecycle image, builders with the buildpacks of testdata/buildpacks, and
// a run image.
type bed struct {
	platformtest.Docker
	open      string // registry that asks nobody for a password
	guarded   string // the same content, for those who have one
	config    string // folder of docker's config.json for the guarded registry
	id        string // in names of images, so that tests can run side by side
	lifecycle string
	builder   string
	extending string // the builder with the extension in its order
	run       string
	certs     certificates
}

func newBed(t *testing.T) *bed {
	t.Helper()
	registry := lifecycletest.Registry()
	t.Cleanup(registry.Close)
	guarded := registry.Guarded(user, secret)
	t.Cleanup(guarded.Close)
	b := &bed{Docker: platformtest.New(t), open: registry.Name, guarded: guarded.Name, config: t.TempDir(), certs: newCertificates(t)}
	if err := os.WriteFile(filepath.Join(b.config, "config.json"), []byte(b.dockerConfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	_, b.id, _ = strings.Cut(b.open, ":")
	b.lifecycle = platformtest.Lifecycle(b.Docker, "baseplan-e2e/lifecycle:compat")
	b.builder = b.newBuilder("baseplan-e2e/compat-builder:" + b.id)
	b.extending = b.Image("baseplan-e2e/compat-extending:"+b.id, "FROM "+b.builder+"\nCOPY order.toml /cnb/order.toml\n", platformtest.Files{"order.toml": order + orderExtensions})
	b.run = b.newRun("baseplan-e2e/compat-run:"+b.id, "")
	return b
}

// on is the bed for a part of the test.
func (b *bed) on(t *testing.T) *bed {
	c := *b
	c.T = t
	return &c
}

func (b *bed) dockerConfig() string {
	return fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, b.guarded, user, secret)
}

// executables are the names of each module's only program.
var executables = map[string][]string{
	"app": {"detect", "build"}, "ca-certificates": {"detect", "build"}, "environment-variables": {"detect", "build"}, "image-labels": {"detect", "build"},
	"interpreter": {"detect", "build"}, "procfile": {"detect", "build"}, "extension": {"detect", "generate"},
}

// modules builds the buildpacks and the extension, as a builder has them.
func modules(t testing.TB) platformtest.Files {
	t.Helper()
	const source = "testdata/buildpacks"
	dir := t.TempDir()
	build := exec.Command("go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", dir+"/", "./...")
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off") // the caller's flags are for another module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the buildpacks: %v\n%s", err, out)
	}
	files := platformtest.Files{}
	for name := range executables {
		program, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		to, descriptor := "cnb/buildpacks/compat_"+name+"/1.0.0/", "buildpack.toml"
		if name == "extension" {
			to, descriptor = "cnb/extensions/compat_tree/1.0.0/", "extension.toml"
		}
		text, err := os.ReadFile(filepath.Join(source, name, descriptor))
		if err != nil {
			t.Fatal(err)
		}
		files[to+descriptor] = string(text)
		files[to+"bin/main*"] = string(program)
	}
	return files
}

// links are the commands that give each program its names.
func links() string {
	var b strings.Builder
	for name, all := range executables {
		dir := "buildpacks/compat_" + name
		if name == "extension" {
			dir = "extensions/compat_tree"
		}
		for _, executable := range all {
			fmt.Fprintf(&b, " && ln -s main /cnb/%s/1.0.0/bin/%s", dir, executable)
		}
	}
	return b.String()
}

const cnbUser = `RUN groupadd -g 1000 cnb && useradd -m -u 1000 -g 1000 cnb
LABEL io.buildpacks.base.distro.name=debian io.buildpacks.base.distro.version=12
`

// order is the builder's: optional buildpacks around those that the app needs.
var order = func() string {
	var b strings.Builder
	b.WriteString("[[order]]\n")
	for _, id := range []string{"ca-certificates", "interpreter", "app", "procfile", "environment-variables", "image-labels"} {
		fmt.Fprintf(&b, "[[order.group]]\nid = \"compat/%s\"\nversion = \"1.0.0\"\noptional = %t\n", id, id != "interpreter" && id != "app")
	}
	return b.String()
}()

const orderExtensions = "[[order-extensions]]\n[[order-extensions.group]]\nid = \"compat/tree\"\nversion = \"1.0.0\"\n"

func (b *bed) newBuilder(tag string) string {
	b.T.Helper()
	tarball, err := os.ReadFile(platformtest.Tarball(platformtest.Release(b.T)))
	if err != nil {
		b.T.Fatal(err)
	}
	files := platformtest.Files{"lifecycle.tgz": string(tarball), "cnb/order.toml": order}
	maps.Copy(files, modules(b.T))
	return b.Image(tag, "FROM "+platformtest.Debian(b.Docker)+"\n"+cnbUser+`ENV CNB_USER_ID=1000 CNB_GROUP_ID=1000 CNB_STACK_ID=compat
ADD lifecycle.tgz /cnb
COPY cnb /cnb
RUN mkdir /layers /workspace && chown 1000:1000 /layers /workspace`+links()+`
USER 1000:1000
WORKDIR /layers
`, files)
}

func (b *bed) newRun(tag, more string) string {
	b.T.Helper()
	return b.Image(tag, "FROM "+platformtest.Debian(b.Docker)+"\n"+more+"\n"+cnbUser+"LABEL compat.bed="+b.id+" io.buildpacks.stack.id=compat\nENV CNB_STACK_ID=compat\nUSER 1000:1000\n", nil)
}

// pushed copies an image of the daemon to the registry.
func (b *bed) pushed(image, repository string) string {
	b.T.Helper()
	name := b.guarded + "/" + repository
	b.Do(nil, "tag", image, name)
	b.T.Cleanup(func() { b.Try(nil, "rmi", "-f", name) })
	b.Do(nil, "--config", b.config, "push", "-q", name)
	return name
}

// pulled has an image of the registry in the daemon.
func (b *bed) pulled(name string) string {
	b.T.Helper()
	b.Do(nil, "--config", b.config, "pull", "-q", name)
	b.T.Cleanup(func() { b.Try(nil, "rmi", "-f", name) })
	return name
}

// imageID is a daemon image's ID.
func (b *bed) imageID(name string) string {
	b.T.Helper()
	return b.Do(nil, "image", "inspect", "-f", "{{.Id}}", name)
}

// app is an app whose process types are in a Procfile, and which has a certificate that a private authority signed.
func (b *bed) app() platformtest.Files {
	return platformtest.Files{
		"Procfile": "web: echo \"$(tool) says $GREETING to $AUDIENCE in $PWD: $PHRASES\"\nworker: echo\n",
		"site.pem": b.certs.site,
	}
}

// needing is the app with a file that makes it require tools.
func (b *bed) needing(lines ...string) platformtest.Files {
	files := b.app()
	files["requires"] = strings.Join(lines, "\n") + "\n"
	return files
}

// user is what the user of a platform gives to a build: variables and a binding with the authority's certificate.
func (b *bed) user() string {
	b.T.Helper()
	return b.Volume(platformtest.Files{
		"env/BPE_GREETING": "hello", "env/BPE_DEFAULT_AUDIENCE": "everyone",
		"env/BPE_PREPEND_PHRASES": "first", "env/BPE_APPEND_PHRASES": "last", "env/BPE_DELIM_PHRASES": ", ",
		"env/BP_OCI_TITLE": "An app", "env/BP_IMAGE_LABELS": "example.team=compat example.stage=test",
		"bindings/authority/type": "ca-certificates", "bindings/authority/ca.pem": b.certs.authority,
	})
}

// platform is one that builds an app image of this name.
func (b *bed) platform(api, name string) *platformtest.Platform {
	b.T.Helper()
	p := &platformtest.Platform{
		Docker: b.Docker, API: api, Builder: b.builder, Lifecycle: b.lifecycle, RunImage: b.run, Name: name, UID: 1000, GID: 1000,
		Mounts: []string{b.user() + ":/platform"},
	}
	b.T.Cleanup(func() { b.Try(nil, "rmi", "-f", name) })
	return p
}

// certificates are those of a private authority and of a site that it vouches for.
type certificates struct{ authority, site string }

func newCertificates(t *testing.T) certificates {
	t.Helper()
	issue := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made, key
	}
	named := func(name string, authority bool) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true, IsCA: authority,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		}
	}
	text := func(c *x509.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	root := named("Authority", true)
	authority, key := issue(root, root, nil)
	site, _ := issue(named("Site", false), authority, key)
	return certificates{text(authority), text(site)}
}

// built checks that a build went through all its phases.
func built(t *testing.T, b platformtest.Built) platformtest.Built {
	t.Helper()
	if b.Failed != "" {
		t.Fatalf("%s: exit code %d\n%s", b.Failed, b.Exit, b.Log)
	}
	return b
}

// says checks what a log has.
func says(t *testing.T, log string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(log, text) {
			t.Errorf("nobody says %q:\n%s", text, log)
		}
	}
}

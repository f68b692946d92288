package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/baseplan/baseplan/lifecycle/image"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
)

// writeModule puts a buildpack, or an extension, where the phases look for it:
//
//	buildpack [-api VERSION] ID@VERSION
//	extension [-api VERSION] ID@VERSION
//
// The script's files ID.detect, ID.build, ID.generate (slashes as underscores) are its executables without the first
// line, which stops at errors and names the arguments; ID.toml is more of its descriptor, ID.head more of the table
// with the ID. One without a file of its executables passes detection and does nothing.
func writeModule(kind string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		api := "0.12"
		if args[0] == "-api" {
			api, args = args[1], args[2:]
		}
		id, version, _ := strings.Cut(args[0], "@")
		escaped := strings.ReplaceAll(id, "/", "_")
		more := func(ext string) string {
			data, err := os.ReadFile(ts.MkAbs(escaped + "." + ext))
			if err != nil && !os.IsNotExist(err) {
				ts.Check(err)
			}
			return string(data)
		}
		files := map[string]string{
			kind + ".toml": fmt.Sprintf("api = %q\n[%s]\nid = %q\nversion = %q\n%s%s", api, kind, id, version, more("head"), more("toml")),
			"bin/detect":   "#!/bin/sh\nset -e\nplatform=\"$1\" plan=\"$2\"\n" + more("detect"),
		}
		if kind == "buildpack" {
			files["bin/build"] = "#!/bin/sh\nset -e\nlayers=\"$1\" platform=\"$2\" plan=\"$3\"\n" + more("build")
		} else {
			files["bin/generate"] = "#!/bin/sh\nset -e\noutput=\"$1\" platform=\"$2\" plan=\"$3\"\n" + more("generate")
		}
		for file, content := range files {
			path := filepath.Join(ts.MkAbs(kind+"s"), escaped, version, file)
			ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
			ts.Check(os.WriteFile(path, []byte(content), 0o755))
		}
	}
}

// writeOrder writes order.toml: order ID@VERSION... | ID@VERSION..., each with a "?" behind it if it is optional.
// Groups that begin with "+" are those of extensions.
func writeOrder(ts *testscript.TestScript, _ bool, args []string) {
	var b strings.Builder
	for _, group := range strings.Split(strings.Join(args, " "), "|") {
		key := "order"
		group = strings.TrimSpace(group)
		if rest, ok := strings.CutPrefix(group, "+"); ok {
			key, group = "order-extensions", rest
		}
		fmt.Fprintf(&b, "[[%s]]\n", key)
		for _, module := range strings.Fields(group) {
			module, optional := strings.CutSuffix(module, "?")
			id, version, _ := strings.Cut(module, "@")
			fmt.Fprintf(&b, "[[%s.group]]\nid = %q\nversion = %q\n", key, id, version)
			if optional {
				b.WriteString("optional = true\n")
			}
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs("order.toml"), []byte(b.String()), 0o644))
}

// freshLayers makes an empty directory of layers, as a platform does for every build.
func freshLayers(ts *testscript.TestScript, _ bool, _ []string) {
	dir := ts.MkAbs("layers")
	ts.Check(os.RemoveAll(dir))
	ts.Check(os.Mkdir(dir, 0o755))
	if os.Geteuid() == 0 {
		ts.Check(os.Chown(dir, cnbUser, cnbUser))
	}
}

// What differs from run to run, and what stands for it.
var (
	digests  = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	shortIDs = regexp.MustCompile(`\([0-9a-f]{12}\)`)
	numbers  = regexp.MustCompile(`(manifest-size = |"size": ?)\d+`)
)

// show prints a file, or stdout or stderr of the last command, without what differs from run to run: show FILE.
func show(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	for _, variable := range []string{"WORK", "REGISTRY", "TEST"} {
		text = strings.ReplaceAll(text, ts.Getenv(variable), "$"+variable)
	}
	text = digests.ReplaceAllString(text, "sha256:DIGEST")
	text = shortIDs.ReplaceAllString(text, "(ID)")
	fmt.Fprint(ts.Stdout(), numbers.ReplaceAllString(text, "${1}SIZE"))
}

// showJSON prints a label of an image as JSON over several lines: json IMAGE KEY.
func showJSON(ts *testscript.TestScript, _ bool, args []string) {
	var b bytes.Buffer
	ts.Check(json.Indent(&b, []byte(open(ts, args[0]).Config.Config.Labels[args[1]]), "", " "))
	text := strings.ReplaceAll(b.String(), ts.Getenv("REGISTRY"), "$REGISTRY")
	fmt.Fprintln(ts.Stdout(), digests.ReplaceAllString(text, "sha256:DIGEST"))
}

// registryRef parses a reference in one of the registries of the tests.
func registryRef(ts *testscript.TestScript, ref string) name.Reference {
	parsed, err := name.ParseReference(ref)
	ts.Check(err)
	return parsed
}

// copyImage copies an image from one name in a registry to another: copy FROM TO.
func copyImage(ts *testscript.TestScript, _ bool, args []string) {
	img, err := remote.Image(registryRef(ts, args[0]))
	ts.Check(err)
	ts.Check(remote.Write(registryRef(ts, args[1]), img))
}

// saveImage writes an image of a registry as an OCI layout: save IMAGE DIR.
func saveImage(ts *testscript.TestScript, _ bool, args []string) {
	img, err := remote.Image(registryRef(ts, args[0]))
	ts.Check(err)
	path, err := layout.Write(ts.MkAbs(args[1]), empty.Index)
	ts.Check(err)
	ts.Check(path.AppendImage(img))
}

// deleteImage takes an image out of a registry: delete IMAGE.
func deleteImage(ts *testscript.TestScript, _ bool, args []string) {
	ref := registryRef(ts, args[0])
	found, err := remote.Head(ref)
	ts.Check(err)
	ts.Check(remote.Delete(ref))
	ts.Check(remote.Delete(ref.Context().Digest(found.Digest.String())))
}

// changeImage sets labels of an image: relabel FROM TO KEY=VALUE... An empty value takes the label away.
func changeImage(ts *testscript.TestScript, _ bool, args []string) {
	img, err := remote.Image(registryRef(ts, args[0]))
	ts.Check(err)
	file, err := img.ConfigFile()
	ts.Check(err)
	file = file.DeepCopy()
	for _, arg := range args[2:] {
		key, value, _ := strings.Cut(arg, "=")
		delete(file.Config.Labels, key)
		switch {
		case key == "user":
			file.Config.User = value
		case key == "arch":
			file.Architecture = value
		case value != "":
			file.Config.Labels[key] = value
		}
	}
	img, err = mutate.ConfigFile(img, file)
	ts.Check(err)
	ts.Check(remote.Write(registryRef(ts, args[1]), img))
}

// addLayer puts a layer on top of an image: layer FROM TO PATH=CONTENT...
func addLayer(ts *testscript.TestScript, _ bool, args []string) {
	img, err := remote.Image(registryRef(ts, args[0]))
	ts.Check(err)
	files := lifecycletest.Layer{}
	for _, arg := range args[2:] {
		path, content, _ := strings.Cut(arg, "=")
		files[path] = content
	}
	ts.Check(remote.Write(registryRef(ts, args[1]), lifecycletest.With(img, files)))
}

// startRegistry starts another registry with all images of the first, and names it by a variable: registry MODE VAR.
func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	host := lifecycletest.Registry()
	ts.Defer(host.Close)
	guard := map[string]func(http.ResponseWriter, *http.Request) bool{
		"open":     func(http.ResponseWriter, *http.Request) bool { return false },
		"readonly": refuseWrites,
		"password": wantPassword,
		"broken": func(w http.ResponseWriter, r *http.Request) bool {
			http.Error(w, "out of order", http.StatusInternalServerError)
			return true
		},
	}[strings.TrimPrefix(args[0], "tls-")]
	if guard == nil {
		ts.Fatalf("registry: unknown mode %q", args[0])
	}
	for _, image := range []string{"run:plain", "run:curl"} {
		img, err := remote.Image(registryRef(ts, ts.Getenv("REGISTRY")+"/"+image))
		ts.Check(err)
		host.Push(image, img)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !guard(w, r) {
			host.Handler().ServeHTTP(w, r)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust the certificate
	if strings.HasPrefix(args[0], "tls-") {
		server.StartTLS()
	} else {
		server.Start()
	}
	ts.Defer(server.Close)
	ts.Setenv(args[1], server.Listener.Addr().String())
}

func refuseWrites(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	http.Error(w, `{"errors":[{"code":"DENIED"}]}`, http.StatusForbidden)
	return true
}

// wantPassword lets in who has the password "secret".
func wantPassword(w http.ResponseWriter, r *http.Request) bool {
	if _, password, _ := r.BasicAuth(); password == "secret" {
		return false
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
	http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
	return true
}

// startProxy makes the phases reach plain.example, in which are all images of the registry, through a proxy that does
// no TLS.
func startProxy(ts *testscript.TestScript, _ bool, args []string) {
	host := lifecycletest.Registry()
	ts.Defer(host.Close)
	for _, image := range []string{"run:plain", "run:curl"} {
		img, err := remote.Image(registryRef(ts, ts.Getenv("REGISTRY")+"/"+image))
		ts.Check(err)
		host.Push(image, img)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect || r.URL.Hostname() != "plain.example" {
			http.Error(w, "no way", http.StatusForbidden)
			return
		}
		host.Handler().ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	ts.Setenv("HTTP_PROXY", server.URL)
	ts.Setenv("HTTPS_PROXY", server.URL)
}

// printCreated prints when an image was created: created IMAGE.
func printCreated(ts *testscript.TestScript, _ bool, args []string) {
	fmt.Fprintln(ts.Stdout(), open(ts, args[0]).Config.Created.UTC().Format(time.RFC3339))
}

// layerFiles prints what is in the layer that an image's history says was created by a text: layer-of IMAGE TEXT. It
// prints nothing for a text that is not there.
func layerFiles(ts *testscript.TestScript, _ bool, args []string) {
	img := open(ts, args[0])
	for i, h := range img.Config.History {
		if h.CreatedBy != args[1] {
			continue
		}
		content, err := layerAt(img, i)
		ts.Check(err)
		for _, name := range content {
			fmt.Fprintln(ts.Stdout(), strings.ReplaceAll(name, ts.Getenv("WORK"), "$WORK"))
		}
	}
}

func layerAt(img *image.Image, i int) ([]string, error) {
	hash := img.Config.RootFS.DiffIDs[i]
	layer, err := img.Image.LayerByDiffID(hash)
	if err != nil {
		return nil, err
	}
	return namesIn(layer)
}

func namesIn(layer v1.Layer) ([]string, error) {
	r, err := layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var names []string
	for name := range tarNames(r) {
		names = append(names, name)
	}
	return names, nil
}

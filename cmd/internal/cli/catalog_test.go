package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/baseplan/baseplan/cmd/internal/cli"
	"github.com/baseplan/baseplan/lifecycle/lifecycletest"
	"github.com/baseplan/baseplan/provides/catalog"
	"github.com/baseplan/baseplan/sbom/attach"
)

// chosen runs a command, which prints a selection, and returns its images in order and whether each is enough.
func chosen(t *testing.T, cache string, args ...string) (images []string, enough []bool) {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Run(context.Background(), append(args, "--output", "json", "--cache-dir", cache), &cli.Console{Out: &out, Err: &errs})
	if code == cli.Failure || errs.Len() > 0 {
		t.Fatalf("%q: exit code %d: %s", args, code, &errs)
	}
	var d struct {
		Choices []struct {
			Image  string
			Enough bool
		}
	}
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Choices {
		images, enough = append(images, c.Image), append(enough, c.Enough)
	}
	return images, enough
}

// TestSelectFromCatalog: a catalog gives the same answer as the inventories of its images.
func TestSelectFromCatalog(t *testing.T) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	plain, curl := lifecycletest.Debian(), lifecycletest.Debian("curl")
	declared := lifecycletest.Labelled(plain, map[string]string{attach.ProvidesLabel: `{"version": "1.0", "provides": [{"name": "courier", "version": "2.1", "evidence": ["pkg:deb/debian/bash"]}]}`})
	var runs []string
	for tag, img := range map[string]v1.Image{"plain": plain, "alike": lifecycletest.Labelled(plain, map[string]string{"a": "b"}), "curl": curl, "alpine": lifecycletest.Alpine(), "declared": declared} {
		runs = append(runs, "--run", registry.Push("run:"+tag, img))
	}
	runs = slices.Concat(slices.SortedFunc(slices.Chunk(runs, 2), func(a, b []string) int { return strings.Compare(a[1], b[1]) })...)
	var errs bytes.Buffer
	cache := t.TempDir()
	args := slices.Concat([]string{"catalog", "push", registry.Name + "/catalog", "--cache-dir", cache}, runs)
	if code := cli.Run(context.Background(), args, &cli.Console{Out: &errs, Err: &errs}); code != cli.Enough {
		t.Fatal(&errs)
	}
	for _, required := range []string{
		"curl", "curl >= 7", "curl >= 99", "bash", "bash >= 5", "apk-tools", "courier", "courier = 2.1", "courier > 2.1", "awk", "cmd:curl", "so:libz.so.1", "pkg:deb/curl",
		"pkg:deb/debian/bash", "pkg:apk/alpine/busybox", "nothing", "bash nonsense",
	} {
		question := []string{"--requires", required, "--requires", "bash"}
		want, wantEnough := chosen(t, cache, slices.Concat([]string{"select"}, runs, question)...)
		have, haveEnough := chosen(t, cache, slices.Concat([]string{"select", "--catalog", registry.Name + "/catalog"}, question)...)
		if !slices.Equal(want, have) || !slices.Equal(wantEnough, haveEnough) {
			t.Errorf("%q: the inventories choose %q (%t), the catalog %q (%t)", question, want, wantEnough, have, haveEnough)
		}
	}
}

// TestSelectUnreadable: if the images of a catalog cannot be read, the error says so.
func TestSelectUnreadable(t *testing.T) {
	registry, down := lifecycletest.Registry(), lifecycletest.Registry()
	defer registry.Close()
	image := down.Push("run:curl", lifecycletest.Debian("curl"))
	var out bytes.Buffer
	if code := cli.Run(context.Background(), []string{"catalog", "push", registry.Name + "/catalog", "--cache-dir", "none", "--run", image}, &cli.Console{Out: &out, Err: &out}); code != cli.Enough {
		t.Fatal(&out)
	}
	down.Close()
	code := cli.Run(context.Background(), []string{"select", "--catalog", registry.Name + "/catalog", "--requires", "curl", "--platform", "linux/amd64"}, &cli.Console{Out: &out, Err: &out})
	if want := "has no current image for linux/amd64: of 1 image, 1 cannot be read, the last because of: "; code != cli.Failure || !strings.Contains(out.String(), want) {
		t.Errorf("exit code %d: %s, want %s", code, &out, want)
	}
}

// BenchmarkSelectFromCatalog chooses from 1,000 images with everything that belongs to it: the catalog is fetched from
// a registry and decoded, three requirements are judged, and the digest of the chosen image is asked for.
func BenchmarkSelectFromCatalog(b *testing.B) {
	registry := lifecycletest.Registry()
	defer registry.Close()
	digest, err := lifecycletest.DigestOf(registry.Push("line-0:000", lifecycletest.Scratch()))
	if err != nil {
		b.Fatal(err)
	}
	data, err := catalog.Encode(lifecycletest.Fleet(registry.Name, digest, 20, 50))
	if err != nil {
		b.Fatal(err)
	}
	tag, err := name.NewTag(registry.Name + "/catalog")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := (&attach.Attacher{Settle: time.Millisecond}).Push(context.Background(), tag, catalog.Type, data, attach.PushOptions{}); err != nil {
		b.Fatal(err)
	}
	args := []string{"select", "--catalog", tag.String(), "--platform", "linux/amd64", "--requires", "curl", "--requires", "jre >= 17", "--requires", "cmd:package-7-1"}
	for b.Loop() {
		var out bytes.Buffer
		if code := cli.Run(context.Background(), args, &cli.Console{Out: &out, Err: &out}); code != cli.Enough || !strings.Contains(out.String(), registry.Name+"/line-0:000   yes") {
			b.Fatalf("exit code %d: %.500s", code, &out)
		}
	}
	b.ReportMetric(float64(len(data)), "bytes")
}

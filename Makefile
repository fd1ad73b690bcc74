# One entry for everything. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Broker and database servers that the targets need are found or fetched by these two.
NATS := deploy/local/nats-server.sh
POSTGRES := tests/support/postgres.sh

# Always built together: another choice of packages would build their dependencies anew.
PROGRAMS := echo "Building: the first time takes some minutes." >&2; cargo build --locked --quiet -p storelink -p storelink-demo -p storelink-simulators -p storelink-faults

NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
# The simulation arms the planted faults, so it is never built together with the rest.
ifdef NEXTEST
RUN_TESTS := cargo nextest run --workspace --exclude storelink-simulation --locked
SIMULATE := cargo nextest run -p storelink-simulation --locked
FUZZ := $(RUN_TESTS) --profile fuzz -E 'test(/(^|::)fuzz_/)'
else
RUN_TESTS := cargo test --workspace --exclude storelink-simulation --locked --lib --bins --tests
SIMULATE := cargo test -p storelink-simulation --locked --lib --bins --tests
FUZZ := $(RUN_TESTS) --no-fail-fast fuzz_ -- --nocapture
endif

.PHONY: help demo run bench faults test test-only check-deploy image lint deny contracts clean clean-data

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: ## five simulated stores, one ERP and a judge; KEEP=1 leaves it running
	@nats="$$($(NATS))"; export PATH="$$(dirname "$$nats"):$$PATH"; \
	$(PROGRAMS); \
	target/debug/storelink-demo $(if $(KEEP),--keep,)

run: ## the system on ./data, API on 127.0.0.1:8080
	@nats="$$($(NATS))"; export PATH="$$(dirname "$$nats"):$$PATH"; \
	$(PROGRAMS); \
	exec target/debug/storelink dev --data-dir data

bench: ## figures of the whole system as ratios to limits of the same run; ONLY=throughput,many REPEAT=3 choose; SYNC=always flushes every write
	@nats="$$($(NATS))"; export PATH="$$(dirname "$$nats"):$$PATH"; \
	echo "Building: the first time takes some minutes." >&2; \
	cargo build --locked --quiet --profile bench-run -p storelink -p storelink-bench; \
	target/bench-run/storelink-bench $(if $(filter always,$(SYNC)),--sync-always,) \
	  $(if $(ONLY),--only $(ONLY)) $(if $(REPEAT),--repetitions $(REPEAT))

faults: ## planted faults, odd bytes for every parser (ONLY=fuzz SECONDS=60), and the long fault runs, resumable; ONLY=simulation ONLY=kills SEED=7 REPEAT=3 SHORT=1 choose
	@case "$(ONLY)" in ""|simulation) mkdir -p target/faults; \
	  cargo run --locked --quiet -p storelink-simulation -- search \
	    --outcomes target/faults/outcomes.jsonl --commit "$$(git describe --always --abbrev=12 --dirty=+ --exclude='*')";; esac
	@case "$(ONLY)" in ""|fuzz) \
	  export STORELINK_FUZZ_SECONDS="$(or $(SECONDS),60)"; $(if $(SEED),export STORELINK_FUZZ_SEED="$(SEED)";) $(FUZZ);; esac
	@case "$(ONLY)" in simulation|fuzz) exit 0;; esac; \
	nats="$$($(NATS))"; export PATH="$$(dirname "$$nats"):$$PATH"; \
	$(PROGRAMS); \
	target/debug/storelink-faults $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(REPEAT),--repeat $(REPEAT)) $(if $(SHORT),--short)

test: lint deny test-only demo ## all that a change must pass

test-only: ## the tests alone, on a real broker and both databases
	@nats="$$($(NATS))"; export PATH="$$(dirname "$$nats"):$$PATH"; \
	folder="$$(mktemp -d)"; \
	trap '$(POSTGRES) stop "$$folder" >/dev/null 2>&1 || true; rm -rf "$$folder"' EXIT; \
	url="$$($(POSTGRES) start "$$folder")"; export STORELINK_TEST_POSTGRES_URL="$$url"; \
	$(PROGRAMS); \
	$(RUN_TESTS); \
	$(SIMULATE); \
	cargo test --workspace --exclude storelink-simulation --locked --doc --quiet

check-deploy: ## deploy/ alone, which `make test` checks too: manifests against program, broker and Kubernetes
	@$(PROGRAMS); \
	$(if $(NEXTEST),cargo nextest run,cargo test) -p storelink-deploy-checks --locked

image: ## the container image, from nothing but the program; skipped where nothing can build one
	@deploy/image.sh

lint: ## format, clippy and documentation without a warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

deny: ## licences, sources and banned packages of the dependencies
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet --root .tools cargo-deny@0.20.2
	PATH="$$PWD/.tools/bin:$$PATH" cargo deny --all-features check bans licenses sources

contracts: ## write proto-schemas/ and the generated pages of docs/ anew
	@$(PROGRAMS)
	target/debug/storelink contracts write

clean: ## remove what was built and fetched; data/ stays
	rm -rf target .tools

clean-data: ## remove the ledger, keys and credentials of `make run`: CONFIRM=1
	@if [ "$(CONFIRM)" != 1 ]; then \
	  echo "data/ holds orders, keys and sealed credentials that exist nowhere else: make clean-data CONFIRM=1" >&2; exit 1; fi
	rm -rf data

# The front door of the repository. `make` alone lists what there is.
# CARGO_TARGET_DIR is honoured when set. Arguments of the server: make run ARGS="--port 9000"

SHELL := bash
.DEFAULT_GOAL := help
# `docs` is a folder too.
.PHONY: help run docs test soak conformance fuzz bench fmt setup

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build everything and start a development server
	@scripts/web.sh build
	cargo run --release --locked --package greenroom -- dev $(ARGS)

docs: ## Build the book of docs/ into target/book and check its links
	@scripts/book.sh build
	cargo xtask book

test: setup ## Install what the tests need, then run every check
	cargo xtask ci

soak: setup ## Run the long checks
	cargo xtask soak

conformance: ## Hold the WebSocket codec against the Autobahn test suite; ARGS="1 12.2" runs those sections
	@conformance/autobahn/run.sh $(ARGS)

fuzz: ## Look for inputs that no decoder holds, FUZZ_SECONDS (10) each; ARGS=frames tries that one
	@fuzz/run.sh $(ARGS)

bench: ## Measure everything next to other servers, in 45 minutes; ARGS=--quick takes 5
	@benches/bench.sh $(ARGS)

fmt: ## Format the Rust sources
	cargo fmt --all

setup: ## Install what the tests need
	@scripts/setup-tests.sh

# `make` lists what there is to do. All of it works on a machine without Rust and WasmEdge:
# scripts/setup.sh brings what is missing, into .toolchain.

# The module is looked for in target.
unexport CARGO_TARGET_DIR

# What every recipe needs that runs cargo. Some tests open thousands of connections, and many systems allow 1,024 files
# unless asked for more.
env := { ulimit -n "$$(ulimit -Hn)" 2>/dev/null || :; } && . .toolchain/env &&
bench := --manifest-path bench/Cargo.toml
e2e := --manifest-path e2e/Cargo.toml
fuzz := --manifest-path fuzz/Cargo.toml
universal := --manifest-path universal/Cargo.toml
xtask := --manifest-path xtask/Cargo.toml
module := target/wasm32-wasip1/release/todo.wasm

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*\#\# .*/\1/p' Makefile)

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1|/p' Makefile | \
	  while IFS='|' read -r name text; do printf '  make %-16s %s\n' "$$name" "$$text"; done

run: ## build the server and run it on PORT (8080)
	@scripts/run.sh

dev: ## build fast, run, and do both again when a source changes
	@scripts/dev.sh

build: setup ## build the module
	@$(env) cargo build --release --locked

test: ## all checks and tests
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory e2e
	@$(MAKE) --no-print-directory api

lint: setup lint-deploy lint-crates ## check formatting, clippy, crates, the API's description and the files in deploy
	@$(env) cargo fmt --all --check
	@$(env) cargo fmt $(bench) --all --check
	@$(env) cargo fmt $(e2e) --check
	@$(env) cargo fmt $(fuzz) --check
	@$(env) cargo fmt $(universal) --check
	@$(env) cargo fmt $(xtask) --check
	@$(env) cargo clippy --locked --workspace --all-targets -- -D warnings
	@$(env) cargo clippy --locked $(bench) --target host-tuple --workspace --all-targets -- -D warnings
	@$(env) cargo clippy --locked $(e2e) --target host-tuple --all-targets --all-features -- -D warnings
	@$(env) CXX=$$(scripts/tool.sh cxx)/c++ cargo clippy --locked $(fuzz) --target host-tuple -- -D warnings
	@$(env) cargo clippy --locked $(universal) --target host-tuple --all-targets -- -D warnings
	@$(env) cargo clippy --locked $(xtask) --target host-tuple --all-targets -- -D warnings
	@bin=$$(scripts/tool.sh validators) && "$$bin/openapi-spec-validator" src/http/openapi.json

lint-deploy: setup ## check the files for Kubernetes and Prometheus
	@scripts/lint-deploy.sh

lint-crates: setup ## check licences, sources and advisories of the module's crates
	@scripts/lint-crates.sh

unit: setup ## run the tests inside WasmEdge, and those of the tools
	@$(env) scripts/with-postgres.sh cargo test --locked --workspace
	@$(env) cargo test --locked --release --package file_lease --target host-tuple
	@$(env) cargo test --locked $(bench) --target host-tuple --workspace
	@$(env) cargo test --locked $(universal) --target host-tuple
	@$(env) cargo test --locked $(xtask) --target host-tuple

e2e: build ## run the tests that talk to the real server
	@$(env) scripts/native.sh $(module) >/dev/null && cargo e2e --locked

api: build ## attack the API with what its own description allows and forbids
	@$(env) scripts/native.sh $(module) >/dev/null && \
	  cargo e2e --locked attack -- --ignored --nocapture --test-threads 1

fuzz: setup ## give all that parses bytes, or TARGET, new inputs for TIME (600) seconds each, led by what code they reach
	@scripts/fuzz.sh $${TIME:-600} $(TARGET)

fuzz-api: ## attack the API like api does, for TIME (600) seconds per store, otherwise each time
	@FUZZ_SECONDS=$${TIME:-600} $(MAKE) --no-print-directory api

fuzz-wire: build ## send what is nearly HTTP on COUNT (100000) connections, to the server and through nginx
	@$(env) scripts/native.sh $(module) >/dev/null && \
	  WIRE_CONNECTIONS=$${COUNT:-100000} WIRE_SEED=$${SEED:-$$(date +%s)} \
	  cargo e2e --locked --test e2e wire -- --nocapture --test-threads 1

e2e-seccomp: build ## run the end-to-end tests under the filter of deploy/seccomp.json; a call that it lacks ends the server
	@$(env) scripts/native.sh $(module) >/dev/null && \
	  cargo build --quiet --locked $(e2e) --target host-tuple --bin confine && \
	  PATH="$$(ls -d $$PWD/e2e/target/*/debug):$$PATH" RUN_UNDER="confine kill" cargo e2e --locked --test e2e

seccomp: build ## trace the end-to-end tests, and tell what deploy/seccomp.json lacks and what it need not have
	@scripts/seccomp.sh

test-browser: build ## run the tests of the web page in a browser; pictures go to SCREENSHOTS
	@$(env) chromium=$$(scripts/tool.sh chromium) && axe=$$(scripts/tool.sh axe-core) && \
	  scripts/native.sh $(module) >/dev/null && \
	  PATH="$$chromium:$$PATH" AXE="$$axe/axe.min.js" cargo e2e --locked --features browser --test browser

build-tls: setup
	@$(env) cargo build --release --locked --features tls --target-dir target/tls && \
	  scripts/native.sh target/tls/wasm32-wasip1/release/todo.wasm >/dev/null

test-tls: build-tls ## build the module with TLS to the database, and test that
	@$(env) E2E_MODULE=$$(scripts/native.sh target/tls/wasm32-wasip1/release/todo.wasm) && export E2E_MODULE && \
	  cargo e2e --locked --test e2e -- tls::a_server tls::nothing --ignored --nocapture

build-fuzz: setup
	@scripts/fuzz.sh build

crash: build ## kill the server ROUNDS (200) times under load and look for lost changes
	@$(env) scripts/native.sh $(module) >/dev/null && \
	  CRASH_ROUNDS=$${ROUNDS:-200} cargo e2e --locked crash -- --nocapture

crash-images: setup ## open what power cuts and disk faults leave behind, for TIME (600) seconds
	@scripts/crash-images.sh $${TIME:-600} $${SEED:-}

model-api: build ## hold random histories of the API against what it promises, TIME (600) seconds per store
	@$(env) scripts/native.sh $(module) >/dev/null && HISTORY_SECONDS=$${TIME:-600} \
	  cargo e2e --locked --test e2e histories::what -- --nocapture --test-threads 1

soak: build ## use the server for TIME (1800) seconds per store, kill it ten times, and look for what grows or is lost
	@$(env) scripts/native.sh $(module) >/dev/null && SOAK_SECONDS=$${TIME:-1800} \
	  cargo e2e --release --locked --test e2e soak:: -- --include-ignored --nocapture --test-threads 1
	@[ -z "$${UPDATE_DOCS:-}" ] || cp target/soak/soak.svg docs/images

overload: build ## attack the server with many connections, RUNS (3) times, and measure what other clients notice
	@$(env) scripts/native.sh $(module) >/dev/null && OVERLOAD_RUNS=$${RUNS:-3} \
	  cargo e2e --release --locked --test e2e overload::table -- --include-ignored --nocapture --test-threads 1

model: setup ## walk more interleavings of processes that want the same file, for some minutes
	@$(env) cargo test --locked --release --package file_lease --target host-tuple -- --ignored --nocapture

dist: ## make the files of a release in dist/, with native code for ARCHES (amd64 arm64)
	@scripts/dist.sh all

dist-plain: ## make dist/todo.wasm only
	@scripts/dist.sh plain

dist-sections: ## make native code for ARCHES from dist/todo.wasm, to be joined later by dist
	@scripts/dist.sh sections

dist-universal: ## make the two modules only, with native code for ARCHES (this machine's)
	@scripts/dist.sh universal

dist-check: ## check the files in dist/
	@scripts/dist.sh check

dist-reproduce: ## build todo.wasm in two other folders and compare
	@scripts/dist.sh reproduce

bench: build ## measure the server beside a native one and PEER; CASES, RUNS and SECONDS_EACH choose
	@$(env) cargo build --quiet --release --locked $(bench) --target host-tuple --package native && \
	  cargo run --quiet --locked $(bench) --target host-tuple --package harness -- bench

profile: setup ## show where the processor time of PATH_AND_QUERY (/health) goes
	@$(env) cargo build --profile profiling --locked && \
	  cargo run --quiet --locked $(bench) --target host-tuple --package harness -- profile

matrix: ## run the files in dist/ in every runtime, and measure
	@scripts/matrix.sh

fmt: setup ## format the sources
	@$(env) cargo fmt --all
	@$(env) cargo fmt $(bench) --all
	@$(env) cargo fmt $(e2e)
	@$(env) cargo fmt $(fuzz)
	@$(env) cargo fmt $(universal)
	@$(env) cargo fmt $(xtask)

setup: ## bring what the machine lacks (into .toolchain)
	@scripts/setup.sh

image: ## build the image KIND (universal, plain or native-host) with podman, docker or buildah
	@[ -s dist/todo-universal.wasm ] || $(MAKE) --no-print-directory dist-universal
	@scripts/container-image.sh $(KIND)

push-image: ## build the images from dist/ and push them as IMAGE:TAG
	@scripts/container-push.sh $(IMAGE) $(TAG)

run-container: image ## run the image on PORT (8080)
	@scripts/container-run.sh

test-container: setup ## test the images and the stack with podman (as root)
	@scripts/container-test.sh

clean: ## remove what was built
	rm -rf target bench/target e2e/target fuzz/target universal/target xtask/target dist

distclean: clean ## remove .toolchain, too
	rm -rf .toolchain

#!/usr/bin/env bash
# Traces what the end-to-end tests make WasmEdge ask of the kernel, and compares it with deploy/seccomp.json: what
# `make seccomp` does
#
# RUNTIMES (wasmedge-0.14 wasmedge-0.17) names the versions, TESTS (all) those whose names have one of these parts. Tests may
# fail, as a traced server is slow: what counts is what they called. Traces stay in target/seccomp.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=/dev/null
. .toolchain/env
strace=$(scripts/tool.sh strace)
traces=$PWD/target/seccomp
read -ra tests <<<"${TESTS:-}"

rm -rf "$traces"
mkdir -p "$traces"
ulimit -n "$(ulimit -Hn)"
for runtime in ${RUNTIMES:-wasmedge-0.14 wasmedge-0.17}; do
  programs=$(scripts/tool.sh "$runtime")
  # Native code is compiled before, without being traced.
  PATH=$programs:$PATH scripts/native.sh target/wasm32-wasip1/release/todo.wasm >/dev/null
  # A tracer of its own for each server, behind it: the test's child stays WasmEdge.
  PATH=$programs:$strace:$PATH RUN_UNDER="strace --daemonize -ff -qq -s 0 -o $traces/$runtime" \
    cargo e2e --locked --test e2e -- --test-threads 2 ${tests[@]+"${tests[@]}"} || true
done
cargo run --quiet --locked --manifest-path e2e/Cargo.toml --target host-tuple --bin system_calls -- "$traces"

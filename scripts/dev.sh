#!/usr/bin/env bash
# Builds the server without the slow optimizations, runs it, and does both again when a source changes: what `make dev`
# does. The module is interpreted. PORT and DATA_DIR are as for run.sh; Ctrl-C ends it.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
# shellcheck source=/dev/null
. .toolchain/env

unset CARGO_TARGET_DIR
export DATA_DIR=${DATA_DIR:-$PWD/data}
mkdir -p "$DATA_DIR" target
sources=(Cargo.toml Cargo.lock build.rs src crates)
module=target/wasm32-wasip1/fast/todo.wasm
stamp=$(mktemp "target/dev.XXXXXX")
server=
stop() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
  fi
}
trap 'stop; rm -f "$stamp"' EXIT

while true; do
  touch "$stamp"
  # A change that does not compile leaves the last server running.
  if cargo build --profile fast --locked; then
    stop
    scripts/run-wasm.sh "$module" &
    server=$!
  fi
  until [ -n "$(find "${sources[@]}" -newer "$stamp" -print -quit)" ]; do sleep 0.3; done
done

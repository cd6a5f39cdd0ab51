#!/usr/bin/env bash
# Looks for power cuts and disk faults that a store in a file does not survive: crash-images.sh SECONDS [SEED]
#
# The tests run in WasmEdge, with native code: it opens some hundred times as many files in the same time.

set -euo pipefail

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  echo "usage: $0 SECONDS [SEED]" >&2
  exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=/dev/null
. .toolchain/env

# Of a module with names and debugging information WasmEdge makes native code that it refuses itself: release has none.
module=$(cargo test --locked --release --package todo_store --lib --no-run --message-format json |
  sed -n 's/.*"executable":"\([^"]*\.wasm\)".*/\1/p')
if [ -z "$module" ]; then
  echo "crash-images: cargo did not tell where the tests are" >&2
  exit 1
fi
native=$(scripts/native.sh "$module")
export CRASH_SECONDS=$1 CRASH_SEED=${2:-}
exec scripts/run-wasm.sh "$native" at_random --ignored --nocapture

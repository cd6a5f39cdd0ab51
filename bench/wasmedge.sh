#!/usr/bin/env bash
# What single operations cost in WasmEdge, beside the same program compiled for the machine itself: wasmedge.sh
#
# Where these are the bound of the server, docs/performance.md says so.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
scripts/setup.sh
# shellcheck source=/dev/null
. .toolchain/env

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
manifest=bench/wasmedge/Cargo.toml
cargo build --quiet --release --locked --manifest-path $manifest --target wasm32-wasip1
cargo build --quiet --release --locked --manifest-path $manifest --target host-tuple

echo "native"
host=$(find bench/wasmedge/target -path '*/release/wasmedge_costs' -type f | head -1)
"$host"
for tool in wasmedge-0.14 wasmedge-0.17; do
  program=$(scripts/tool.sh $tool)/wasmedge
  option=
  if [ $tool = wasmedge-0.17 ]; then option=--run-mode=aot; fi
  "$program" compile --generic-binary bench/wasmedge/target/wasm32-wasip1/release/wasmedge_costs.wasm "$work/$tool.wasm" >/dev/null
  echo "WasmEdge ${tool#wasmedge-}"
  # shellcheck disable=SC2086 # none or one
  "$program" $option "$work/$tool.wasm"
done

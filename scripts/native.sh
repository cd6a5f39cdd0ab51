#!/usr/bin/env bash
# Compiles a WebAssembly module to native code and prints where the result is: native.sh MODULE
#
# The result is a module as well, with native code beside the WebAssembly; run-wasm.sh runs it many times
# faster. It is kept in target/native, so that the same module is compiled only once for a WasmEdge version.

set -euo pipefail

KEEP=4

if [ $# -ne 1 ]; then
  echo "usage: $0 MODULE" >&2
  exit 2
fi
module=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=/dev/null
if [ -r "$root/.toolchain/env" ]; then . "$root/.toolchain/env"; fi

say() { echo "native: $*" >&2; }

# shellcheck source=scripts/lib/sha256.sh
. "$root/scripts/lib/sha256.sh"

version=$(wasmedge --version || true)
if ! [[ $version =~ version\ ([0-9][0-9A-Za-z.+-]*) ]]; then
  say "cannot tell the version of wasmedge; scripts/setup.sh looks after it"
  exit 1
fi
version=${BASH_REMATCH[1]}

cache=$root/target/native
hash=$(sha256 - <"$module")
entry=$cache/${hash%% *}-$version-$(uname -m)
result=$entry/$(basename "$module")

if [ ! -s "$result" ]; then
  say "compiling $(basename "$module") to native code with WasmEdge $version ..."
  mkdir -p "$entry"
  work=$(mktemp -d "$cache/.work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  # Generic: what is cached may meet an older processor, and the newest instructions bring no speed here.
  wasmedge compile --generic-binary "$module" "$work/module.wasm" >"$work/log" 2>&1 || true
  if [ ! -s "$work/module.wasm" ]; then
    cat "$work/log" >&2
    say "this WasmEdge does not compile; the module will be interpreted, which is slow"
    rmdir "$entry" 2>/dev/null || true
    echo "$module"
    exit 0
  fi
  # Complete or not there at all, for others that run at the same time.
  mv "$work/module.wasm" "$result"
  say "done ($SECONDS s)"
fi

# The newest entries stay; what a killed run left behind goes.
touch "$entry"
find "$cache" -maxdepth 1 -name '.work.*' -mmin +60 -exec rm -rf {} +
# shellcheck disable=SC2012 # the names are ours, without surprises
ls -1t "$cache" | tail -n "+$((KEEP + 1))" | while read -r old; do rm -rf "${cache:?}/$old"; done

echo "$result"

#!/usr/bin/env bash
# Makes the files of a release: dist.sh all|plain|sections|universal|check|reproduce
#
#   all        dist/ with todo.wasm, todo-universal.wasm, BUILDINFO, todo.cdx.json (SBOM) and SHA256SUMS, checked
#   plain      only dist/todo.wasm: optimized, without native code, the same from every folder
#   sections   only the native code, of the dist/todo.wasm that is there
#   universal  the two modules and BUILDINFO, with native code for this machine's processor unless ARCHES is set
#   check      proves that dist/todo-universal.wasm is what BUILDINFO says, and runs it where this machine can
#   reproduce  builds todo.wasm from the last commit in two other folders, and compares
#
# COMMIT tells the commit where there is no repository to ask. ARCHES names the processors of the native code: "amd64 arm64" unless set. That for another than this machine's comes
# from WasmEdge under qemu, which takes many minutes. Sections are kept in target/sections.

set -euo pipefail
shopt -s inherit_errexit

# The versions of WasmEdge that make each format of native code. Those that do not fit are told by WasmEdge, with
# words that are least confusing in this order.
FORMATS=(1:wasmedge-0.14 2:wasmedge-0.17)
# For any processor of its kind; small, which costs no measurable speed.
COMPILE=(--generic-binary --optimize s)
# What rustc takes for granted, and what WasmEdge has had for years.
FEATURES=(--enable-bulk-memory --enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int
  --enable-reference-types --enable-sign-ext)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
dist=$root/dist
arches=${ARCHES:-amd64 arm64}

say() { echo "dist: $*" >&2; }

# shellcheck source=scripts/lib/sha256.sh
. "$root/scripts/lib/sha256.sh"

prepare() {
  scripts/setup.sh
  # shellcheck source=/dev/null
  . .toolchain/env
}

# Builds the module so that nothing in it depends on where it was built: build FILE
build() {
  local target=$root/target/dist cargo_home=${CARGO_HOME:-$HOME/.cargo} folder separator=$'\x1f'
  local flags=--remap-path-prefix=$root/=
  cargo fetch --locked --target wasm32-wasip1
  # Where the sources of other crates are depends on the registry's address, too. The last prefix that fits counts, and
  # they may be inside of the checkout.
  for folder in "$cargo_home"/registry/src/*/; do
    flags+="$separator--remap-path-prefix=$folder=registry/"
  done
  CARGO_ENCODED_RUSTFLAGS=$flags CARGO_TARGET_DIR=$target cargo build --release --locked
  "$(scripts/tool.sh binaryen)/wasm-opt" -O3 --strip-producers "${FEATURES[@]}" \
    "$target/wasm32-wasip1/release/todo.wasm" -o "$1"
}

plain() {
  mkdir -p "$dist"
  build "$dist/todo.wasm.new"
  # Another module than before: what was made from that is no longer true.
  cmp -s "$dist/todo.wasm.new" "$dist/todo.wasm" ||
    rm -f "$dist"/{todo-universal.wasm,BUILDINFO,SHA256SUMS,todo.cdx.json}
  mv "$dist/todo.wasm.new" "$dist/todo.wasm"
  say "todo.wasm: $(wc -c <"$dist/todo.wasm") bytes"
}

# Runs a command with its output in LOG, and tells every minute that it is still running: patiently TEXT LOG COMMAND...
patiently() {
  local text=$1 log=$2 process start=$SECONDS minutes=1
  shift 2
  "$@" >"$log" 2>&1 &
  process=$!
  # The command is in the background, where Ctrl-C does not reach it.
  trap 'kill "$process" 2>/dev/null; exit 130' INT TERM
  while sleep 1 && kill -0 "$process" 2>/dev/null; do
    if ((SECONDS - start >= minutes * 60)); then
      say "$text: $minutes min"
      minutes=$((minutes + 1))
    fi
  done
  trap - INT TERM
  wait "$process"
}

# Compiles the plain module, and prints where the result is: section TOOL ARCHITECTURE
section() {
  local tool=$1 arch=$2 programs version key result text="native code for $2 by $1" start=$SECONDS
  if [ "$arch" = "$(machine)" ]; then programs=$(scripts/tool.sh "$tool"); else programs=$(scripts/tool.sh "$tool" "$arch"); fi
  version=$("$programs/wasmedge" --version | sed -n '1s/.*version //p')
  key=$(sha256 <"$dist/todo.wasm")
  result=$root/target/sections/${key%% *}-$version-$arch.wasm
  if [ ! -s "$result" ]; then
    mkdir -p "$root/target/sections"
    say "$text ..."
    patiently "$text" "$result.log" "$programs/wasmedge" compile "${COMPILE[@]}" "$dist/todo.wasm" \
      "$result.new.wasm" || { cat "$result.log" >&2; say "$text: failed"; return 1; }
    if [ ! -s "$result.new.wasm" ]; then cat "$result.log" >&2; say "$text: nothing came of it"; return 1; fi
    echo "WasmEdge $version" >"$result.txt"
    mv "$result.new.wasm" "$result"
    say "$text: $((SECONDS - start)) s"
  fi
  echo "$result"
}

machine() { case $(uname -m) in x86_64) echo amd64 ;; aarch64 | arm64) echo arm64 ;; *) uname -m ;; esac; }

universal_tool() { cargo run --quiet --release --locked --manifest-path universal/Cargo.toml --target host-tuple -- "$@"; }

# Makes what is not there yet, and prints where each section is.
sections() {
  local format arch
  for format in "${FORMATS[@]}"; do
    for arch in $arches; do section "${format#*:}" "$arch" || return 1; done
  done
}

join() {
  local sections commit
  # Not through a pipe, which would hide a failure.
  sections=$(sections) || return 1
  mapfile -t sections <<<"$sections"
  commit=${COMMIT:-}
  if [ -z "$commit" ]; then
    commit=$(git rev-parse HEAD 2>/dev/null || echo unknown)
    if [ -n "$(git status --porcelain 2>/dev/null)" ]; then commit+=-dirty; fi
  fi
  VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml) COMMIT=$commit COMPILER=$(rustc --version) \
    OPTIMIZER=$("$(scripts/tool.sh binaryen)/wasm-opt" --version) \
    universal_tool join "$dist" "${sections[@]}"
}

# A software bill of materials in the format CycloneDX.
sbom() {
  "$(scripts/tool.sh cargo-cyclonedx)/cargo-cyclonedx" cyclonedx --quiet --format json --spec-version 1.5 \
    --target wasm32-wasip1 --override-filename todo.cdx
  # It names the crates of this repository by where they are on this machine, which is nobody's business.
  awk -v root="path+file://$root" '{
    while ((at = index($0, root)) > 0) $0 = substr($0, 1, at - 1) "path+file://" substr($0, at + length(root))
    print
  }' todo.cdx.json >"$dist/todo.cdx.json"
  rm -f todo.cdx.json crates/*/todo.cdx.json
  if grep -qF "$root" "$dist/todo.cdx.json"; then say "the bill of materials names $root"; return 1; fi
}

check() {
  local format arch machines=()
  for format in "${FORMATS[@]}"; do
    for arch in $arches; do machines+=("${format%:*}/linux/$arch"); done
  done
  universal_tool check "$dist" "${machines[@]}"
  (cd "$dist" && sha256 --check --quiet SHA256SUMS)
  ARCHES=$arches MODULES=universal MEASURE=no scripts/matrix.sh
}

all() {
  plain
  join
  sbom
  (cd "$dist" && sha256 todo.wasm todo-universal.wasm BUILDINFO todo.cdx.json >SHA256SUMS)
  check
}

universal() {
  arches=${ARCHES:-$(machine)}
  plain
  # What tells of a whole release is not true of what comes next.
  rm -f "$dist"/{SHA256SUMS,todo.cdx.json}
  join
}

reproduce() {
  local work place first
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$work'" EXIT
  for place in "a" "another place/deeper"; do
    git clone --quiet "$root" "$work/$place"
    # Downloads of its own, too: a path that finds its way into the module is most likely one of those.
    CARGO_HOME="$work/$place/.cargo-home" "$work/$place/scripts/dist.sh" plain
    sha256 <"$work/$place/dist/todo.wasm"
    if [ -z "${first:-}" ]; then first=$work/$place/dist/todo.wasm; fi
  done
  cmp "$first" "$work/$place/dist/todo.wasm"
  if [ -s "$dist/todo.wasm" ] && ! cmp -s "$first" "$dist/todo.wasm"; then
    say "dist/todo.wasm is another one: it was made from other sources, or the builds above are alike by accident"
    return 1
  fi
  say "both are the same, bit for bit, with $(rustc --version) and $("$(scripts/tool.sh binaryen)/wasm-opt" --version)"
}

case ${1:-} in
  all | plain | sections | universal | check | reproduce)
    prepare
    "$1"
    ;;
  *) sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2 && exit 64 ;;
esac

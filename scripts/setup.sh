#!/usr/bin/env bash
# Brings what the build needs and the machine lacks:
#
#   cc        a C compiler: Rust links build scripts, macros and the e2e tests with it
#   Rust      cargo, clippy, rustfmt and the standard libraries for this machine and for wasm32-wasip1
#   WasmEdge  the runtime, with its compiler to native code
#
# Each is taken from the first place that has it: the machine; rustup or WasmEdge's own installer; Debian's
# packages, unpacked (not installed) into .toolchain. Nothing outside this checkout changes, except that
# rustup may add its wasm32-wasip1 target, clippy and rustfmt. Run it as often as you like: when all is
# there it ends at once.
#
# It writes .toolchain/env, for `. .toolchain/env` in a shell; make and the other scripts read it themselves.

set -euo pipefail

# `--target host-tuple` needs cargo 1.91.
MIN_RUST_MINOR=91
WASMEDGE_VERSION=0.17.1
WASMEDGE_INSTALLER=https://raw.githubusercontent.com/WasmEdge/WasmEdge/$WASMEDGE_VERSION/utils/install_v2.sh
# The first Debian release whose Rust is new enough.
DEBIAN_SUITE=forky

# shellcheck source=scripts/lib/toolchain.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/toolchain.sh"
# shellcheck source=scripts/lib/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/debian.sh"

# --- The environment ---------------------------------------------------------------------------------------

# cargo's downloads need a folder of our own where the usual one cannot be written.
private_cargo_home() {
  local dir=${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}
  [ -d "$dir" ] || dir=$(dirname "$dir")
  [ ! -w "$dir" ] || [ "${CARGO_HOME:-}" = "$toolchain/cargo-home" ]
}

environment() {
  local bin
  bin=$(quote "$toolchain/rust/usr/bin:$toolchain/wasmedge/usr/bin:$toolchain/cc/usr/bin")
  # What the installers of Rust and WasmEdge bring is often not on PATH yet.
  cat <<TEXT
# Written by scripts/setup.sh. Use it in a shell with: . $(quote "$toolchain/env")
case ":\$PATH:" in
  *:$bin:*) ;;
  *) export PATH=$bin:"\$PATH:\${HOME:-}/.cargo/bin:\${HOME:-}/.wasmedge/bin" ;;
esac
TEXT
  if private_cargo_home; then echo "export CARGO_HOME=$(quote "$toolchain/cargo-home")"; fi
}

# All that the checks below depend on, quick to collect: when it is what it was after the last complete
# set-up, there is nothing to do.
fingerprint() {
  local tool sysroot
  cat "$root"/scripts/{setup,lib/toolchain,lib/debian}.sh | cksum
  environment
  for tool in cargo rustc cc wasmedge; do command -v "$tool" || echo "no $tool"; done
  rustc -vV
  sysroot=$(rustc --print sysroot)
  ls "$sysroot"/bin/{cargo-clippy,clippy-driver,cargo-fmt,rustfmt} "$sysroot"/lib/rustlib/*/lib/libstd-*.rlib
  wasmedge --version
} 2>/dev/null

# --- The checks: do the tools really work? -----------------------------------------------------------------

cc_works() {
  echo 'int main(void) { return 0; }' >"$tmp/check.c"
  cc -o "$tmp/check-c" "$tmp/check.c" && "$tmp/check-c"
}

rust_works() {
  local minor
  minor=$(rustc --version | sed -n 's/^rustc 1\.\([0-9]*\).*/\1/p')
  [ "${minor:-0}" -ge "$MIN_RUST_MINOR" ] || return 1
  cargo --version && cargo clippy --version && cargo fmt --version && rustfmt --version || return 1
  echo 'fn main() { println!("works"); }' >"$tmp/check.rs"
  rustc --target wasm32-wasip1 -o "$tmp/check.wasm" "$tmp/check.rs" || return 1
  # Without a C compiler nothing links for this machine, whichever Rust it is.
  ! cc_works || { rustc -o "$tmp/check-rs" "$tmp/check.rs" && "$tmp/check-rs"; }
}

wasmedge_works() {
  # The smallest module there is.
  printf '\0asm\1\0\0\0' >"$tmp/empty.wasm"
  wasmedge --version && wasmedge compile "$tmp/empty.wasm" "$tmp/empty-native.wasm" &&
    [ -s "$tmp/empty-native.wasm" ]
}

# --- rustup and WasmEdge's installer -----------------------------------------------------------------------

rust_from_rustup() {
  limit 300 rustup target add wasm32-wasip1 && limit 300 rustup component add clippy rustfmt
}

# Puts a wasmedge behind a small script that names its libraries: wasmedge_wrapper PREFIX PROGRAM
wasmedge_wrapper() {
  mkdir -p "$toolchain/wasmedge/usr/bin"
  cat >"$toolchain/wasmedge/usr/bin/wasmedge" <<SCRIPT
#!/bin/sh
# Written by scripts/setup.sh: runs WasmEdge with its own libraries.
export LD_LIBRARY_PATH=$(quote "$1/lib") DYLD_LIBRARY_PATH=$(quote "$1/lib")
exec $(quote "$2") "\$@"
SCRIPT
  chmod +x "$toolchain/wasmedge/usr/bin/wasmedge"
}

wasmedge_from_home() {
  wasmedge_wrapper "$HOME/.wasmedge" "$HOME/.wasmedge/bin/wasmedge"
}

wasmedge_from_installer() {
  local prefix=$toolchain/wasmedge/usr
  curl -fsSL --connect-timeout 5 --max-time 60 -o "$tmp/install-wasmedge.sh" "$WASMEDGE_INSTALLER" || return 1
  # The installer adds a line to the shell profiles of the home folder: it gets an empty one.
  mkdir -p "$tmp/home" "$tmp/download"
  HOME=$tmp/home SHELL=/bin/sh limit 900 bash "$tmp/install-wasmedge.sh" \
    -v "$WASMEDGE_VERSION" -p "$prefix" -t "$tmp/download" </dev/null || return 1
  # It also brings a plugin for language models.
  rm -rf "$prefix/plugin"
  mv "$prefix/bin" "$prefix/real"
  wasmedge_wrapper "$prefix" "$prefix/real/wasmedge"
}

# --- Debian's packages -------------------------------------------------------------------------------------

rust_from_debian() {
  local dir=$tmp/rust name linker
  debian_use "$DEBIAN_SUITE" || return 1
  linker=$(private_apt apt-cache show libstd-rust-dev-wasm32 | grep -o 'lld-[0-9]*' | head -n 1)
  debian_unpack "$dir" "gcc libc-dev binutils" \
    cargo rustc rust-clippy rustfmt libstd-rust-dev libstd-rust-dev-wasm32 "${linker:-lld}" || return 1
  debian_set_programs_aside "$dir"
  for name in cargo rustc rustdoc cargo-clippy clippy-driver cargo-fmt rustfmt; do
    debian_script "$dir/usr/bin/$name" "real/$name"
  done
  # The linker that rustc asks for, under the name it asks for.
  debian_script "$dir/usr/bin/rust-lld" "$(cd "$dir/usr" && echo lib/llvm-*/bin/lld)"
  mv "$dir" "$toolchain/rust"
}

wasmedge_from_debian() {
  local dir=$tmp/wasmedge
  debian_use "$DEBIAN_SUITE" && debian_unpack "$dir" "" wasmedge || return 1
  debian_set_programs_aside "$dir"
  debian_script "$dir/usr/bin/wasmedge" real/wasmedge
  mv "$dir" "$toolchain/wasmedge"
}

# From the machine's own release: what it links has to run with the machine's C library.
cc_from_debian() {
  debian_compiler "$tmp/cc" gcc cc1 cc gcc && mv "$tmp/cc" "$toolchain/cc"
}

# --- The set-up --------------------------------------------------------------------------------------------

# Takes the first way after which the check passes: need WHAT DIR CHECK WAY...
need() {
  local what=$1 dir=$toolchain/$2 check=$3 way
  shift 3
  if "$check" >>"$log" 2>&1; then return; fi
  if [ -e "$dir" ]; then
    rm -rf "$dir"
    hash -r
    if "$check" >>"$log" 2>&1; then return; fi
  fi
  for way in "$@"; do
    if step "$what from ${way#*_from_}" bring "$way" "$check"; then
      if [ -e "$dir" ]; then private=yes; fi
      return
    fi
    rm -rf "$dir"
  done
  missing="$missing${missing:+, }$what"
}

bring() {
  "$1" || return 1
  hash -r
  "$2"
}

all_ready() { [ -r "$toolchain/env" ] && [ "$(fingerprint || true)" = "$(cat "$toolchain/ready" 2>/dev/null)" ]; }

eval "$(environment)"
if all_ready; then exit 0; fi
begin all_ready
rm -f "$toolchain/ready"
missing=""
private=""

rust_ways=rust_from_debian
if command -v rustup >/dev/null; then rust_ways="rust_from_rustup $rust_ways"; fi
wasmedge_ways="wasmedge_from_installer wasmedge_from_debian"
if [ -x "${HOME:-}/.wasmedge/bin/wasmedge" ]; then wasmedge_ways="wasmedge_from_home $wasmedge_ways"; fi
need "C compiler" cc cc_works cc_from_debian
# shellcheck disable=SC2086 # lists of names
need "Rust with wasm32-wasip1" rust rust_works $rust_ways
# shellcheck disable=SC2086
need "WasmEdge" wasmedge wasmedge_works $wasmedge_ways

if [ -n "$missing" ]; then
  rust_command="curl -sSf https://sh.rustup.rs | sh -s -- -y --target wasm32-wasip1"
  if command -v rustup >/dev/null; then
    rust_command="rustup update stable && rustup target add wasm32-wasip1 && rustup component add clippy rustfmt"
  fi
  say "missing: $missing. Nothing here could bring it (details: $log).
  A C compiler is in the system's package gcc or clang; these two commands bring Rust and WasmEdge:
    $rust_command
    curl -sSf $WASMEDGE_INSTALLER | bash -s -- -v $WASMEDGE_VERSION"
  exit 1
fi

environment >"$tmp/env"
mv "$tmp/env" "$toolchain/env"
fingerprint >"$tmp/ready"
mv "$tmp/ready" "$toolchain/ready"
if [ -n "$private" ]; then say "for your own shell: . $(quote "$toolchain/env")"; fi

#!/usr/bin/env bash
# Brings a tool that only some targets need, and prints the folder of its programs: tool.sh NAME [ARCHITECTURE]
#
# Tools come from Debian's packages, unpacked into .toolchain/tools, from crates.io and from PyPI. Where there is no apt,
# the programs of the first are expected on PATH. `tool.sh` alone lists the names; scripts/lib/tools.sh has the recipes.

set -euo pipefail

# shellcheck source=scripts/lib/toolchain.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/toolchain.sh"
# shellcheck source=scripts/lib/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/debian.sh"

# shellcheck source=scripts/lib/ways.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/ways.sh"
# shellcheck source=scripts/lib/tools.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/tools.sh"

names() { declare -F | sed -n 's/^declare -f tool_//p' | tr _ - | sed 's/-\([0-9][0-9]*\)-\([0-9]\)/-\1.\2/'; }

if [ $# -eq 0 ]; then
  names
  exit
fi
name=$1
architecture=${2:-}
function=tool_$(printf '%s' "$name" | tr -c 'a-z0-9' _)
if ! declare -F "$function" >/dev/null; then
  echo "tool: there is no $name; there are: $(names | tr '\n' ' ')" >&2
  exit 2
fi

result=$toolchain/tools/$name${architecture:+-$architecture}
dir=$tmp/tool
# A tool whose recipe has changed is brought anew.
recipe=$(
  {
    declare -f "$function"
    cat scripts/lib/{ways,debian}.sh "scripts/requirements/$name.txt" 2>/dev/null || true
  } | cksum
)
is_there() { [ "$(cat "$result/recipe" 2>/dev/null)" = "$recipe" ]; }

print_and_succeed() { is_there && echo "$result/usr/bin"; }

if print_and_succeed; then exit; fi

debian_emulator=
if [ -n "$architecture" ] && [ "$architecture" != "$(dpkg --print-architecture)" ]; then
  case $architecture in
    arm64) debian_emulator=$("$0" qemu)/qemu-aarch64 ;;
    amd64) debian_emulator=$("$0" qemu)/qemu-x86_64 ;;
    *) say "no emulator for $architecture"; exit 1 ;;
  esac
fi

begin print_and_succeed
if ! step "$name${architecture:+ for $architecture}" "$function"; then
  say "could not bring $name (details: $log)"
  exit 1
fi
echo "$recipe" >"$dir/recipe"
mkdir -p "$toolchain/tools"
rm -rf "$result"
mv "$dir" "$result"
echo "$result/usr/bin"

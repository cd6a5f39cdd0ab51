#!/usr/bin/env bash
# Time from the start of the process to the first 200, of the files in dist/: start.sh [PEER]
#
# Each file in each WasmEdge, and PEER, another server's program that takes its port from PORT; all in turn. The figures
# are medians of RUNS starts (default 10), in milliseconds, with the smallest and the largest. Needs bash 5.

set -euo pipefail

peer=${1:-}
runs=${RUNS:-10}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
scripts/setup.sh
# shellcheck source=/dev/null
. .toolchain/env

work=$(mktemp -d)
process=
trap 'if [ -n "$process" ]; then kill -9 "$process" 2>/dev/null || true; fi; rm -rf "$work"' EXIT

names=() commands=()
for tool in wasmedge-0.14 wasmedge-0.17; do
  program=$(scripts/tool.sh "$tool")/wasmedge
  option=
  if [ "$tool" = wasmedge-0.17 ]; then option=--run-mode=aot; fi
  for file in todo todo-universal; do
    names+=("$file.wasm, ${tool#wasmedge-}")
    commands+=("$program $option --env HOST=127.0.0.1 --env PORT=@ --env DATABASE_URL=memory: dist/$file.wasm")
  done
done
if [ -n "$peer" ]; then names+=("peer"); commands+=("env PORT=@ $peer"); fi

# The first line of an answer, if there is one.
first_line() {
  local line=
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n' >&3
  read -r line <&3 || true
  exec 3>&-
  [[ $line == *" 200 "* ]]
}

for _ in $(seq "$runs"); do
  for index in "${!names[@]}"; do
    port=$((20000 + RANDOM % 10000))
    read -ra command <<<"${commands[$index]//@/$port}"
    began=${EPOCHREALTIME/./}
    "${command[@]}" >"$work/log" 2>&1 &
    process=$!
    until first_line "$port"; do
      kill -0 "$process" || { cat "$work/log" >&2; exit 1; }
      sleep 0.001
    done
    echo $((${EPOCHREALTIME/./} - began)) >>"$work/$index"
    kill -9 "$process"
    wait "$process" 2>/dev/null || true
    process=
  done
done

echo "from start to first 200, in ms (medians of $runs, smallest–largest)"
for index in "${!names[@]}"; do
  sort -n "$work/$index" | awk -v name="${names[$index]}" '{ value[NR] = $1 / 1000 }
    END { printf "  %-26s %6.0f   (%.0f–%.0f)\n", name, (value[int((NR + 1) / 2)] + value[int((NR + 2) / 2)]) / 2, value[1], value[NR] }'
done

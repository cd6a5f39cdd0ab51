#!/usr/bin/env bash
# Runs the files of dist/ in every runtime that they are made for: matrix.sh
#
# In each, the contract tests of e2e compare all answers with the golden file. Then the table is printed: requests per second
# on /health, also in relation to the first row of the same runtime, and how the module says that it was executed.
# Needs curl.
#
# ARCHES (default: amd64 arm64) names the processors; MODULES (plain universal) the files; MEASURE=no leaves out the figures.
# Processors that are not this machine's run under qemu.

set -euo pipefail
shopt -s inherit_errexit

# Of each processor; and the ones in which the universal module is interpreted all the same.
RUNTIMES=(wasmedge-0.14 wasmedge-0.17)
RUNS=3
SECONDS_EACH=3

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
scripts/setup.sh
# shellcheck source=/dev/null
. .toolchain/env
# shellcheck source=scripts/lib/sha256.sh
. "$root/scripts/lib/sha256.sh"
arches=${ARCHES:-amd64 arm64}
modules=${MODULES:-plain universal}
measure=${MEASURE:-yes}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { echo "matrix: $*" >&2; }

file() { case $1 in plain) echo "$root/dist/todo.wasm" ;; universal) echo "$root/dist/todo-universal.wasm" ;; esac; }

# The contract tests with one module in one runtime: passes MODULE FOLDER MODE [OPTION...]
passes() {
  PATH=$2:$PATH E2E_MODULE=$(file "$1") RUN_MODE=$3 cargo e2e --quiet --locked contract -- "${@:4}" >"$work/log" 2>&1 ||
    { tail -n 40 "$work/log" >&2; return 1; }
}

median() { sort -n | awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int((NR + 2) / 2)]) / 2 }'; }

# How the module says that it is executed, then its requests per second: run MODULE FOLDER MODE
run() {
  local port url wrk server
  : >"$work/server.log"
  PATH=$2:$PATH RUN_MODE=$3 HOST=127.0.0.1 PORT=0 DATABASE_URL=memory: scripts/run-wasm.sh "$(file "$1")" \
    >"$work/server.log" 2>&1 &
  server=$!
  # What calls this takes its output, so it is a shell of its own.
  # shellcheck disable=SC2064 # the process of now
  trap "kill $server 2>/dev/null || true" EXIT
  until grep -q ' listens on ' "$work/server.log"; do
    kill -0 "$server" || { cat "$work/server.log" >&2; return 1; }
    sleep 0.1
  done
  port=$(sed -n 's/.* listens on .*:\([0-9]*\)$/\1/p' "$work/server.log")
  url=http://127.0.0.1:$port
  wrk=$(scripts/tool.sh wrk)/wrk
  runs=1
  if [ "$measure" = yes ]; then runs=$RUNS; fi
  for _ in $(seq "$runs"); do
    "$wrk" -t1 -c10 -d"${SECONDS_EACH}s" --timeout 10s "$url/health" | awk '/^Requests\/sec/ { print $2 }'
  done | median
}

for module in $modules; do
  [ -r "$(file "$module")" ] || { say "$(file "$module") is missing: make dist"; exit 1; }
  sha256 "$(file "$module")" | sed "s| .*/|  dist/|"
done

rows=()
for arch in $arches; do
  for runtime in "${RUNTIMES[@]}"; do
    if [ "$arch" = "$(dpkg --print-architecture 2>/dev/null || echo "$arch")" ]; then
      folder=$(scripts/tool.sh "$runtime"); under=
    else
      folder=$(scripts/tool.sh "$runtime" "$arch"); under=", qemu"
    fi
    version=$("$folder/wasmedge" --version | sed -n '1s/.*version //p')
    interpreted=
    for module in $modules; do
      # What is interpreted comes first: the others are measured by it.
      for mode in interpreter as-it-comes; do
        # The plain module is interpreted anyway.
        if [ "$module $mode" = "plain interpreter" ]; then continue; fi
        say "$module, $arch$under, WasmEdge $version, $mode"
        expected=interpreted
        if [ "$module $mode" = "universal as-it-comes" ]; then expected=native; fi
        # Interpreted under qemu the hashes of a login take longer than a database is waited for.
        options=()
        if [ -n "$under" ] && [ $expected = interpreted ]; then options=(--skip same_with_a_database); fi
        passes "$module" "$folder" "$mode" "${options[@]}" || { say "the contract tests fail"; exit 1; }
        rate=$(run "$module" "$folder" "$mode")
        # Native code is some 30 times as fast, whatever the machine.
        if [ -z "$interpreted" ]; then interpreted=$rate; fi
        execution=$(awk -v rate="$rate" -v base="$interpreted" 'BEGIN { print (rate >= 8 * base ? "native" : "interpreted") }')
        if [ "$execution" != "$expected" ]; then say "it ran as $execution, not as $expected"; exit 1; fi
        row="$module|$arch$under|$version|$mode|passed|$execution"
        if [ "$measure" = yes ]; then
          row+=$(awk -v rate="$rate" -v base="$interpreted" 'BEGIN { printf "|%.0f|%.1f", rate, rate / base }')
        fi
        rows+=("$row")
      done
    done
  done
done

{
  echo "module|machine|WasmEdge|mode|contract tests|ran as|requests/s|relative"
  printf '%s\n' "${rows[@]}"
} | awk -F'|' '{
  printf "%-10s %-12s %-9s %-12s %-15s %s", $1, $2, $3, $4, $5, $6
  if (NF == 8) printf "%*s %10s %9s", 11 - length($6), "", $7, $8
  printf "\n"
}'

#!/usr/bin/env bash
# Looks for bytes from outside that the server does not bear: fuzz.sh SECONDS [TARGET...]
#
# Each target runs for SECONDS (without names all of them), two at a time. It starts from the inputs in fuzz/corpus, and
# keeps those that reach new code in fuzz/target/corpus, for the next run. An input that breaks a promise is left in
# fuzz/artifacts, with the command that repeats it, and makes this fail.
#
# SEED makes it choose the same inputs again; without it they are others each time.
#
#   fuzz.sh build                   only builds the targets
#   fuzz.sh repeat TARGET FILE      runs one input
#   fuzz.sh minimize [TARGET...]    brings what was kept into fuzz/corpus: of the inputs that reach the same code, the shortest

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=/dev/null
. .toolchain/env

# The most memory of a target, and the most time for one input: both far from what any input needs.
MAX_MEGABYTES=2048
MAX_SECONDS=25
# Longer inputs are longer ways to the same code.
MAX_BYTES=4096

fail() {
  echo "fuzz: $*" >&2
  exit 1
}

action=run
case ${1:-} in
  build | repeat | minimize) action=$1 ;;
  '' | *[!0-9]*) fail "usage: fuzz.sh SECONDS [TARGET...]" ;;
  *) seconds=$1 ;;
esac
shift
all=$(cd fuzz/targets && printf '%s\n' *.rs | sed 's/\.rs$//')
for name in $([ $action = repeat ] && echo "${1:-}" || echo "$@"); do
  [ -f "fuzz/targets/$name.rs" ] || fail "there is no target $name; there are: $(echo "$all" | tr '\n' ' ')"
done

cxx=$(scripts/tool.sh cxx)/c++
host=$(rustc -vV | sed -n 's/^host: //p')
linker=CARGO_TARGET_$(echo "$host" | tr a-z- A-Z_)_LINKER
# From that folder, as its settings instrument the code.
(cd fuzz && env CXX="$cxx" "$linker=$cxx" cargo build --quiet --release --locked)
programs=fuzz/target/$host/release

# Stores are opened thousands of times: in memory, where that can be had.
if [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi

run() {
  local name=$1 kept=fuzz/target/corpus/$1 log=fuzz/target/log/$1 result=0
  mkdir -p "$kept" "fuzz/artifacts/$name" fuzz/target/log
  "$programs/$name" -seed="${SEED:-0}" -max_total_time="$seconds" -timeout=$MAX_SECONDS -rss_limit_mb=$MAX_MEGABYTES \
    -max_len=$MAX_BYTES -dict="fuzz/dictionaries/$name.dict" -artifact_prefix="fuzz/artifacts/$name/" \
    -print_final_stats=1 "$kept" "fuzz/corpus/$name" >"$log" 2>&1 || result=$?
  if [ $result -ne 0 ]; then
    tail -n 60 "$log"
    local found
    found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    echo "fuzz: $name found something. To repeat it: scripts/fuzz.sh repeat $name $found"
    return 1
  fi
  local executed
  executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  echo "fuzz: $name: $executed inputs, $(sed -n 's/.*DONE *\(cov: [0-9]* ft: [0-9]*\).*/\1/p' "$log")"
}

case $action in
  build) ;;
  repeat)
    RUST_BACKTRACE=1 exec "$programs/$1" "$2"
    ;;
  minimize)
    for name in ${*:-$all}; do
      mkdir -p "fuzz/target/corpus/$name"
      rm -rf fuzz/target/minimal
      mkdir fuzz/target/minimal
      "$programs/$name" -merge=1 -use_counters=0 -max_len=$MAX_BYTES fuzz/target/minimal "fuzz/corpus/$name" "fuzz/target/corpus/$name" \
        >/dev/null 2>&1 || fail "$name: the inputs cannot be merged"
      # What somebody has given a name stays, whatever else reaches the same code: inputs written by hand, and findings.
      find "fuzz/corpus/$name" -type f -name '*[!0-9a-f]*' -exec cp {} fuzz/target/minimal \;
      rm -rf "fuzz/corpus/$name"
      mv fuzz/target/minimal "fuzz/corpus/$name"
      echo "fuzz: $name: $(find "fuzz/corpus/$name" -type f | wc -l) inputs, $(du -sh --apparent-size "fuzz/corpus/$name" | cut -f 1)"
    done
    ;;
  run)
    failed=""
    running=0
    for name in ${*:-$all}; do
      if [ $running -eq 2 ]; then
        wait -n || failed=yes
        running=1
      fi
      run "$name" &
      running=$((running + 1))
    done
    while [ $running -gt 0 ]; do
      wait -n || failed=yes
      running=$((running - 1))
    done
    [ -z "$failed" ]
    ;;
esac

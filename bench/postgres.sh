#!/usr/bin/env bash
# What todos in a database cost: postgres.sh
#
# A page of 50, one todo and POST, at 10 and at 100 connections: ours with PostgreSQL, ours with redb, and bench/axum_postgres, a
# native server with the same database; then POST through 1, 2 and 3 of ours at 30 connections together. PostgreSQL, the
# servers and the client share the machine. Each figure is the median of RUNS runs (default 3) of SECONDS_EACH seconds
# (default 3), in turn. Needs curl, and Linux for the processor time.

set -euo pipefail

runs=${RUNS:-3}
seconds=${SECONDS_EACH:-3}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
if [ -z "${DATABASE_URL:-}" ]; then exec "$root/scripts/with-postgres.sh" "$0" "$@"; fi
# shellcheck source=/dev/null
. "$root/.toolchain/env"
wrk=$("$root/scripts/tool.sh" wrk)/wrk
cargo build --quiet --release --manifest-path "$root/bench/axum_postgres/Cargo.toml" --target host-tuple \
  --target-dir "$root/target/axum_postgres"
reference=$(echo "$root"/target/axum_postgres/*/release/axum_postgres)
module=$("$root/scripts/native.sh" "$root/target/wasm32-wasip1/release/todo.wasm")

# Beside the repository, as a folder for temporary files may be no disk at all.
work=$(mktemp -d "$root/target/bench.XXXXXX")
processes=()
trap 'kill -9 "${processes[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
next_port=$((10000 + RANDOM % 5000))
ticks=$(getconf CLK_TCK)

median() { sort -n | awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int((NR + 2) / 2)]) / 2 }'; }

# Starts a program with settings NAME=VALUE; sets $url and $process.
start() { # settings..., program, arguments...
  next_port=$((next_port + 1))
  url=http://127.0.0.1:$next_port
  env HOST=127.0.0.1 PORT=$next_port ACCESS_LOG=off "$@" >"$work/log" 2>&1 &
  process=$!
  processes+=("$process")
  disown "$process" # its end is no news
  for _ in $(seq 2000); do curl -fs "$url/api/todos/1" >/dev/null && return; sleep 0.01; done
  cat "$work/log" >&2
  exit 1
}

cpu() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

cat >"$work/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"title":"Buy milk","description":"two bottles"}'
LUA

# One run: "REQUESTS_PER_SECOND CPU_MICROSECONDS P99_MILLISECONDS" into a file.
run() { # file, process, connections, url, arguments...
  local file=$1 process=$2 connections=$3 target=$4 before output
  shift 4
  before=$(cpu "$process")
  output=$("$wrk" -t1 -c"$connections" -d"${seconds}s" --latency "$@" "$target")
  if grep -q 'Non-2xx\|Socket errors' <<<"$output"; then echo "$output" >&2; exit 1; fi
  awk -v ticks="$ticks" -v used=$(($(cpu "$process") - before)) '
    /Requests\/sec/ { rate = $2 }
    /requests in/ { count = $1 }
    $1 == "99%" { value = $2; factor = value ~ /us$/ ? 0.001 : value ~ /ms$/ ? 1 : 1000; p99 = value * factor }
    END { print rate, used / ticks * 1e6 / count, p99 }' <<<"$output" >>"$file"
}

show() { # label, file
  printf '  %-34s %8.0f %8.1f %8.1f\n' "$1" "$(cut -d' ' -f1 "$2" | median)" "$(cut -d' ' -f2 "$2" | median)" "$(cut -d' ' -f3 "$2" | median)"
}

mkdir "$work/redb"
start "$root/scripts/run-wasm.sh" "$module"; ours=$url; ours_process=$process
start DATABASE_URL= DATA_DIR="$work/redb" MAX_STORE_BYTES=1073741824 "$root/scripts/run-wasm.sh" "$module"; redb=$url; redb_process=$process
start "$reference"; native=$url; native_process=$process
for server in "$ours" "$redb"; do
  seq 998 | awk -v url="$server/api/todos" '{
    printf "next\nurl = \"%s\"\ndata = \"{\\\"title\\\":\\\"todo %d\\\",\\\"description\\\":\\\"as many others\\\"}\"\noutput = /dev/null\n", url, $1
  }' | sed 1d | curl -s --parallel --parallel-max 100 --config - 2>/dev/null
done

echo "medians of $runs runs of $seconds s               requests/s   µs CPU   p99 ms"
for case in "GET one|/api/todos/500|" "GET page of 50|/api/todos?limit=50|" "POST|/api/todos|-s$work/post.lua"; do
  IFS='|' read -r name path options <<<"$case"
  for connections in 10 100; do
    for _ in $(seq "$runs"); do
      # shellcheck disable=SC2086 # one option or none
      run "$work/$name.ours.$connections" "$ours_process" $connections "$ours$path" $options
      # shellcheck disable=SC2086
      run "$work/$name.native.$connections" "$native_process" $connections "$native$path" $options
      # shellcheck disable=SC2086
      run "$work/$name.redb.$connections" "$redb_process" $connections "$redb$path" $options
    done
    show "$name, c=$connections, ours" "$work/$name.ours.$connections"
    show "$name, c=$connections, native" "$work/$name.native.$connections"
    show "$name, c=$connections, ours with redb" "$work/$name.redb.$connections"
    paste -d' ' "$work/$name.ours.$connections" "$work/$name.native.$connections" | awk '{ print $1 / $4 }' | median |
      awk '{ printf "  ours/native, pair by pair: %.2f\n", $1 }'
  done
done

echo "POST through several of ours, 30 connections together: requests/s"
servers=("$ours")
for _ in 2 3; do start "$root/scripts/run-wasm.sh" "$module"; servers+=("$url"); done
for count in 1 2 3; do
  : >"$work/several"
  for _ in $(seq "$runs"); do
    for ((number = 0; number < count; number++)); do
      "$wrk" -t1 -c$((30 / count)) -d"${seconds}s" -s "$work/post.lua" "${servers[number]}/api/todos" |
        awk '/Requests\/sec/ { print $2 }' >"$work/part.$number" &
      parts[number]=$!
    done
    wait "${parts[@]}"
    cat "$work"/part.* | awk '{ sum += $1 } END { print sum }' >>"$work/several"
    rm "$work"/part.*
  done
  printf '  %d of ours  %8.0f\n' $count "$(median <"$work/several")"
done

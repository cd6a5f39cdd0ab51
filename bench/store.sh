#!/usr/bin/env bash
# What the stores cost: store.sh [PEER]
#
# 1. POST over 100 connections, in memory and on disk, and how many fsyncs a durable request takes.
# 2. GET of 1,000 todos, beside PEER if it is given: another server's program that takes its port from PORT.
# 3. A page of 50 out of 1,000 and out of 100,000 todos, at the start, in the middle and at the end.
# 4. Start-up and private memory with 2 and with 100,000 todos on disk.
#
# Each rate is the median of RUNS runs (default 3) of SECONDS_EACH seconds (default 3). Needs wrk and curl, strace for the
# fsyncs, and Linux.

set -euo pipefail

peer=${1:-}
runs=${RUNS:-3}
seconds=${SECONDS_EACH:-3}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
for tool in wrk curl; do
  command -v $tool >/dev/null || { echo "bench: $tool is missing" >&2; exit 1; }
done

# Beside the repository, as a folder for temporary files may be no disk at all.
work=$(mktemp -d "$root/target/bench.XXXXXX")
processes=()
trap 'kill -9 "${processes[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
module=$("$root/scripts/native.sh" "$root/target/wasm32-wasip1/release/todo.wasm")
next_port=$((20000 + RANDOM % 5000))

median() { sort -n | awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int((NR + 2) / 2)]) / 2 }'; }

# Starts a server with settings NAME=VALUE; sets $url and $process.
start() {
  next_port=$((next_port + 1))
  url=http://127.0.0.1:$next_port
  env HOST=127.0.0.1 PORT=$next_port ACCESS_LOG=off "$@" "$root/scripts/run-wasm.sh" "$module" >"$work/log" 2>&1 &
  process=$!
  processes+=("$process")
  disown "$process" # its end is no news
  wait_for "$url"
}

wait_for() { for _ in $(seq 2000); do curl -fs "$1/health" >/dev/null && return; sleep 0.005; done; }

cat >"$work/post.lua" <<'LUA'
wrk.method = "POST"
wrk.body = '{"title":"Buy milk","description":"two bottles"}'
LUA

# One run of wrk: its requests per second.
rate() { # connections, url, further arguments
  local connections=$1 target=$2 output
  shift 2
  output=$(wrk -t1 -c"$connections" -d"${seconds}s" "$@" "$target")
  if grep -q 'Non-2xx\|Socket errors' <<<"$output"; then echo "$output" >&2; exit 1; fi
  awk '/Requests\/sec/ { print $2 }' <<<"$output"
}

fill() { # url, number
  seq "$2" | awk -v url="$1/api/todos" '{
    printf "next\nurl = \"%s\"\ndata = \"{\\\"title\\\":\\\"todo %d\\\",\\\"description\\\":\\\"as many others\\\"}\"\noutput = /dev/null\n", url, $1
  }' | sed 1d | curl -s --parallel --parallel-max 100 --config - 2>/dev/null
}

echo "POST, 100 connections (medians of $runs runs of $seconds s)"
mkdir "$work/post"
start DATABASE_URL=memory: MAX_STORE_BYTES=1073741824; memory=$url
start DATA_DIR="$work/post" MAX_STORE_BYTES=1073741824; disk=$url; disk_process=$process
for _ in $(seq "$runs"); do
  rate 100 "$memory/api/todos" -s "$work/post.lua" >>"$work/memory.rate"
  rate 100 "$disk/api/todos" -s "$work/post.lua" >>"$work/disk.rate"
done
printf '  memory  %8.0f requests/s\n' "$(median <"$work/memory.rate")"
printf '  redb    %8.0f requests/s\n' "$(median <"$work/disk.rate")"
if command -v strace >/dev/null; then
  timeout "$seconds" strace -f -c -e trace=fsync,fdatasync -o "$work/strace" -p "$disk_process" 2>/dev/null &
  sleep 0.5
  requests=$(wrk -t1 -c100 -d$((seconds - 2))s -s "$work/post.lua" "$disk/api/todos" | awk '/requests in/ { print $1 }')
  wait $! || true
  syncs=$(awk '$NF == "fsync" || $NF == "fdatasync" { sum += $4 } END { print sum + 0 }' "$work/strace")
  awk -v syncs="$syncs" -v requests="$requests" \
    'BEGIN { printf "  redb    %8.3f fsyncs per request (%d in %d, slowed down by strace)\n", syncs / requests, syncs, requests }'
fi

echo "GET of 1,000 todos, 10 connections"
start DATABASE_URL=memory:; fill "$url" 998; ours=$url
if [ -n "$peer" ]; then
  next_port=$((next_port + 1)); theirs=http://127.0.0.1:$next_port
  PORT=$next_port "$peer" >/dev/null 2>&1 & processes+=($!)
  disown $!
  wait_for "$theirs"; fill "$theirs" 998
fi
for _ in $(seq "$runs"); do
  rate 10 "$ours/api/todos" >>"$work/list.ours"
  if [ -n "$peer" ]; then rate 10 "$theirs/api/todos" >>"$work/list.peer"; fi
done
printf '  ours    %8.0f requests/s\n' "$(median <"$work/list.ours")"
if [ -n "$peer" ]; then
  printf '  peer    %8.0f requests/s\n' "$(median <"$work/list.peer")"
  paste "$work/list.ours" "$work/list.peer" | awk '{ print $1 / $2 }' | median |
    awk '{ printf "  ours/peer, pair by pair: %.1f\n", $1 }'
fi

echo "Pages of 50, 10 connections"
few=$ours
mkdir "$work/many"
start DATA_DIR="$work/many"; many=$url; many_process=$process
fill "$many" 99998
for sort in id title; do
  for offset in 0 middle end; do
    for size in 1000 100000; do
      case $offset in middle) at=$((size / 2)) ;; end) at=$((size - 50)) ;; *) at=0 ;; esac
      if [ "$size" = 1000 ]; then server=$few; else server=$many; fi
      : >"$work/page"
      for _ in $(seq "$runs"); do
        rate 10 "$server/api/todos?sort=$sort&limit=50&offset=$at" >>"$work/page"
      done
      printf '  sort=%-5s %6s of %6d: %8.0f requests/s\n' $sort $offset $size "$(median <"$work/page")"
    done
  done
done

# Of the server itself, without what the pages have needed: after a new start.
private() { awk '/Private_(Clean|Dirty)/ { sum += $2 } END { printf "%.1f", sum / 1024 }' "/proc/$1/smaps_rollup"; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

end() { kill -9 "$1"; while kill -0 "$1" 2>/dev/null; do sleep 0.01; done; }

echo "Start to the first answer, and private memory (medians of $runs)"
end "$many_process"
for size in 2 100000; do
  : >"$work/start"; : >"$work/private"
  for _ in $(seq "$runs"); do
    folder=$work/many
    if [ "$size" = 2 ]; then folder=$(mktemp -d "$work/few.XXXXXX"); fi
    # As after a clean end: without its lock a start does not wait to see whether the last owner is alive.
    rm -f "$folder"/*.lease.*
    before=$(milliseconds)
    start DATA_DIR="$folder"
    echo $(($(milliseconds) - before)) >>"$work/start"
    private "$process" >>"$work/private"; echo >>"$work/private"
    end "$process"
  done
  printf '  %6d todos: %5.0f ms, %6.1f MB\n' $size "$(median <"$work/start")" "$(median <"$work/private")"
done

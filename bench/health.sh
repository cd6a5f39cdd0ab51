#!/usr/bin/env bash
# Requests per second and processor time per request on /health: health.sh [PEER]
#
# PEER is another server's program that takes its port from PORT, to be measured in turn with ours. Both log every
# request to a file. Each figure is the median of RUNS runs (default 5) of SECONDS_EACH seconds (default 5) over
# CONNECTIONS connections (default 10). Needs wrk, and Linux for the processor time.

set -euo pipefail

peer=${1:-}
runs=${RUNS:-5}
seconds=${SECONDS_EACH:-5}
connections=${CONNECTIONS:-10}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
command -v wrk >/dev/null || { echo "bench: wrk is missing (Debian: wrk)" >&2; exit 1; }

work=$(mktemp -d)
processes=()
trap 'kill "${processes[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

module=$("$root/scripts/native.sh" "$root/target/wasm32-wasip1/release/todo.wasm")
# Ports of our own, from the range that systems do not hand out by themselves.
port_ours=$((20000 + RANDOM % 5000)); port_peer=$((port_ours + 1))
HOST=127.0.0.1 PORT=$port_ours "$root/scripts/run-wasm.sh" "$module" >"$work/ours.log" & processes+=($!)
names=(ours); ports=("$port_ours")
if [ -n "$peer" ]; then
  PORT=$port_peer "$peer" >"$work/peer.log" 2>&1 & processes+=($!)
  names+=(peer); ports+=("$port_peer")
fi
for port in "${ports[@]}"; do
  for _ in $(seq 100); do
    curl -fs "http://127.0.0.1:$port/health" >/dev/null && break
    sleep 0.1
  done
done

ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
median() { sort -n | awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int((NR + 2) / 2)]) / 2 }'; }

measure() { # name, port, process
  local before after output requests
  before=$(ticks "$3")
  output=$(wrk -t1 -c"$connections" -d"${seconds}s" "http://127.0.0.1:$2/health")
  after=$(ticks "$3")
  if grep -q 'Non-2xx\|Socket errors' <<<"$output"; then echo "$output" >&2; exit 1; fi
  requests=$(awk '/requests in/ { print $1 }' <<<"$output")
  awk '/Requests\/sec/ { print $2 }' <<<"$output" >>"$work/$1.rate"
  awk -v ticks=$((after - before)) -v requests="$requests" -v hertz="$(getconf CLK_TCK)" \
    'BEGIN { print ticks / hertz / requests * 1e6 }' >>"$work/$1.cost"
}

for _ in $(seq "$runs"); do
  for index in "${!names[@]}"; do measure "${names[$index]}" "${ports[$index]}" "${processes[$index]}"; done
done

printf '%-6s %12s %16s   (medians of %s runs of %s s, %s connections)\n' \
  server requests/s 'µs CPU/request' "$runs" "$seconds" "$connections"
for name in "${names[@]}"; do
  printf '%-6s %12.0f %16.1f\n' "$name" "$(median <"$work/$name.rate")" "$(median <"$work/$name.cost")"
done
if [ -n "$peer" ]; then
  paste "$work/ours.rate" "$work/peer.rate" | awk '{ print $1 / $2 }' | median |
    awk '{ printf "ours/peer, pair by pair: %.2f\n", $1 }'
fi

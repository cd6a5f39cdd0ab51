#!/usr/bin/env bash
# What one change costs with 1,000 readers of /api/todos/events: events.sh
#
# The time until the last of them has it, from the client's POST on, and the server's processor time; then the same with 50
# more who never read. The client shares the machine.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=/dev/null
. .toolchain/env
ulimit -n 8192
scripts/native.sh target/wasm32-wasip1/release/todo.wasm >/dev/null
cargo e2e --quiet --locked --test e2e -- measure_a_thousand_readers --ignored --nocapture | grep readers

#!/usr/bin/env bash
# Builds the server and runs it: what `make run` does. Ctrl-C ends it; PORT chooses another port than 8080, DATA_DIR
# another folder for the todos than data.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
# shellcheck source=/dev/null
. .toolchain/env

unset CARGO_TARGET_DIR
cargo build --release --locked
module=$(scripts/native.sh "target/wasm32-wasip1/release/todo.wasm")

export DATA_DIR=${DATA_DIR:-$PWD/data}
mkdir -p "$DATA_DIR"

url=http://localhost:${PORT:-8080}
cat <<TEXT

The server is at $url (Ctrl-C ends it). To try it:

  curl $url/health
  curl $url/api/todos
  curl $url/api/todos -H 'Content-Type: application/json' -d '{"title":"Buy milk"}'

TEXT
exec scripts/run-wasm.sh "$module"

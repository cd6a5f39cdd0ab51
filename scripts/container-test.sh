#!/usr/bin/env bash
# Tests the images and the stack with podman and crun, in a private Debian: what `make test-container` does
#
# Where that is not possible it says SKIPPED and why. In continuous integration (CI=true) root must be able to, and a
# skip is a failure.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=/dev/null
. .toolchain/env

code=0
scripts/container-system.sh true || code=$?
if [ "$code" -eq 75 ]; then
  echo "SKIPPED: test-container (the reason is above)"
  if [ "${CI:-}" = true ] && [ "$(id -u)" -eq 0 ]; then exit 1; fi
  exit 0
elif [ "$code" -ne 0 ]; then
  exit "$code"
fi

scripts/dist.sh universal
# Inside there is no network to fetch anything from.
cargo e2e --locked --no-run
exec scripts/container-system.sh scripts/container-test-inside.sh

#!/usr/bin/env bash
# Runs the image CONTAINER_IMAGE as run-wasm.sh runs a module, with the same settings: container-launch.sh [MODULE]
#
# It stands in for run-wasm.sh in tests (E2E_LAUNCHER), inside container-system.sh. The module is that of the image,
# whichever is named.

set -euo pipefail

# shellcheck disable=SC2086 # options
exec "$CONTAINER_ENTER" podman run --rm --env-host --network host --read-only --cap-drop ALL \
  --security-opt no-new-privileges --memory 64m ${CONTAINER_OPTIONS:-} "$CONTAINER_IMAGE"

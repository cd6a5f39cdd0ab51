#!/usr/bin/env bash
# Runs the image todo until Ctrl-C, on PORT (8080), with the volume todo for its data: what `make run-container` does
#
# The engine is podman with a crun that knows WasmEdge, or docker with runwasi's shim; CONTAINER_ENGINE names another
# command. Without either, the image todo:native-host runs anywhere.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/container.sh
. scripts/lib/container.sh

image=todo
options=(--platform wasi/wasm)
find_engine podman docker
case ${engine[*]} in
  *docker*)
    options+=(--runtime io.containerd.wasmedge.v1)
    runs_wasm() { command -v containerd-shim-wasmedge-v1 >/dev/null; }
    ;;
  *) runs_wasm() { "${engine[@]}" info --format '{{.Host.OCIRuntime.Version}}' | grep -q '+WASM:wasmedge'; } ;;
esac
if ! runs_wasm; then
  image=todo:native-host
  options=()
  echo "${engine[*]} has no runtime for WebAssembly here; running $image, which brings WasmEdge along" >&2
  if ! "${engine[@]}" image inspect "$image" >/dev/null 2>&1; then
    echo "$image is not here; 'make image KIND=native-host' builds it" >&2
    exit 1
  fi
fi

port=${PORT:-8080}
# So many bytes of todos, with clients that read all of them, fit into the memory.
limits=(--memory 64m --env "MAX_STORE_BYTES=${MAX_STORE_BYTES:-8388608}" --env "MAX_CONNECTIONS=${MAX_CONNECTIONS:-256}")
# With an empty set of capabilities the shim would leave them all. The one that is added is of no use on port 8080.
container=$("${engine[@]}" run --detach --rm --read-only --cap-drop ALL --cap-add NET_BIND_SERVICE \
  --security-opt no-new-privileges "${limits[@]}" --volume todo:/data --publish "$port:8080" \
  ${options[@]+"${options[@]}"} "$image")
# A signal to the container would reach no one: see STOPSIGNAL in the Dockerfile.
trap '"${engine[@]}" stop "$container" >/dev/null 2>&1 || true' EXIT
trap 'exit 0' INT TERM
echo "The server is at http://localhost:$port (Ctrl-C ends it)."
# In the background, because bash handles a signal only when the program in front has ended.
"${engine[@]}" logs --follow "$container" &
wait

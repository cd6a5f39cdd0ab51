#!/usr/bin/env bash
# Builds an image from what `make dist` has written: container-image.sh [universal|plain|native-host] [OPTION...]
#
# Their names are todo, todo:plain and todo:native-host. Only the last one needs a registry, for Debian's image. The
# engine is podman, docker or buildah, or the command in CONTAINER_ENGINE. Options go to the engine's `build`.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/container.sh
. scripts/lib/container.sh

kind=${1:-universal}
if [ $# -gt 0 ]; then shift; fi
case $kind in
  universal) options=(--platform wasi/wasm --target dist --tag todo) ;;
  plain) options=(--platform wasi/wasm --target dist --build-arg MODULE=todo.wasm --tag todo:plain) ;;
  native-host)
    case $(uname -m) in
      x86_64) architecture=amd64 ;;
      aarch64 | arm64) architecture=arm64 ;;
      *) architecture=$(uname -m) ;;
    esac
    # Named, because podman's cache of layers takes no notice of the platform.
    options=(--platform "linux/$architecture" --target native-host --tag todo:native-host)
    ;;
  *)
    echo "usage: $0 [universal|plain|native-host] [OPTION...]" >&2
    exit 2
    ;;
esac

for file in dist/todo.wasm dist/todo-universal.wasm; do
  if [ ! -s "$file" ]; then
    echo "$file is not here; 'make dist' writes it" >&2
    exit 1
  fi
done
find_engine podman docker buildah
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
exec "${engine[@]}" build --build-arg FILES=ready --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
  "${options[@]}" "$@" .

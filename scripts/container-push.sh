#!/usr/bin/env bash
# Builds the images universal and plain from dist/ and pushes them: container-push.sh IMAGE TAG
#
# They become IMAGE:TAG and IMAGE:latest, and IMAGE:TAG-plain. With REGISTRY_USER and REGISTRY_PASSWORD it logs in at the
# registry in IMAGE first.

set -euo pipefail

if [ $# -ne 2 ]; then
  echo "usage: $0 IMAGE TAG" >&2
  exit 2
fi
# Names of images are in lower case; those of repositories need not be.
image=$(printf '%s' "$1" | tr '[:upper:]' '[:lower:]')
tag=$2

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib/container.sh
. scripts/lib/container.sh
find_engine podman docker

if [ -n "${REGISTRY_USER:-}" ]; then
  "${engine[@]}" login --username "$REGISTRY_USER" --password-stdin "${image%%/*}" <<<"${REGISTRY_PASSWORD:-}"
fi
scripts/container-image.sh universal --tag "$image:$tag" --tag "$image:latest"
scripts/container-image.sh plain --tag "$image:$tag-plain"
for name in "$image:$tag" "$image:latest" "$image:$tag-plain"; do "${engine[@]}" push "$name"; done

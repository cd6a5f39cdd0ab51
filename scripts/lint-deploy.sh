#!/usr/bin/env bash
# Holds the cluster's files against Kubernetes' schemas and its restricted level, without a cluster: `make lint-deploy`
#
# -v prints what kustomize makes of them.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
kustomize=$(scripts/tool.sh kustomize)/kustomize
validate=$(scripts/tool.sh kubernetes-validate)

for folder in deploy/kubernetes/base deploy/kubernetes/overlays/*/; do
  echo "$folder"
  manifests=$("$kustomize" build "$folder")
  if [ "${1:-}" = -v ]; then echo "$manifests"; fi
  # Strict: a name that the schema does not have is an error, not something to ignore.
  "$validate/kubernetes-validate" --strict - <<<"$manifests"
  "$validate/python3" scripts/pod-security.py <<<"$manifests"
done

#!/usr/bin/env bash
# Checks the files of deploy without a cluster: `make lint-deploy`
#
# Those for Kubernetes are held against its schemas, its restricted level and one another, the alerts against promtool, and
# their tests are run. -v prints what kustomize makes of the former.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! command -v apt-get >/dev/null && ! command -v kustomize promtool >/dev/null; then
  # They come from Debian's packages, and nothing that is built depends on them.
  echo "SKIPPED: lint-deploy, which needs kustomize and promtool on PATH"
  exit 0
fi
kustomize=$(scripts/tool.sh kustomize)/kustomize
validators=$(scripts/tool.sh validators)
promtool=$(scripts/tool.sh promtool)/promtool
# shellcheck source=/dev/null
. .toolchain/env

for folder in deploy/kubernetes/base deploy/kubernetes/overlays/*/; do
  echo "$folder"
  manifests=$("$kustomize" build "$folder")
  if [ "${1:-}" = -v ]; then echo "$manifests"; fi
  # Strict: a name that the schema does not have is an error, not something to ignore.
  "$validators/kubernetes-validate" --strict - <<<"$manifests"
  cargo run --quiet --locked --manifest-path xtask/Cargo.toml --target host-tuple -- manifests <<<"$manifests"
done

"$promtool" check rules --lint=all --lint-fatal deploy/prometheus/alerts.yml
"$promtool" test rules deploy/prometheus/alerts.test.yml

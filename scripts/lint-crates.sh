#!/usr/bin/env bash
# Checks the crates that the module consists of: licences, sources, versions that are there twice, and, where the database
# of advisories can be reached, known vulnerabilities. deny.toml says what is allowed: `make lint-crates`

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=/dev/null
. .toolchain/env
bin=$(scripts/tool.sh cargo-deny)
"$bin/cargo-deny" --locked check --hide-inclusion-graph bans licenses sources
if timeout 120 "$bin/cargo-deny" fetch db >/dev/null 2>&1; then
  "$bin/cargo-deny" --locked check --disable-fetch advisories
else
  echo "SKIPPED: advisories, whose database cannot be reached"
fi

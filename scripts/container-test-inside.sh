#!/usr/bin/env bash
# Builds the images from dist/ and runs the tests on them; container-test.sh starts it in container-system.sh.

set -euo pipefail

export CONTAINER_ENGINE="$CONTAINER_ENTER podman"
scripts/container-image.sh universal --quiet
scripts/container-image.sh plain --quiet
# What the Dockerfile takes from a registry's Debian is the same in this one.
"$CONTAINER_ENTER" bash scripts/container-closure.sh /tmp/wasmedge/closure /usr/bin/wasmedge /usr/bin/bash \
  /usr/bin/dirname /usr/bin/grep
scripts/container-image.sh native-host --quiet --build-context wasmedge=/tmp/wasmedge

# The contract, with the tests that the module has.
for image in localhost/todo localhost/todo:native-host; do
  CONTAINER_IMAGE=$image E2E_LAUNCHER=$PWD/scripts/container-launch.sh \
    cargo e2e --locked --offline --test e2e -- contract framing
done

cargo e2e --locked --offline --test container -- --ignored --nocapture --test-threads=1

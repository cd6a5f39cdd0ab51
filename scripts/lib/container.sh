# shellcheck shell=bash
# Which container engine the scripts use. Sourced by container-image.sh, -push.sh and -run.sh.
#
# It sets engine, an array: CONTAINER_ENGINE, else the first of those named by the caller that is here:
# find_engine NAME...

# shellcheck disable=SC2034 # the callers use it
engine=()

find_engine() {
  local name
  if [ -n "${CONTAINER_ENGINE:-}" ]; then
    # A command, such as "sudo docker".
    read -ra engine <<<"$CONTAINER_ENGINE"
    return
  fi
  for name in "$@"; do
    if command -v "$name" >/dev/null; then
      engine=("$name")
      return
    fi
  done
  echo "there is no container engine here; looked for: $*" >&2
  return 1
}

# shellcheck shell=bash
# What the scripts share that bring tools into .toolchain. Sourced by setup.sh and tool.sh.
#
# It sets root, toolchain, tmp and log, and changes to the root of the checkout.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
toolchain=$root/.toolchain
tmp=$toolchain/tmp
log=$toolchain/setup.log
cd "$root" || exit

say() { echo "setup: $*" >&2; }

quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

# Runs a command with its output in the log, and says how long it took.
step() {
  local text=$1 start=$SECONDS result="not available"
  shift
  say "$text ..."
  if "$@" >>"$log" 2>&1; then result="done"; fi
  say "$text: $result ($((SECONDS - start)) s)"
  [ "$result" = "done" ]
}

# Ends a command that hangs, where the machine can do that.
limit() {
  local seconds=$1
  shift
  if timeout --foreground 1 true 2>/dev/null; then timeout --foreground "$seconds" "$@"; else "$@"; fi
}

one_at_a_time() {
  local owner
  if command -v flock >/dev/null; then
    exec 9>"$toolchain/lock"
    flock -n 9 || { say "waiting for another set-up to finish" && flock 9; }
    return
  fi
  # A link comes into being together with the process id that it holds.
  until ln -s $$ "$toolchain/lock.owner" 2>/dev/null; do
    owner=$(readlink "$toolchain/lock.owner" || true)
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then rm -f "$toolchain/lock.owner"; else sleep 1; fi
  done
}

finish() { rm -rf "$tmp" "$toolchain/lock.owner"; }

# From here to the end of the script nobody else changes .toolchain, unless READY succeeds: begin READY
begin() {
  if ! mkdir -p "$toolchain" 2>/dev/null || [ ! -w "$toolchain" ]; then
    say "cannot write to $toolchain"
    exit 1
  fi
  one_at_a_time
  trap finish EXIT
  if "$1"; then exit 0; fi
  rm -rf "$tmp"
  mkdir "$tmp"
  echo "--- $(date)" >>"$log"
}

#!/usr/bin/env bash
# Runs a command beside a private Debian that has podman and crun with WasmEdge: container-system.sh COMMAND...
#
# The Debian is a folder (scripts/tool.sh container-system) with namespaces of its own for processes, mounts and the
# network, so that neither containers nor networks nor images of the machine are touched, and all ends with the
# command. It needs root. The command runs on the machine, but in that network; for programs of the Debian it finds a
# script in CONTAINER_ENTER:
#
#   container-system.sh bash -c '$CONTAINER_ENTER podman info'
#
# Inside, the checkout is /repository. Exit code 75 says that this machine cannot do it, and standard error why.

set -euo pipefail

CANNOT=75
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

cannot() {
  echo "container-system: $*" >&2
  exit "$CANNOT"
}

if [ $# -eq 0 ]; then
  echo "usage: $0 COMMAND..." >&2
  exit 2
fi
[ "$(uname -s)" = Linux ] || cannot "this is not Linux"
[ "$(id -u)" -eq 0 ] || cannot "needs root"
for program in unshare nsenter setpriv apt-get; do
  command -v "$program" >/dev/null || cannot "$program is not here"
done
unshare --mount --net --pid --uts --ipc --fork true 2>/dev/null || cannot "namespaces are not allowed here"

programs=$("$root/scripts/tool.sh" container-system)
tree=${programs%/usr/bin}
run=$(mktemp -d "$root/.toolchain/container.XXXXXX")
mkdir "$run/storage"

# The first process in the namespaces. Its steps need the machine's programs up to pivot_root, and the Debian's after it.
cat >"$run/init" <<'INIT'
set -euo pipefail
tree=$1 repository=$2 run=$3
mount --make-rprivate /
mount --bind -o ro "$tree" "$tree"
mount --bind -o ro "$repository" "$tree/repository"
mount --bind "$run/storage" "$tree/var/lib/containers"
for folder in etc/containers/networks root run tmp var/cache var/tmp; do mount -t tmpfs tmpfs "$tree/$folder"; done
cd "$tree"
# A real root, because a container's runtime wants to change it again.
pivot_root . old
export PATH=/usr/sbin:/usr/bin
cd /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount --rbind /old/sys/fs/cgroup /sys/fs/cgroup
# crun runs no WebAssembly where both versions of cgroups are.
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
mount --rbind /old/dev /dev
umount -l /old
ip link set lo up
touch "/run/$(basename "$run")"
# It waits for processes that nobody else waits for.
exec catatonit -P
INIT

# Ended with this script, even if that is killed.
setpriv --pdeathsig KILL unshare --mount --net --pid --uts --ipc --fork --kill-child \
  bash "$run/init" "$tree" "$root" "$run" &
system=$!

finish() {
  # The groups of containers outlive them: podman takes its own away, and leaves empty folders above them.
  "$run/enter" podman rm --all --force --time 0 >/dev/null 2>&1 || true
  kill -KILL "$system" 2>/dev/null || true
  wait "$system" 2>/dev/null || true
  rm -rf "$run"
  find /sys/fs/cgroup -depth -type d -path "*/libpod_parent*" -exec rmdir {} \; 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The namespace of processes is that of unshare's child. nsenter forks for it; what it starts ends with it.
cat >"$run/enter" <<ENTER
#!/bin/sh
exec nsenter --target $system --mount --net --uts --ipc --pid=/proc/$system/ns/pid_for_children --root \\
  env --chdir=/repository PATH=/usr/sbin:/usr/bin HOME=/root TMPDIR=/tmp PODMAN_IGNORE_CGROUPSV1_WARNING=1 \\
  setpriv --pdeathsig KILL "\$@"
ENTER
chmod +x "$run/enter"

until [ -e "/proc/$system/root/run/$(basename "$run")" ]; do
  kill -0 "$system" 2>/dev/null || cannot "the Debian does not start"
  sleep 0.1
done
"$run/enter" crun --version | grep -q '+WASM:wasmedge' || cannot "crun is built without WasmEdge"

CONTAINER_ENTER=$run/enter nsenter --target "$system" --net "$@"

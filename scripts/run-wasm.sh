#!/usr/bin/env bash
# Runs a WebAssembly module in WasmEdge: run-wasm.sh MODULE [ARGUMENT...]
#
# The server's settings pass from the environment to the module, and DATA_DIR names the folder that becomes its /data.
# RUN_MODE=interpreter leaves native code in the module aside. RUN_UNDER is a command that starts WasmEdge, such as a tracer.
# WasmEdge takes the place of this script:
# what is sent to its process id reaches WasmEdge, and the exit code is the module's. cargo runs the tests
# through this script, too (.cargo/config.toml).

set -euo pipefail

# The environment variables that the server reads.
SETTINGS=(
  HOST
  PORT
  DATABASE_URL
  DATABASE_PASSWORD_FILE
  DATABASE_CONNECTIONS
  DATABASE_TIMEOUT_MS
  SEED_TODOS
  ACCESS_LOG
  LOG_FORMAT
  TRUSTED_PROXIES
  API_TOKEN
  API_TOKEN_FILE
  METRICS_ACCESS
  CORS_ALLOW_ORIGINS
  MAX_CONNECTIONS
  MAX_CONNECTIONS_PER_CLIENT
  MAX_REQUESTS_PER_SECOND
  MAX_EVENT_READERS
  MAX_HEAD_BYTES
  MAX_BODY_BYTES
  MAX_BUFFER_BYTES
  MAX_STORE_BYTES
  HEAD_TIMEOUT_MS
  BODY_TIMEOUT_MS
  IDLE_TIMEOUT_MS
  WRITE_TIMEOUT_MS
)

# Those that tests read.
TESTS=(CRASH_SECONDS CRASH_SEED)

if [ $# -eq 0 ]; then
  echo "usage: $0 MODULE [ARGUMENT...]" >&2
  exit 2
fi
module=$1
shift

env_file=$(dirname "${BASH_SOURCE[0]}")/../.toolchain/env
# shellcheck source=/dev/null
if [ -r "$env_file" ]; then . "$env_file"; fi
if ! command -v wasmedge >/dev/null; then
  echo "run-wasm: wasmedge is not here; scripts/setup.sh brings it" >&2
  exit 127
fi

options=()

# The module reads secrets from the same paths. WasmEdge finds no files in folders whose names begin with a dot: those get
# another name.
for name in API_TOKEN_FILE DATABASE_PASSWORD_FILE; do
  file=${!name:-}
  [ -n "$file" ] || continue
  folder=$(dirname "$file")
  seen=$folder
  if [[ $folder == */.* ]]; then
    seen=/secrets/$name
    printf -v "$name" %s "$seen/$(basename "$file")"
  fi
  options+=(--dir "$seen:$folder:readonly")
done

# Empty settings pass, too: the server may tell an empty one from one that is not set.
for name in "${SETTINGS[@]}" "${TESTS[@]}"; do
  if [ -n "${!name+set}" ]; then options+=(--env "$name=${!name}"); fi
done

# The folder that the module sees as /data; without one it sees no file at all.
if [ -n "${DATA_DIR:-}" ]; then options+=(--dir "/data:$DATA_DIR"); fi

# From 0.17 on WasmEdge interprets a module unless it is told to use the native code in it; older ones use
# it by themselves and refuse the option. With a module that has none the option leads to a warning.
# Native code is in a section with the name "wasmedge", which stands behind its length.
version=$(wasmedge --version)
is_new=
if [[ $version =~ version\ ([0-9]+)\.([0-9]+) ]] && ((BASH_REMATCH[1] > 0 || BASH_REMATCH[2] >= 17)); then is_new=yes; fi
if [ "${RUN_MODE:-}" = interpreter ]; then
  if [ -n "$is_new" ]; then options+=(--run-mode=interpreter); else options+=(--force-interpreter); fi
elif [ -n "$is_new" ] && LC_ALL=C grep -qaF $'\bwasmedge' "$module"; then
  options+=(--run-mode=aot)
fi

# A log reader that goes away must not take the server with it.
trap '' PIPE

# WasmEdge gets no more rights than it needs, for the case that the module gets out of it. Root keeps two capabilities:
# for low ports and for folders of other users.
start=()
rights=(--no-new-privs)
if [ "$EUID" -eq 0 ]; then
  rights+=(--inh-caps=-all --ambient-caps=-all --bounding-set=-all,+dac_override,+net_bind_service)
fi
# Not everywhere, and in a container root may already be without the right to give rights away.
for attempt in "${rights[*]}" --no-new-privs; do
  # shellcheck disable=SC2086 # options
  if setpriv $attempt true 2>/dev/null; then
    read -ra start <<<"setpriv $attempt"
    break
  fi
done
read -ra under <<<"${RUN_UNDER:-}"

# Of the environment it needs what finds programs and libraries. The settings are in the options.
for name in $(compgen -e); do
  case $name in PATH | HOME | LD_LIBRARY_PATH | DYLD_* | MALLOC_*) ;; *) export -n "$name" ;; esac
done

# WasmEdge copies a module's sections before it uses them. With a threshold of its own, glibc's malloc gives such copies back
# to the system; otherwise it raises the threshold after the first one, and keeps the rest.
export MALLOC_MMAP_THRESHOLD_=${MALLOC_MMAP_THRESHOLD_:-131072}

# Of the open files it needs the first three. bash reads this script from 255, and closes that itself.
for file in /dev/fd/*; do
  number=${file##*/}
  if [[ $number =~ ^[0-9]+$ ]] && ((number > 2 && number != 255)); then eval "exec $number>&-"; fi
done

# The form with + is for older versions of bash, which take an empty list for an unset variable.
exec ${start[@]+"${start[@]}"} ${under[@]+"${under[@]}"} wasmedge ${options[@]+"${options[@]}"} "$module" "$@"
